"""``git-token-webhook keys``: make a ring, look at it, add a key to it and take one away. No command shows a key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from webhook.cli.key_rings import RingInSecret, chosen_ring, with_ring_secret
from webhook.cli.options import ENVIRONMENT, As, Context, Kubeconfig
from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import timedelta

    from webhook.keyring.key import Key
    from webhook.keyring.ring import KeyRing
    from webhook.keyring.secret import RingSecret

app = typer.Typer(help="Make and look at the keys that sign attestations and seal tokens.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The key ring: a folder with one file for each key.")]
FolderOrNone = Annotated[Path | None, typer.Argument(help="The key ring: a folder with one file for each key.")]
Name = Annotated[str | None, typer.Option(help="Name of the new key's file; today's date without one.")]
Activation = Annotated[
    str, typer.Option(help="How long a new key must have been there before it seals: encryption.keyActivation.")
]


@app.command(epilog="Example: git-token-webhook keys generate keys")
def generate(folder: Folder, name: Name = None) -> None:
    """Make a new ring with one key."""
    from webhook.files import write_file

    try:
        held = [file for file in folder.iterdir() if not file.name.startswith(".")] if folder.exists() else []
        if held:
            raise ConfigurationError(f"{folder} isn't empty; to add a key to a ring: git-token-webhook keys rotate")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(folder / ".gitignore", b"*\n", mode=0o644)  # keys are nobody's to commit
    except OSError as error:
        raise ConfigurationError(f"{folder}: can't be written: {error.strerror}") from None
    ring = _add_key(folder, name or f"{datetime.now(UTC):%Y-%m-%d}")
    typer.echo(f"Wrote key {ring.keys[-1].kid} to {folder / ring.keys[-1].name}. It seals and signs at once.")
    typer.echo("Keep a copy in a safe place: what a lost key has sealed is lost with it.")


@app.command(epilog="Example: git-token-webhook keys ensure --secret git-token-webhook/git-token-webhook-keys")
def ensure(
    secret: Annotated[
        str,
        typer.Option(
            "--secret", metavar="NAMESPACE/NAME", envvar=f"{ENVIRONMENT}_KEYS_SECRET", help="The Secret of the ring."
        ),
    ],
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Make the Secret of a key ring with one key, if there is none; one that is there stays as it is."""

    async def work(held: RingSecret) -> str | None:
        return await held.ensure(datetime.now(UTC))

    name = with_ring_secret(work, secret, kubeconfig, context, as_user)
    if name is None:
        typer.echo(f"The Secret {secret} is there already, and stays as it is.")
    else:
        typer.echo(f"Made the Secret {secret} with the key {name}. It seals and signs at once.")
        typer.echo("Keep a copy in a safe place: what a lost key has sealed is lost with it.")


