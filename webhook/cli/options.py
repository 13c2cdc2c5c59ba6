"""What commands that work on a cluster have in common: how it is reached, how a Secret is named, how they end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from webhook.cluster.connect import offered_contexts
from webhook.errors import ConfigurationError

ENVIRONMENT = "GIT_TOKEN_WEBHOOK"
"""What the environment variables begin with that set options, as containers like it."""

Kubeconfig = Annotated[
    Path | None,
    typer.Option(envvar=f"{ENVIRONMENT}_KUBECONFIG", help="How to reach the API server; as kubectl does without one."),
]
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
Config = Annotated[
    Path | None,
    typer.Option(
        envvar=f"{ENVIRONMENT}_CONFIG", help="The webhook's configuration file (YAML); the defaults without one."
    ),
]


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
