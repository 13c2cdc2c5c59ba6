"""The commands ``certs``, which create, show, check and replace the certificates of an installation.

Exit code 1: something is wrong with the certificates. Exit code 3: a request to the API server failed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from webhook.cli.help import Typer
from webhook.cli.options import ENVIRONMENT, Context, Kubeconfig, end
from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from webhook.certs.lifetimes import Lifetimes
    from webhook.certs.report import Report
    from webhook.certs.steps import Certificates

app = Typer(help="Create, show and replace the certificates that the API server trusts.", no_args_is_help=True)

Installation = Annotated[
    str,
    typer.Option(
        metavar="NAMESPACE/NAME",
        envvar=f"{ENVIRONMENT}_INSTALLATION",
        help="Service of the webhook. Secrets, the Lease and webhook configurations are named after it.",
    ),
]
CaLifetime = Annotated[
    str,
    typer.Option(
        envvar=f"{ENVIRONMENT}_CA_LIFETIME", help="Lifetime of the CA. It is replaced after two thirds of it."
    ),
]
LeafLifetime = Annotated[
    str,
    typer.Option(
        envvar=f"{ENVIRONMENT}_LEAF_LIFETIME",
        help="Lifetime of the serving certificate. It is replaced after two thirds of it.",
    ),
]
Settle = Annotated[
    str,
    typer.Option(envvar=f"{ENVIRONMENT}_SETTLE", help="Time between publishing a new CA and using it."),
]
Output = Annotated[Literal["text", "json", "yaml"], typer.Option("--output", "-o", help="Output format.")]

DEFAULT_INSTALLATION = "git-token-webhook/git-token-webhook"
CA_LIFETIME, LEAF_LIFETIME, SETTLE = "365d", "90d", "5m"


def lifetimes(ca: str, leaf: str, settle: str) -> Lifetimes:
    """Parse the flags of lifetimes.

    Raises:
        ConfigurationError: a value is not a duration, or the values contradict each other.
    """
    from webhook.certs.lifetimes import Lifetimes
    from webhook.settings.values import parse_duration

    try:
        return Lifetimes(parse_duration(ca), parse_duration(leaf), parse_duration(settle))
    except ValueError as error:
        raise ConfigurationError(f"--ca-lifetime, --leaf-lifetime, --settle: {error}") from None


@app.command(epilog="Example: git-token-webhook certs ensure --installation git-token-webhook/git-token-webhook")
def ensure(
    installation: Installation = DEFAULT_INSTALLATION,
    ca_lifetime: CaLifetime = CA_LIFETIME,
    leaf_lifetime: LeafLifetime = LEAF_LIFETIME,
    settle: Settle = SETTLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Create or renew the certificates if needed, and publish the CA. Safe to run repeatedly."""
    lives = lifetimes(ca_lifetime, leaf_lifetime, settle)

    async def work(certificates: Certificates) -> None:
        _state, rest = await certificates.settle(typer.echo)
        for trouble in rest.troubles:
            typer.echo(f"{trouble[0].upper()}{trouble[1:]}.", err=True)
        if rest.left_alone:
            return  # another program owns these certificates
        from webhook.certs.state import shown

        typer.echo(f"The certificates of {installation} are in place; the next change is due at {shown(rest.until)}.")

    _with_certificates(work, installation, lives, kubeconfig, context)