@app.command(epilog="Example: git-token-webhook keys rotate --secret git-token-webhook/git-token-webhook-keys")
def rotate(
    folder: FolderOrNone = None,
    secret: RingInSecret = None,
    name: Name = None,
    activation: Activation = "3m",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Add a key to a ring, in a folder or a Secret; everything new uses it as soon as every replica can have it."""
    now, needed = datetime.now(UTC), _duration(activation)
    if (chosen := _folder(folder, secret)) is not None:
        last, where, key = _rotated_folder(chosen, name, needed, now)
    else:
        last, where, key = _rotated_secret(str(secret), name, needed, now, kubeconfig, context, as_user)
    typer.echo(f"Wrote key {key.kid} to {where}. It seals and signs {activation} after a replica has it.")
    typer.echo(f"Until then {last} does, and whatever that has sealed needs it until it is sealed again.")


def _rotated_folder(folder: Path, name: str | None, activation: timedelta, now: datetime) -> tuple[str, str, Key]:
    from webhook.keyring.files import load_keyring_by_file_times

    ring = load_keyring_by_file_times(folder, activation=activation)
    last = _refuse_early(ring, str(folder), now)
    key = _add_key(folder, name or _dated_after(last, now, str(folder))).keys[-1]
    return last, str(folder / key.name), key


def _rotated_secret(
    secret: str,
    name: str | None,
    activation: timedelta,
    now: datetime,
    kubeconfig: Path | None,
    context: str | None,
    as_user: str | None,
) -> tuple[str, str, Key]:
    async def work(held: RingSecret) -> tuple[str, str, Key]:
        stored = await held.read(activation)
        last = _refuse_early(stored.ring, secret, now)
        wanted = name or _dated_after(last, now, secret)
        _check_name(wanted)
        return last, f"{wanted} in the Secret {secret}", (await held.add(stored, wanted, now)).keys[-1]

    return with_ring_secret(work, secret, kubeconfig, context, as_user)


def _refuse_early(ring: KeyRing, where: str, now: datetime) -> str:
    """The name of the last key.

    Raises:
        ConfigurationError: it isn't in use yet. A replica that starts in between would take it for one that all have.
    """
    last = ring.keys[-1]
    if ring.state(last, now) == "waiting":
        until = f"{ring.active_from(last):%H:%M:%S} UTC"
        raise ConfigurationError(f"{where}: {last.name} isn't in use before {until}; add the next key after that")
    return last.name


@app.command("list", epilog="Example: git-token-webhook keys list keys -o json")
def list_keys(
    folder: FolderOrNone = None,
    secret: RingInSecret = None,
    activation: Activation = "3m",
    output: Annotated[
        Literal["text", "json", "yaml"], typer.Option("--output", "-o", help="For people, or for programs.")
    ] = "text",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Show which keys a ring has and what each of them does, by the times of their files or of the Secret."""
    import json

    import yaml

    ring = chosen_ring(folder, secret, _duration(activation), kubeconfig=kubeconfig, context=context, as_user=as_user)
    for doubt in ring.doubts:
        typer.echo(doubt, err=True)
    keys = _described(ring, datetime.now(UTC))
    if output == "json":
        typer.echo(json.dumps(keys, indent=2))
    elif output == "yaml":
        typer.echo(yaml.safe_dump(keys, sort_keys=False), nl=False)
    else:
        titles = {"kid": "KID", "name": "NAME", "since": "SINCE", "state": "STATE"}
        rows = [titles, *({**key, "state": _told(key)} for key in keys)]
        widths = {column: max(len(row[column]) for row in rows) for column in titles}
        for row in rows:
            typer.echo("  ".join(row[column].ljust(widths[column]) for column in titles).rstrip())


@app.command(epilog="Example: git-token-webhook keys retire --secret git-token-webhook/git-token-webhook-keys 2026-11")
def retire(
    where: Annotated[
        list[str],
        typer.Argument(metavar="[FOLDER] NAME", help="The key ring's folder, unless --secret, and the key that goes."),
    ],
    secret: RingInSecret = None,
    settled: Annotated[
        bool,
        typer.Option("--settled", help="No server has just been started, and none will be before the key is gone."),
    ] = False,
    activation: Activation = "3m",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Delete a key that nothing in the cluster needs any more, from a folder or a Secret."""
    from webhook.tokens.retire import key_to_retire

    *folders, name = where
    if len(folders) != (0 if secret is not None else 1):
        raise ConfigurationError("name the key ring, either by its folder or by --secret NAMESPACE/NAME, and one key")
    folder = Path(folders[0]) if folders else None
    now, needed = datetime.now(UTC), _duration(activation)
    ring = chosen_ring(folder, secret, needed, kubeconfig=kubeconfig, context=context, as_user=as_user)
    key = key_to_retire(ring, name, now, settled=settled)
    _refuse_needed(ring, key, now, str(folder or f"the Secret {secret}"), kubeconfig, context, as_user)
    if folder is not None:
        try:
            (folder / name).unlink()
        except OSError as error:
            raise ConfigurationError(f"{folder / name}: can't be deleted: {error.strerror}") from None
        typer.echo(f"Deleted key {key.kid}, {folder / name}. Take it out of the Secret that servers mount as well.")
        return

    async def remove(held: RingSecret) -> None:
        stored = await held.read(needed)
        key_to_retire(stored.ring, name, now, settled=settled)  # others may have changed the ring meanwhile
        await held.remove(stored, name)

    with_ring_secret(remove, str(secret), kubeconfig, context, as_user)
    typer.echo(f"Deleted key {key.kid}, {name} in the Secret {secret}. Servers forget it when their volume changes.")


def _refuse_needed(
    ring: KeyRing,
    key: Key,
    now: datetime,
    where: str,
    kubeconfig: Path | None,
    context: str | None,
    as_user: str | None,
) -> None:
    """End the command unless it is certain that no Secret of the cluster needs the key."""
    import asyncio

    from webhook.cluster.secrets import ApiError, StoredSecrets
    from webhook.tokens.retire import Traces, traces

    async def look() -> Traces:
        async with await StoredSecrets.connect(kubeconfig, context, as_user=as_user) as secrets:
            return await traces(secrets, ring, key, now)

    try:
        found = asyncio.run(look())
    except ApiError as error:
        typer.echo(f"git-token-webhook: {key.name} stays: not all Secrets could be seen: {error}.", err=True)
        raise typer.Exit(3) from None
    if found.needing:
        typer.echo(f"{key.name} stays: values sealed by {key.kid} are in", err=True)
        for place in found.needing:
            typer.echo(f"  {place}", err=True)
        typer.echo("Move them first: git-token-webhook reseal --all-namespaces", err=True)
        raise typer.Exit(1)
    if not found.known:
        raise ConfigurationError(
            f"{key.name} stays: no Secret of this cluster holds what a key of {where} has sealed or signed, so that "
            "this may be another cluster than theirs. Say which one by --kubeconfig and --context"
        )


def _folder(folder: Path | None, secret: str | None) -> Path | None:
    """The folder where one is meant; None where it is the Secret."""
    if (folder is None) is (secret is None):
        raise ConfigurationError("name the key ring: either its folder, or --secret NAMESPACE/NAME")
    return folder


def _described(ring: KeyRing, now: datetime) -> list[dict[str, str]]:
    described: list[dict[str, str]] = []
    for key in ring.keys:
        state = ring.state(key, now)
        row = {"kid": key.kid, "name": key.name, "since": _time(ring.since[key.kid]), "state": str(state)}
        if state == "waiting":
            row["activeFrom"] = _time(ring.active_from(key))
        described.append(row)
    return described


def _told(key: dict[str, str]) -> str:
    match key["state"]:
        case "active":
            return "active: seals and signs"
        case "waiting":
            return f"waiting until {key['activeFrom']}"
        case _:
            return "only opens and verifies"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _duration(text: str) -> timedelta:
    from webhook.settings.model import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"--activation: {error}") from None


def _dated_after(last: str, now: datetime, where: str) -> str:
    """The date, with the time where that is needed to come after the last key."""
    for name in (f"{now:%Y-%m-%d}", f"{now:%Y-%m-%dT%H%M%SZ}"):
        if name > last:
            return name
    raise ConfigurationError(f"{where}: no date comes after {last}, which is the last key by name; say --name")


def _check_name(name: str) -> None:
    """
    Raises:
        ConfigurationError: no key of a Kubernetes Secret may be called so, and that is where most rings go.
    """
    import re

    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}", name):
        raise ConfigurationError(f"--name {name!r} must be letters, digits, '-', '_' and '.', and not begin with '.'")


def _add_key(folder: Path, name: str) -> KeyRing:
    """Write a new key as the last of its ring, and read it back."""
    import base64
    import secrets

    from webhook.files import write_file
    from webhook.keyring.files import load_keyring_by_file_times
    from webhook.keyring.key import SHORTEST

    path = folder / name
    _check_name(name)
    if path.exists():
        raise ConfigurationError(f"{path} is there already, and what it has sealed needs it; choose another --name")
    others = [file.name for file in folder.iterdir() if not file.name.startswith(".")]
    if any(other >= name for other in others):
        raise ConfigurationError(f"{name} would not be the last key by name, and so never seal; choose another --name")
    try:
        write_file(path, base64.b64encode(secrets.token_bytes(SHORTEST)) + b"\n", mode=0o600)
    except OSError as error:
        raise ConfigurationError(f"{folder}: can't be written: {error.strerror}") from None
    return load_keyring_by_file_times(folder)
