"""How the API server is reached: by a kubeconfig, as kubectl does it, or by the ServiceAccount of our own pod."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient


def in_pod() -> bool:
    """Whether we run in a pod, which has a cluster of its own."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


async def connect(
    kubeconfig: Path | None = None, context: str | None = None, *, as_user: str | None = None
) -> ApiClient:
    """A client of the cluster that kubectl would use; in a pod without a kubeconfig, of its own.

    Args:
        as_user: whom to act as, as kubectl's ``--as`` does.

    Raises:
        ConfigurationError: there is none, or what there is can't be used.
    """
    usual = Path.home() / ".kube" / "config"
    where = str(kubeconfig or os.environ.get("KUBECONFIG") or usual)
    own = in_pod() and context is None and where == str(usual) and not usual.exists()
    client: Any = await (connect_from_pod() if own else _connect(where, context))
    if as_user is not None:
        client.set_default_header("Impersonate-User", as_user)
    opened: ApiClient = client
    return opened


async def connect_from_pod() -> ApiClient:
    """A client of the cluster that this pod runs in, whatever kubeconfigs there are.

    Raises:
        ConfigurationError: the pod has no usable ServiceAccount.
    """
    from kubernetes.aio import config
    from kubernetes.aio.client import ApiClient, Configuration

    load_incluster_config: Any = config.load_incluster_config  # the client has no types of its own
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)
    except Exception as error:
        what = type(error).__name__
        raise ConfigurationError(f"the pod's ServiceAccount: can't be used to reach the API server ({what})") from None
    return ApiClient(configuration=configuration)


async def _connect(where: str, context: str | None) -> ApiClient:
    from kubernetes.aio import config
    from kubernetes.aio.client import ApiClient, Configuration

    load_kube_config: Any = config.load_kube_config
    configuration = Configuration()
    try:
        if not _files(where):
            raise FileNotFoundError  # which the client would only log
        # Nothing that the file's own plugins answer is written back into it.
        options = {"context": context, "client_configuration": configuration, "persist_config": False}
        await load_kube_config(where, **options)
    except Exception as error:  # the client checks no shape: a file that is none ends in any of them
        wanted = f" with the context {context}" if context else ""
        # Its own text may quote the file.
        what = _wrong_with(where, context) or f" ({type(error).__name__})"
        raise ConfigurationError(f"{where}: can't be used{wanted} to reach the API server{what}") from None
    return ApiClient(configuration=configuration)


def offered_contexts(incomplete: str) -> list[str]:
    """The contexts of the usual kubeconfig that begin so, for the shell; none where there is nothing to read."""
    import yaml

    names: list[str] = []
    for file in _files(os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")):
        try:
            names += _contexts(file)
        except (OSError, ValueError, RecursionError, yaml.YAMLError, TypeError, KeyError):
            continue
    return [name for name in names if name.startswith(incomplete)]


def _files(where: str) -> list[Path]:
    """Those of several files that are there."""
    return [Path(name) for name in where.split(os.pathsep) if Path(name).exists()]


def _contexts(file: Path) -> list[str]:
    import yaml

    return [str(one["name"]) for one in yaml.safe_load(file.read_text(encoding="utf-8"))["contexts"]]


def _wrong_with(where: str, context: str | None) -> str:
    """What keeps kubeconfigs from being used, as far as a look at them tells; a clause, or nothing."""
    import yaml

    found: list[str] = []
    if not _files(where):
        return ": there is no such file; name one with --kubeconfig or KUBECONFIG"
    for file in _files(where):
        try:
            found += _contexts(file)
        except OSError as error:
            return f": {error.strerror}"
        except (ValueError, yaml.YAMLError, RecursionError):
            return ": it is no YAML"
        except (TypeError, KeyError):
            return ": it has no contexts, and so is no kubeconfig"
    if context is not None and context not in found:
        return f": there is no such context; there are {', '.join(found) or 'none'}"
    return ""
