"""Connect to the API server with a kubeconfig, as kubectl does, or with the pod's ServiceAccount."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webhook.errors import ConfigurationError
from webhook.proxy import UnusableProxy

if TYPE_CHECKING:
    from webhook.cluster.client import Loaded, RenewingClient


def in_pod() -> bool:
    """Return whether this process runs in a pod."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


async def connect(
    kubeconfig: Path | None = None, context: str | None = None, *, as_user: str | None = None
) -> RenewingClient:
    """Return a client of the cluster that kubectl would use; in a pod without a kubeconfig, of the pod's cluster.

    Args:
        as_user: the user to impersonate, as kubectl's ``--as`` does.

    Raises:
        ConfigurationError: there is no configuration, or it cannot be used.
    """
    usual = Path.home() / ".kube" / "config"
    where = str(kubeconfig or os.environ.get("KUBECONFIG") or usual)
    own = in_pod() and context is None and where == str(usual) and not usual.exists()
    client = await (connect_from_pod() if own else _connect(where, context))
    if as_user is not None:
        client.default_headers["Impersonate-User"] = as_user
    return client


async def connect_from_pod() -> RenewingClient:
    """Return a client of the cluster that this pod runs in. Kubeconfig files are ignored.

    Raises:
        ConfigurationError: the pod has no usable ServiceAccount, or the proxy of the environment cannot be used.
    """
    from webhook.cluster.client import RenewingClient

    try:
        return RenewingClient(await _load_from_pod(), _load_from_pod)
    except UnusableProxy as error:
        raise ConfigurationError(str(error)) from None
    except Exception as error:
        what = type(error).__name__
        raise ConfigurationError(f"the pod's ServiceAccount: cannot be used to reach the API server ({what})") from None


async def _load_from_pod() -> Loaded:
    from kubernetes.aio import config
    from kubernetes.aio.client import Configuration

    from webhook.cluster.client import Loaded

    load_incluster_config: Any = config.load_incluster_config  # the client has no type annotations
    configuration = Configuration()
    # The token is read again by our own client, which reads the CA again as well.
    load_incluster_config(client_configuration=configuration, try_refresh_token=False)
    return Loaded(configuration)


async def _connect(where: str, context: str | None) -> RenewingClient:
    from webhook.cluster.client import RenewingClient

    try:
        if not _files(where):
            raise FileNotFoundError  # the client would only log it
        return RenewingClient(await _load(where, context), lambda: _load(where, context))
    except UnusableProxy as error:
        raise ConfigurationError(str(error)) from None
    except Exception as error:  # the client does not validate the file, so an invalid one can raise anything
        wanted = f" with the context {context}" if context else ""
        # The error's text may quote the file.
        what = _wrong_with(where, context) or f" ({type(error).__name__})"
        raise ConfigurationError(f"{where}: cannot be used{wanted} to reach the API server{what}") from None


async def _load(where: str, context: str | None) -> Loaded:
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.config import kube_config

    from webhook.cluster.client import Loaded, lifetime_of_plugin

    library: Any = kube_config  # without type annotations
    files = library.KubeConfigMerger(where)
    # What the file's auth plugins return is not written back into it.
    loader = library.KubeConfigLoader(config_dict=files.config, config_base_path=None, active_context=context)
    configuration = Configuration()
    await loader.load_and_set(configuration)
    if "exec" not in (loader._user or {}):  # the library offers no other way to learn this
        return Loaded(configuration)
    expires_at = getattr(loader, "exec_plugin_expiry", None)
    expires_in = (expires_at - datetime.now(UTC)).total_seconds() if expires_at is not None else None
    return Loaded(configuration, lifetime_of_plugin(expires_in))


def offered_contexts(incomplete: str) -> list[str]:
    """Return the contexts of the default kubeconfig that start with `incomplete`, for shell completion."""
    import yaml

    names: list[str] = []
    for file in _files(os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")):
        try:
            names += _contexts(file)
        except (OSError, ValueError, RecursionError, yaml.YAMLError, TypeError, KeyError):
            continue
    return [name for name in names if name.startswith(incomplete)]


def _files(where: str) -> list[Path]:
    """Return the files of a KUBECONFIG path list that exist."""
    return [Path(name) for name in where.split(os.pathsep) if Path(name).exists()]


def _contexts(file: Path) -> list[str]:
    import yaml

    return [str(one["name"]) for one in yaml.safe_load(file.read_text(encoding="utf-8"))["contexts"]]


def _wrong_with(where: str, context: str | None) -> str:
    """Return why kubeconfig files cannot be used, as a clause; empty if the files do not show it."""
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
            return ": it is not valid YAML"
        except (TypeError, KeyError):
            return ": it has no contexts, so it is not a kubeconfig"
    if context is not None and context not in found:
        return f": there is no such context; there are {', '.join(found) or 'none'}"
    return ""
