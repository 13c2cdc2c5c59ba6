"""The commands ``unseal`` and ``reseal``, which work with the user's own permissions in the cluster.

Exit code 1: a value could not be opened or sealed again. Exit code 3: a request to the API server failed.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webhook.cli.key_rings import RingInSecret, chosen_ring
from webhook.cli.options import As, Config, Context, Kubeconfig, end, parse_place
from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from webhook.cluster.secrets import StoredSecrets
    from webhook.keyring.ring import KeyRing
    from webhook.settings.model import Settings
    from webhook.tokens.reseal import Moved

Keys = Annotated[Path | None, typer.Option("--keys", help="Folder of the key ring, with one file for each key.")]


def unseal(
    secret: Annotated[str, typer.Argument(metavar="NAMESPACE/NAME", help="Secret.")],
    keys: Keys = None,
    ring_secret: RingInSecret = None,
    key: Annotated[str | None, typer.Argument(help="Key of the Secret's data, if several values are sealed.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the token to a terminal, too.")] = False,
    without_event: Annotated[
        bool, typer.Option("--without-event", help="Print the token even if the Event about it cannot be written.")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Print a sealed token, and write an Event that says who unsealed it."""
    import asyncio

    namespace, name = parse_place(secret)
    if sys.stdout.isatty() and not show:
        raise ConfigurationError("this would print the token to a terminal; pipe it into a program, or set --show")
    ring = chosen_ring(keys, ring_secret, kubeconfig=kubeconfig, context=context, as_user=as_user)
    token = asyncio.run(
        _unsealed(namespace, name, key, ring, kubeconfig, context, as_user, needs_event=not without_event)
    )
    # As bytes, independent of the encoding of the terminal or the system.
    sys.stdout.buffer.write(token.encode() + (b"\n" if sys.stdout.isatty() else b""))
    sys.stdout.flush()


async def _unsealed(
    namespace: str,
    name: str,
    key: str | None,
    ring: KeyRing,
    kubeconfig: Path | None,
    context: str | None,
    as_user: str | None,
    *,
    needs_event: bool,
) -> str:
    from webhook.cluster.secrets import ApiError, StoredSecrets
    from webhook.tokens.unseal import NoSuchValue, StaysClosed, open_one, write_event

    async with await StoredSecrets.connect(kubeconfig, context, as_user=as_user) as secrets:
        try:
            stored = await secrets.read(namespace, name)
        except ApiError as error:
            end(f"{namespace}/{name} cannot be read: {error}.", code=3)
        if stored is None:
            raise ConfigurationError(f"there is no Secret {namespace}/{name}")
        try:
            key, opened = open_one(stored.secret, key, ring)
        except NoSuchValue as error:
            raise ConfigurationError(str(error)) from None
        except StaysClosed as error:
            end(str(error), code=1)
        token = opened.plaintext.get_secret_value()
        if sys.stdout.isatty() and not all(line.isprintable() for line in token.splitlines()):
            # A user who can write the Secret could control the terminal.
            raise ConfigurationError(
                "this value has control characters, which a terminal would interpret; pipe it into a program"
            )
        try:
            await write_event(secrets, stored, key, opened, datetime.now(UTC))
        except ApiError as error:
            problem = f"The Event about the unsealed token cannot be written: {error}."
            if needs_event:
                end(f"{problem} The token is not printed; to print it anyway, set --without-event.", code=3)
            typer.echo(f"git-token-webhook: {problem}", err=True)
        return token


