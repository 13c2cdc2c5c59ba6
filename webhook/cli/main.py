"""The entry point, which defines the commands, reads `sys.argv` and sets the exit code.

Exit codes: 0 success, 1 something was found, 2 wrong usage or configuration, 3 could not finish.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from webhook import __version__
from webhook.cli.audit import audit, check
from webhook.cli.certs import (
    CA_LIFETIME,
    DEFAULT_INSTALLATION,
    LEAF_LIFETIME,
    SETTLE,
    CaLifetime,
    LeafLifetime,
    Settle,
)
from webhook.cli.certs import Installation as InstallationFlag
from webhook.cli.certs import app as certs_app
from webhook.cli.console import console as console_command
from webhook.cli.explain import explain
from webhook.cli.help import Typer
from webhook.cli.keys import app as keys_app
from webhook.cli.options import ENVIRONMENT
from webhook.cli.sealed import reseal, unseal
from webhook.cli.tokens import app as token_app
from webhook.errors import ConfigurationError
from webhook.text import STANDARD_INPUT

if TYPE_CHECKING:
    from webhook.address import Address

_LONG = re.compile(r"[A-Za-z0-9_-]{16}")
"""No token is shorter."""

app = Typer(
    name="git-token-webhook",
    help="Check Git tokens when a Kubernetes Secret is written, and deny invalid and insufficient ones.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they print local variables, which may hold a token
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = Typer(help="Check configuration files.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(certs_app, name="certs")
app.add_typer(keys_app, name="keys")
app.add_typer(token_app, name="token")
app.command(epilog="Example: kustomize build overlays/prod | git-token-webhook check -")(check)
app.command(epilog="Example: git-token-webhook audit --all-namespaces --keys keys")(audit)
app.command("console", epilog="Example: git-token-webhook console --context prod -n platform")(console_command)
app.command(epilog="Example: git-token-webhook explain --host github.com/acme/apps < token.txt")(explain)
app.command(epilog="Example: git-token-webhook unseal platform/git-default-alice --keys keys | pbcopy")(unseal)
app.command(epilog="Example: git-token-webhook reseal --all-namespaces --keys keys --dry-run")(reseal)


def main() -> None:
    """Run a command. As a kubectl plugin, help texts name it `kubectl git-token`."""
    if _holds_token(sys.argv[1:]):  # messages about wrong usage would repeat it
        _fail(
            "The command line contains what looks like a token. Process lists and the shell's history expose it. "
            "Revoke it, and pass a new token on standard input.",
            code=2,
        )
    try:
        app(prog_name="kubectl git-token" if Path(sys.argv[0]).name == "kubectl-git_token" else None)
    except ConfigurationError as error:
        _fail(str(error), code=2)


def _holds_token(words: list[str]) -> bool:
    if not any(_LONG.search(word) for word in words):
        return False
    from webhook.providers.token_shapes import name_holds_token  # slow to import

    return any(map(name_holds_token, words))


def _fail(message: str, *, code: int) -> NoReturn:
    typer.echo(f"git-token-webhook: {message}", err=True)
    raise SystemExit(code)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"git-token-webhook {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _flag(name: str, text: str) -> Any:
    """Return an option of `serve`, which an environment variable can set as well."""
    return typer.Option(help=text, envvar=f"{ENVIRONMENT}_{name}")


@app.command(epilog="Example: git-token-webhook serve --config config.yaml --tls-cert tls.crt --tls-key tls.key")
def serve(
    tls_cert: Annotated[Path, _flag("TLS_CERT", "Certificate chain (PEM) of the admission port.")],
    tls_key: Annotated[Path, _flag("TLS_KEY", "Its private key (PEM).")],
    config: Annotated[
        Path | None, _flag("CONFIG", "Configuration file (YAML). Without it, the defaults apply.")
    ] = None,
    client_ca: Annotated[
        Path | None, _flag("CLIENT_CA", "Serve only clients with a certificate of this CA (PEM).")
    ] = None,
    listen: Annotated[str, _flag("LISTEN", "Address of the admission port.")] = "[::]:9443",
    health_listen: Annotated[str, _flag("HEALTH_LISTEN", "Address of /livez, /readyz and /metrics.")] = "[::]:8080",
    client_name: Annotated[
        list[str] | None,
        _flag(
            "CLIENT_NAME", "With --client-ca: serve only certificates with this common name or DNS name; repeatable."
        ),
    ] = None,
    keep_certificates: Annotated[
        bool,
        _flag("KEEP_CERTIFICATES", "Renew the certificates, and keep the caBundle up to date; see certs ensure."),
    ] = False,
    installation: InstallationFlag = DEFAULT_INSTALLATION,
    ca_lifetime: CaLifetime = CA_LIFETIME,
    leaf_lifetime: LeafLifetime = LEAF_LIFETIME,
    settle: Settle = SETTLE,
    lease_duration: Annotated[
        str, _flag("LEASE_DURATION", "How soon another replica takes over the certificates when the leader fails.")
    ] = "15s",
    wait_for_files: Annotated[
        str, _flag("WAIT_FOR_FILES", "How long to wait for mounted files that do not exist yet.")
    ] = "0s",
    kubeconfig: Annotated[
        Path | None,
        _flag("KUBECONFIG", "Kubeconfig, for a server outside the cluster. In a pod, the ServiceAccount is used."),
    ] = None,
    shutdown_delay: Annotated[
        str, _flag("SHUTDOWN_DELAY", "How long to serve new requests after SIGTERM, until the endpoints are updated.")
    ] = "5s",
    shutdown_timeout: Annotated[
        str, _flag("SHUTDOWN_TIMEOUT", "How long to wait for requests in flight after that.")
    ] = "15s",
    log_format: Annotated[Literal["json", "text"], _flag("LOG_FORMAT", "Format of log lines.")] = "json",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _flag("LOG_LEVEL", "Lowest level of log lines.")
    ] = "info",
) -> None:
    """Run the webhook server: POST /mutate and POST /validate over TLS."""
    from webhook.certs.names import Installation
    from webhook.cli.certs import lifetimes
    from webhook.server.app import run
    from webhook.server.options import CertificateOptions, Options
    from webhook.settings.values import parse_duration

    try:
        delay, timeout = parse_duration(shutdown_delay), parse_duration(shutdown_timeout)
        patience, lease = parse_duration(wait_for_files), parse_duration(lease_duration)
    except ValueError as error:
        flags = "--shutdown-delay, --shutdown-timeout, --wait-for-files, --lease-duration"
        raise ConfigurationError(f"{flags}: {error}") from None
    if client_name and client_ca is None:
        raise ConfigurationError("--client-name needs --client-ca, the CA of the client certificates")
    certificates = None
    if keep_certificates:
        lives = lifetimes(ca_lifetime, leaf_lifetime, settle)
        certificates = CertificateOptions(Installation.parse(installation), lives, lease.total_seconds())
    options = Options(
        tls_cert=tls_cert,
        tls_key=tls_key,
        config=config,
        client_ca=client_ca,
        client_names=tuple(client_name or ()),
        wait_for_files=patience.total_seconds(),
        certificates=certificates,
        listen=_address("--listen", listen),
        health_listen=_address("--health-listen", health_listen),
        kubeconfig=kubeconfig,
        shutdown_delay=delay.total_seconds(),
        shutdown_timeout=timeout.total_seconds(),
        log_format=log_format,
        log_level=log_level,
    )
    run(options)


def _address(flag: str, text: str) -> Address:
    from webhook.address import Address

    try:
        return Address.parse(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{flag}: {error}") from None


@app.command(epilog="Example: git-token-webhook demo --serve")
def demo(
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the server running afterwards, and print curl commands to try.")
    ] = False,
    console: Annotated[
        bool, typer.Option("--console", help="Open the console on a simulated cluster instead.")
    ] = False,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="With --console: open the browser, or print the link.")
    ] = True,
) -> None:
    """Run a demo on this machine, with simulated providers, the real server and TLS."""
    import asyncio

    try:
        from webhook.demo import run_demo
    except ModuleNotFoundError:
        _fail("The demo is not part of this image. Clone the repository and run: ./dev demo", code=2)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM cleans up as Ctrl-C does
    try:
        if console:
            import webbrowser

            from webhook.demo.console import run_console

            asyncio.run(run_console(typer.echo, webbrowser.open if browser else None))
            return
        asyncio.run(run_demo(stay=serve))
    except KeyboardInterrupt:
        return
    except RuntimeError as error:
        _fail(str(error), code=3)


@config_app.command("check", epilog="Example: git-token-webhook config check config.yaml")
def config_check(
    file: Annotated[Path, typer.Argument(help="Configuration file (YAML); - reads standard input.", allow_dash=True)],
) -> None:
    """Check a configuration file, and print what is wrong."""
    from webhook.settings.doubts import doubts
    from webhook.settings.source import load_settings, read_settings

    name = STANDARD_INPUT if str(file) == "-" else str(file)
    settings = read_settings(sys.stdin, name) if name == STANDARD_INPUT else load_settings(file)
    for doubt in doubts(settings):
        typer.echo(f"{name}: {doubt}", err=True)
    rules = ", ".join(dict.fromkeys(rule.name for rule in settings.all_rules)) or "none"
    typer.echo(f"{name} is valid: mode {settings.mode}, rules {rules}.")


@config_app.command("schema", epilog="Example: git-token-webhook config schema > config.schema.json")
def config_schema() -> None:
    """Print the JSON Schema of the configuration file."""
    from webhook.settings.schema import schema

    json.dump(schema(), sys.stdout, indent=2)
    typer.echo()
