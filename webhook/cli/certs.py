"""``git-token-webhook certs``: make certificates for an installation, look at them, and replace them by hand.

Exit codes as everywhere: 1 where something is wrong with them, 3 where the API server doesn't do its part.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from webhook.cli.options import ENVIRONMENT, Context, Kubeconfig, end
from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from webhook.certs.lifetimes import Lifetimes
    from webhook.certs.report import Report
    from webhook.certs.steps import Certificates

app = typer.Typer(help="Make, look at and replace the certificates that the API server trusts.", no_args_is_help=True)

Installation = Annotated[
    str,
    typer.Option(
        metavar="NAMESPACE/NAME",
        envvar=f"{ENVIRONMENT}_INSTALLATION",
        help="The Service; Secrets, Lease and webhook configurations are called after it.",
    ),
]
CaLifetime = Annotated[
    str,
    typer.Option(envvar=f"{ENVIRONMENT}_CA_LIFETIME", help="How long our own CA holds; replaced after two thirds."),
]
LeafLifetime = Annotated[
    str,
    typer.Option(
        envvar=f"{ENVIRONMENT}_LEAF_LIFETIME", help="How long our own certificate holds; replaced after two thirds."
    ),
]
Settle = Annotated[
    str,
    typer.Option(envvar=f"{ENVIRONMENT}_SETTLE", help="How long a new CA is published before a certificate of it."),
]
Output = Annotated[Literal["text", "json", "yaml"], typer.Option("--output", "-o", help="For people, or for programs.")]

DEFAULT_INSTALLATION = "git-token-webhook/git-token-webhook"
CA_LIFETIME, LEAF_LIFETIME, SETTLE = "365d", "90d", "5m"


def lifetimes(ca: str, leaf: str, settle: str) -> Lifetimes:
    """What these flags say.

    Raises:
        ConfigurationError: one is no duration, or they don't go together.
    """
    from webhook.certs.lifetimes import Lifetimes
    from webhook.settings.model import parse_duration

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
    """Make what is missing, mend what is broken, renew what is due, and publish the CA: again and again is no harm."""
    lives = lifetimes(ca_lifetime, leaf_lifetime, settle)

    async def work(certificates: Certificates) -> None:
        _state, rest = await certificates.settle(typer.echo)
        for trouble in rest.troubles:
            typer.echo(f"{trouble[0].upper()}{trouble[1:]}.", err=True)
        if rest.left_alone:
            return  # whether they are in place is for their owner to say
        from webhook.certs.state import shown

        typer.echo(f"The certificates of {installation} are in place; the next change is due at {shown(rest.until)}.")

    _with_certificates(work, installation, lives, kubeconfig, context)


@app.command(epilog="Example: git-token-webhook certs rotate --ca")
def rotate(
    ca: Annotated[
        bool, typer.Option("--ca", help="The CA as well: published first, and used once it has settled.")
    ] = False,
    distrust_old: Annotated[
        bool,
        typer.Option(
            "--distrust-old",
            help="With --ca: at once and without an overlap, because the old CA's key is in wrong hands. "
            "Writes of credentials are refused until every pod has the new certificate.",
        ),
    ] = False,
    installation: Installation = DEFAULT_INSTALLATION,
    ca_lifetime: CaLifetime = CA_LIFETIME,
    leaf_lifetime: LeafLifetime = LEAF_LIFETIME,
    settle: Settle = SETTLE,
    wait: Annotated[
        bool, typer.Option("--wait", help="With --ca: stay until a certificate of the new CA is there.")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Make a new serving certificate now, or begin to replace the CA."""
    lives = lifetimes(ca_lifetime, leaf_lifetime, settle)
    if not ca and (wait or distrust_old):
        raise ConfigurationError("--wait and --distrust-old are about the CA: say --ca as well")

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
                f"A server with --keep-certificates goes on from here in {settle}; without one, run "
                "git-token-webhook certs ensure then."
            )

    _with_certificates(work, installation, lives, kubeconfig, context)


@app.command(epilog="Example: git-token-webhook certs show")
def show(
    installation: Installation = DEFAULT_INSTALLATION,
    connect: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Also look at what is served there, for example through kubectl port-forward."
        ),
    ] = None,
    output: Output = "text",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show what is served, what the API server trusts, and when it ends."""
    report = _reported(installation, connect, kubeconfig, context)
    typer.echo(report.text() if output == "text" else report.dump(output))


@app.command(epilog="Example: git-token-webhook certs check --within 14d")
def check(
    installation: Installation = DEFAULT_INSTALLATION,
    within: Annotated[str, typer.Option(help="What ends so soon is wrong as well.")] = "0s",
    connect: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Also look at what is served there, for example through kubectl port-forward."
        ),
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Say what is wrong with the certificates, whoever made them; exit code 1 where anything is."""
    from webhook.settings.model import parse_duration

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
    from webhook.certs.names import Installation as Names
    from webhook.certs.steps import Certificates
    from webhook.cluster.connect import connect
    from webhook.cluster.objects import ApiError, ApiObjects

    names = Names.parse(installation)

    async def run() -> None:
        async with await connect(kubeconfig, context) as client:
            await work(Certificates(ApiObjects(client), names, lives))

    try:
        asyncio.run(run())
    except ApiError as error:
        end(f"the certificates of {installation} are not in place: {error}.", code=3)


@app.command(
    epilog="Example: git-token-webhook certs generate --dns git-token-webhook.git-token-webhook.svc --out certs/local",
)
def generate(
    out: Annotated[Path, typer.Option(help="Folder that gets ca.crt, ca.key, tls.crt and tls.key.")],
    dns: Annotated[list[str] | None, typer.Option(help="A DNS name that the API server calls; repeatable.")] = None,
    ip: Annotated[list[str] | None, typer.Option(help="An IP address that the API server calls; repeatable.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long the serving certificate holds.")] = 90,
    force: Annotated[bool, typer.Option("--force", help="Replace certificates that are there already.")] = False,
) -> None:
    """Make a CA and a serving certificate, and print the caBundle for the webhook configurations."""
    from webhook.certs.issue import generate_certificates

    if not dns and not ip:
        raise ConfigurationError("name at least one --dns or --ip that the API server will call")
    typer.echo(generate_certificates(out, dns or [], ip or [], days, force=force))