def reseal(
    secret: Annotated[str | None, typer.Argument(metavar="[NAMESPACE/NAME]", help="Secret to reseal.")] = None,
    keys: Keys = None,
    ring_secret: RingInSecret = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Reseal the Secrets of this namespace.")
    ] = None,
    everywhere: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Reseal all Secrets of the cluster.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be sealed again, and write nothing.")
    ] = False,
    activation: Annotated[
        str, typer.Option(help="Age at which a new key becomes active, as in encryption.keyActivation.")
    ] = "3m",
    config: Config = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Seal again with the active key what older keys sealed, and bind it to its host. Safe to stop and run again."""
    import asyncio

    from webhook.settings.source import load_settings
    from webhook.settings.values import parse_duration

    if [secret is not None, namespace is not None, everywhere].count(True) != 1:
        raise ConfigurationError("name the Secrets: NAMESPACE/NAME, -n NAMESPACE or -A")
    place = parse_place(secret) if secret is not None else None
    try:
        needed = parse_duration(activation)
    except ValueError as error:
        raise ConfigurationError(f"--activation: {error}") from None
    ring = chosen_ring(keys, ring_secret, needed, kubeconfig=kubeconfig, context=context, as_user=as_user)
    settings = load_settings(config)
    now = datetime.now(UTC)
    last, active = ring.keys[-1], ring.active(now)
    if last is not active:
        typer.echo(
            f"{last.name} is not active before {ring.active_from(last):%H:%M:%S} UTC; until then {active.name} is.",
            err=True,
        )
    report = _Report(dry_run=dry_run, key=f"{active.kid} ({active.name})")
    try:
        asyncio.run(
            _resealed(place, namespace, ring, now, report, settings, kubeconfig, context, as_user, dry_run=dry_run)
        )
    except KeyboardInterrupt:
        report.stop("Stopped. To continue from here, run it again.")
    report.conclude()


async def _resealed(
    place: tuple[str, str] | None,
    namespace: str | None,
    ring: KeyRing,
    now: datetime,
    report: _Report,
    settings: Settings,
    kubeconfig: Path | None,
    context: str | None,
    as_user: str | None,
    *,
    dry_run: bool,
) -> None:
    from webhook.cluster.secrets import ApiError, StoredSecrets
    from webhook.tokens.reseal import KeyNotThere
    from webhook.tokens.reseal import reseal as reseal_one

    async with await StoredSecrets.connect(kubeconfig, context, as_user=as_user) as secrets:
        if place is None:
            await _reseal_each(secrets, namespace, ring, now, report, settings, dry_run=dry_run)
            return
        try:
            stored = await secrets.read(*place)
            if stored is None:
                raise ConfigurationError(f"there is no Secret {place[0]}/{place[1]}")
            report.add(await reseal_one(secrets, stored, ring, now, dry_run=dry_run, settings=settings))
        except KeyNotThere as error:
            report.stop(f"{place[0]}/{place[1]}: {error}")
        except ApiError as error:
            report.stop(f"{place[0]}/{place[1]}: {error}.")


async def _reseal_each(
    secrets: StoredSecrets,
    namespace: str | None,
    ring: KeyRing,
    now: datetime,
    report: _Report,
    settings: Settings,
    *,
    dry_run: bool,
) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from webhook.cluster.secrets import ApiError
    from webhook.tokens.reseal import KeyNotThere, reseal_all

    columns = (TextColumn("Secrets"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task, done = progress.add_task("", total=None), 0
        try:
            async for moved, after in reseal_all(secrets, namespace, ring, now, dry_run=dry_run, settings=settings):
                report.add(moved)
                done += 1
                progress.update(task, completed=done, total=done + after)
        except KeyNotThere as error:
            report.stop(f"No more values are sealed again: {error}")
        except ApiError as error:
            report.stop(f"The Secrets cannot be listed: {error}. To continue from here, run it again.")


class _Report:
    """The results of a run, and its exit code."""

    def __init__(self, *, dry_run: bool, key: str) -> None:
        self._dry_run = dry_run
        self._key = key
        self._values: dict[str, int] = {}
        self._signed: set[str] = set()
        self._problems: dict[str, None] = {}
        self._failed = self._found = False

    def add(self, moved: Moved) -> None:
        """Add the result for one Secret. If it occurs twice, the first count holds."""
        place = moved.place
        if moved.values:
            self._found |= self._dry_run
            self._values.setdefault(place, moved.values)
        if moved.signed:
            self._signed.add(place)
        for reason in dict.fromkeys(moved.left):
            self._found = True
            self._problems[f"{place}: A value {reason}."] = None
        if moved.failed:
            self._failed = True
            self._problems[f"{place}: {moved.failed}."] = None

    def stop(self, sentence: str) -> None:
        """Record why the run stopped."""
        self._failed = True
        self._problems[sentence] = None

    def conclude(self) -> None:
        """Print problems and the summary, and exit with the code. A dry run lists what would be done."""
        for problem in self._problems:
            typer.echo(problem, err=True)
        for place, number in self._values.items() if self._dry_run else ():
            typer.echo(f"{place}: {_counted(number, 'value')}")
        values, secrets = sum(self._values.values()), len(self._values)
        moved = f"{_counted(values, 'value')} of {_counted(secrets, 'Secret')}"
        if not values:
            nothing = "Resealed nothing" if self._problems else "Nothing to reseal"
            typer.echo(f"{nothing} with the key {self._key}.")
        elif self._dry_run:
            typer.echo(f"{moved} would be resealed with the key {self._key}.")
        else:
            typer.echo(f"Resealed {moved} with the key {self._key}.")
        if self._signed:
            would = "would be" if self._dry_run else "was" if len(self._signed) == 1 else "were"
            typer.echo(f"{_counted(len(self._signed), 'attestation')} {would} signed again.")
        code = 3 if self._failed else 1 if self._found else 0
        if code:
            raise typer.Exit(code)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
