"""Options and helpers that the commands for a cluster share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from webhook.cluster.connect import offered_contexts
from webhook.errors import ConfigurationError

ENVIRONMENT = "GIT_TOKEN_WEBHOOK"
"""Prefix of the environment variables that set options."""

Kubeconfig = Annotated[
    Path | None,
    typer.Option(envvar=f"{ENVIRONMENT}_KUBECONFIG", help="Kubeconfig. Without it, kubectl's rules apply."),
]
Context = Annotated[
    str | None,
    typer.Option(help="Context of the kubeconfig. Defaults to the current one.", autocompletion=offered_contexts),
]
Contexts = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        help="Context of the kubeconfig; repeat it for one report on several clusters.",
        autocompletion=offered_contexts,
    ),
]
As = Annotated[str | None, typer.Option("--as", help="User to impersonate, as kubectl's --as.")]
Config = Annotated[
    Path | None,
    typer.Option(envvar=f"{ENVIRONMENT}_CONFIG", help="Configuration file (YAML). Without it, the defaults apply."),
]


def parse_place(text: str) -> tuple[str, str]:
    """Parse ``NAMESPACE/NAME``.

    Raises:
        ConfigurationError: `text` has another format.
    """
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise ConfigurationError("name the Secret as NAMESPACE/NAME, such as argocd/repo-creds")
    return namespace, name


def end(message: str, *, code: int) -> NoReturn:
    """Print the message, and exit with the code."""
    typer.echo(f"git-token-webhook: {message}", err=True)
    raise typer.Exit(code)
