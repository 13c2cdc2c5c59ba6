"""What commands that work on a cluster have in common: how it is reached, how a Secret is named, how they end."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from webhook.errors import ConfigurationError


def offered_contexts(incomplete: str) -> list[str]:
    """The contexts of the usual kubeconfig that begin so, for the shell; none where there is nothing to read."""
    import yaml

    names: list[str] = []
    for file in (os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")).split(os.pathsep):
        with contextlib.suppress(OSError, ValueError, yaml.YAMLError, AttributeError, TypeError, KeyError):
            names += [context["name"] for context in yaml.safe_load(Path(file).read_text())["contexts"]]
    return [name for name in names if name.startswith(incomplete)]


Kubeconfig = Annotated[Path | None, typer.Option(help="How to reach the API server; as kubectl does without one.")]
Context = Annotated[
    str | None,
    typer.Option(help="The context of the kubeconfig; its current one without one.", autocompletion=offered_contexts),
]
Contexts = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        help="A context of the kubeconfig; several make one report of several clusters.",
        autocompletion=offered_contexts,
    ),
]
As = Annotated[str | None, typer.Option("--as", help="Act as this user, as kubectl's --as does.")]
Config = Annotated[Path | None, typer.Option(help="The webhook's configuration file; the defaults without one.")]


def parse_place(text: str) -> tuple[str, str]:
    """Namespace and name of ``NAMESPACE/NAME``.

    Raises:
        ConfigurationError: it is something else.
    """
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise ConfigurationError("which Secret is said as NAMESPACE/NAME, such as argocd/repo-creds")
    return namespace, name


def end(message: str, *, code: int) -> NoReturn:
    """Say why, and end the command."""
    typer.echo(f"git-token-webhook: {message}", err=True)
    raise typer.Exit(code)
