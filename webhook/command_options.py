"""What commands that work on a cluster have in common: how it is reached, how a Secret is named, how they end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from webhook.errors import ConfigurationError

Kubeconfig = Annotated[Path | None, typer.Option(help="How to reach the API server; as kubectl does without one.")]
Context = Annotated[str | None, typer.Option(help="The context of the kubeconfig; its current one without one.")]
As = Annotated[str | None, typer.Option("--as", help="Act as this user, as kubectl's --as does.")]
Config = Annotated[Path | None, typer.Option(help="The webhook's configuration file; the defaults without one.")]


def place(text: str) -> tuple[str, str]:
    """Namespace and name of ``NAMESPACE/NAME``.

    Raises:
        ConfigurationError: it is something else.
    """
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise ConfigurationError(f"{text!r} must be NAMESPACE/NAME")
    return namespace, name


def end(message: str, *, code: int) -> NoReturn:
    """Say why, and end the command."""
    typer.echo(f"git-token-webhook: {message}", err=True)
    raise typer.Exit(code)