@app.command(epilog="Example: git-token-webhook certs rotate --ca")
def rotate(
    ca: Annotated[
        bool, typer.Option("--ca", help="Replace the CA as well. It is published first, and used after --settle.")
    ] = False,
    distrust_old: Annotated[
        bool,
        typer.Option(
            "--distrust-old",
            help="With --ca: replace it at once and without an overlap, because the old CA's key is compromised. "
            "Writes of credentials are denied until every pod has the new certificate.",
        ),
    ] = False,
    installation: Installation = DEFAULT_INSTALLATION,
    ca_lifetime: CaLifetime = CA_LIFETIME,
    leaf_lifetime: LeafLifetime = LEAF_LIFETIME,
    settle: Settle = SETTLE,
    wait: Annotated[
        bool, typer.Option("--wait", help="With --ca: wait until the serving certificate is from the new CA.")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Create a new serving certificate now, or start to replace the CA."""
    lives = lifetimes(ca_lifetime, leaf_lifetime, settle)
    if not ca and (wait or distrust_old):
        raise ConfigurationError("--wait and --distrust-old need --ca")

    async def work(certificates: Certificates) -> None:
        if distrust_old:
            await certificates.replace_ca(typer.echo)
            return
        if not ca:
            await certificates.renew_leaf(typer.echo)
            return
        await certificates.begin_roll(typer.echo)
        if wait:
            await certificates.end_roll(typer.echo)
        else:
            typer.echo(
                f"A server with --keep-certificates continues in {settle}. Without one, run "
                "git-token-webhook certs ensure then."
            )

    _with_certificates(work, installation, lives, kubeconfig, context)


@app.command(epilog="Example: git-token-webhook certs show")
def show(
    installation: Installation = DEFAULT_INSTALLATION,
    connect: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Also check what this address serves, for example through kubectl port-forward."
        ),
    ] = None,
    output: Output = "text",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show the serving certificate, the CAs that the API server trusts, and when they expire."""
    report = _reported(installation, connect, kubeconfig, context)
    typer.echo(report.text() if output == "text" else report.dump(output))


@app.command(epilog="Example: git-token-webhook certs check --within 14d")
def check(
    installation: Installation = DEFAULT_INSTALLATION,
    within: Annotated[str, typer.Option(help="Also report certificates that expire within this time.")] = "0s",
    connect: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Also check what this address serves, for example through kubectl port-forward."
        ),
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Check the certificates, also those of other issuers. Exit code 1 means that something is wrong."""
    from webhook.settings.values import parse_duration

    try:
        soon = parse_duration(within)
    except ValueError as error:
        raise ConfigurationError(f"--within: {error}") from None
    problems = _reported(installation, connect, kubeconfig, context).problems(soon)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"The API server trusts the certificate of {installation}.")


def _reported(installation: str, connect: str | None, kubeconfig: Path | None, context: str | None) -> Report:
    from webhook.certs.lifetimes import Lifetimes
    from webhook.certs.report import report

    found: list[Report] = []

    async def work(certificates: Certificates) -> None:
        found.append(await report(await certificates.look(), certificates.clock(), connect))

    _with_certificates(work, installation, Lifetimes(), kubeconfig, context)
    return found[0]


def _with_certificates(
    work: Callable[[Certificates], Awaitable[None]],
    installation: str,
    lives: Lifetimes,
    kubeconfig: Path | None,
    context: str | None,
) -> None:
    import asyncio

    from webhook.certs.names import Installation as Names
    from webhook.certs.steps import Certificates
    from webhook.cluster.connect import connect
    from webhook.cluster.objects import ApiObjects
    from webhook.cluster.requests import ApiError

    names = Names.parse(installation)

    async def run() -> None:
        async with await connect(kubeconfig, context) as client:
            await work(Certificates(ApiObjects(client), names, lives))

    try:
        asyncio.run(run())
    except ApiError as error:
        end(f"the certificates of {installation} are not ready: {error}.", code=3)


@app.command(
    epilog="Example: git-token-webhook certs generate --dns git-token-webhook.git-token-webhook.svc --out certs/local",
)
def generate(
    out: Annotated[Path, typer.Option(help="Folder for ca.crt, ca.key, tls.crt and tls.key.")],
    dns: Annotated[list[str] | None, typer.Option(help="DNS name that the API server calls; repeatable.")] = None,
    ip: Annotated[list[str] | None, typer.Option(help="IP address that the API server calls; repeatable.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Lifetime of the serving certificate in days.")] = 90,
    force: Annotated[bool, typer.Option("--force", help="Replace existing certificates.")] = False,
) -> None:
    """Create a CA and a serving certificate, and print the caBundle for the webhook configurations."""
    from webhook.certs.issue import generate_certificates

    if not dns and not ip:
        raise ConfigurationError("name at least one --dns or --ip that the API server will call")
    typer.echo(generate_certificates(out, dns or [], ip or [], days, force=force))
