"""Options that several commands share, and what they name: Secrets, settings and key rings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from webhook.cluster.connect import offered_contexts
from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from webhook.keyring.ring import KeyRing
    from webhook.settings.model import Settings

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

Keys = Annotated[
    Path | None,
    typer.Option(help="Key ring that opens sealed tokens. Defaults to encryption.keysDir of --config."),
]
Concurrency = Annotated[int, typer.Option(min=1, max=64, help="Concurrent token checks per host.")]


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


def settings_of(config: Path | None) -> Settings:
    """Return the settings of a configuration file, or the defaults."""
    from webhook.settings.source import load_settings

    return load_settings(config)


def without_applications(settings: Settings) -> Settings:
    """Return the settings without the lookup of Argo CD Applications in the cluster."""
    repositories = settings.repositories.model_copy(update={"applications": False})
    return settings.model_copy(update={"repositories": repositories})


def ring_of(keys: Path | None, settings: Settings) -> KeyRing | None:
    """Return the key ring of `keys`, or of the configuration if its folder exists here.

    Raises:
        ConfigurationError: the folder that the command line names cannot be used.
    """
    from webhook.keyring.files import load_keyring_by_file_times

    folder = keys if keys is not None else settings.encryption.keys_dir
    if folder is None or (keys is None and not folder.is_dir()):
        return None  # the folder is on the server, not on this machine
    return load_keyring_by_file_times(folder)
