"""The commands ``keys``, which create key rings, list and add keys, and delete them. No command prints a key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from webhook.cli.help import Typer
from webhook.cli.key_rings import RingInSecret, chosen_ring, with_ring_secret
from webhook.cli.options import ENVIRONMENT, As, Context, Kubeconfig
from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import timedelta

    from webhook.keyring.key import Key
    from webhook.keyring.ring import KeyRing
    from webhook.keyring.secret import RingSecret

app = Typer(help="Manage the keys that sign attestations and seal tokens.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Folder of the key ring, with one file for each key.")]
FolderOrNone = Annotated[Path | None, typer.Argument(help="Folder of the key ring, with one file for each key.")]
Name = Annotated[str | None, typer.Option(help="Name of the new key. Defaults to today's date.")]
Activation = Annotated[str, typer.Option(help="Age at which a new key becomes active, as in encryption.keyActivation.")]


@app.command(epilog="Example: git-token-webhook keys generate keys")
def generate(folder: Folder, name: Name = None) -> None:
    """Create a key ring with one key."""
    from webhook.files import write_file

    try:
        held = [file for file in folder.iterdir() if not file.name.startswith(".")] if folder.exists() else []
        if held:
            raise ConfigurationError(f"{folder} is not empty; to add a key, run git-token-webhook keys rotate")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(folder / ".gitignore", b"*\n", mode=0o644)  # keys must not be committed
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be written: {error.strerror}") from None
    ring = _add_key(folder, name or f"{datetime.now(UTC):%Y-%m-%d}")
    typer.echo(f"Wrote key {ring.keys[-1].kid} to {folder / ring.keys[-1].name}. It is active now.")
    typer.echo("Keep a copy in a safe place: without the key, the tokens that it sealed cannot be opened.")


@app.command(epilog="Example: git-token-webhook keys ensure --secret git-token-webhook/git-token-webhook-keys")
def ensure(
    secret: Annotated[
        str,
        typer.Option(
            "--secret", metavar="NAMESPACE/NAME", envvar=f"{ENVIRONMENT}_KEYS_SECRET", help="Secret of the key ring."
        ),
    ],
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Create the Secret of a key ring with one key, unless it exists."""

    async def work(held: RingSecret) -> str | None:
        return await held.ensure(datetime.now(UTC))

    name = with_ring_secret(work, secret, kubeconfig, context, as_user)
    if name is None:
        typer.echo(f"The Secret {secret} exists already, and is unchanged.")
    else:
        typer.echo(f"Created the Secret {secret} with the key {name}. It is active now.")
        typer.echo("Keep a copy in a safe place: without the key, the tokens that it sealed cannot be opened.")


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
    """Add a key to a key ring in a folder or a Secret. It becomes active when all replicas can have read it."""
    now, needed = datetime.now(UTC), _duration(activation)
    if (chosen := _folder(folder, secret)) is not None:
        last, where, key = _rotated_folder(chosen, name, needed, now)
    else:
        last, where, key = _rotated_secret(str(secret), name, needed, now, kubeconfig, context, as_user)
    typer.echo(f"Wrote key {key.kid} to {where}. It becomes active {activation} after a replica has read it.")
    typer.echo(f"Until then {last} is active. Keep {last} until the tokens that it sealed are sealed again.")


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
    """Return the name of the last key.

    Raises:
        ConfigurationError: it is not active yet. A replica that starts now would assume that all replicas have it.
    """
    last = ring.keys[-1]
    if ring.state(last, now) == "waiting":
        until = f"{ring.active_from(last):%H:%M:%S} UTC"
        raise ConfigurationError(f"{where}: {last.name} is not active before {until}; add the next key after that")
    return last.name


@app.command("list", epilog="Example: git-token-webhook keys list keys -o json")
def list_keys(
    folder: FolderOrNone = None,
    secret: RingInSecret = None,
    activation: Activation = "3m",
    output: Annotated[Literal["text", "json", "yaml"], typer.Option("--output", "-o", help="Output format.")] = "text",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """List the keys of a key ring with their states, by the times of their files or of the Secret."""
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
        typer.Argument(
            metavar="[FOLDER] NAME", help="Folder of the key ring, unless --secret is set, and the key to delete."
        ),
    ],
    secret: RingInSecret = None,
    settled: Annotated[
        bool,
        typer.Option(
            "--settled", help="Confirm that no server started recently, and that none starts before the key is deleted."
        ),
    ] = False,
    activation: Activation = "3m",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    as_user: As = None,
) -> None:
    """Delete a key that no Secret in the cluster needs, from a folder or a Secret."""
    from webhook.tokens.retire import key_to_retire

    *folders, name = where
    if len(folders) != (0 if secret is not None else 1):
        raise ConfigurationError("name the key ring, by its folder or by --secret NAMESPACE/NAME, and one key")
    folder = Path(folders[0]) if folders else None
    now, needed = datetime.now(UTC), _duration(activation)
    ring = chosen_ring(folder, secret, needed, kubeconfig=kubeconfig, context=context, as_user=as_user)
    key = key_to_retire(ring, name, now, settled=settled)
    _refuse_needed(ring, key, now, str(folder or f"the Secret {secret}"), kubeconfig, context, as_user)
    if folder is not None:
        try:
            (folder / name).unlink()
        except OSError as error:
            raise ConfigurationError(f"{folder / name}: cannot be deleted: {error.strerror}") from None
        typer.echo(f"Deleted key {key.kid}, {folder / name}. Remove it from the Secret that servers mount as well.")
        return

    async def remove(held: RingSecret) -> None:
        stored = await held.read(needed)
        key_to_retire(stored.ring, name, now, settled=settled)  # another user may have changed the key ring since
        await held.remove(stored, name)

    with_ring_secret(remove, str(secret), kubeconfig, context, as_user)
    typer.echo(
        f"Deleted key {key.kid}, {name} in the Secret {secret}. Servers stop using it when their volume is updated."
    )


def _refuse_needed(
    ring: KeyRing,
    key: Key,
    now: datetime,
    where: str,
    kubeconfig: Path | None,
    context: str | None,
    as_user: str | None,
) -> None:
    """Exit unless no Secret of the cluster needs the key."""
    import asyncio

    from webhook.cluster.secrets import ApiError, StoredSecrets
    from webhook.tokens.retire import Traces, traces

    async def look() -> Traces:
        async with await StoredSecrets.connect(kubeconfig, context, as_user=as_user) as secrets:
            return await traces(secrets, ring, key, now)

    try:
        found = asyncio.run(look())
    except ApiError as error:
        typer.echo(
            f"git-token-webhook: {key.name} was not deleted, because not all Secrets could be read: {error}.", err=True
        )
        raise typer.Exit(3) from None
    if found.needing:
        typer.echo(f"{key.name} was not deleted, because {key.kid} sealed values in", err=True)
        for place in found.needing:
            typer.echo(f"  {place}", err=True)
        typer.echo("Seal them again first: git-token-webhook reseal --all-namespaces", err=True)
        raise typer.Exit(1)
    if not found.known:
        raise ConfigurationError(
            f"{key.name} was not deleted: no Secret in this cluster holds a value that a key of {where} sealed or "
            "signed, so this may be the wrong cluster. Select the cluster with --kubeconfig and --context"
        )


def _folder(folder: Path | None, secret: str | None) -> Path | None:
    """Return the folder of the key ring; None if the Secret is named.

    Raises:
        ConfigurationError: none or both are named.
    """
    if (folder is None) is (secret is None):
        raise ConfigurationError("name the key ring: its folder or --secret NAMESPACE/NAME")
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
    from webhook.settings.values import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"--activation: {error}") from None


def _dated_after(last: str, now: datetime, where: str) -> str:
    """Return a name made of the date, with the time if needed to sort after the last key."""
    for name in (f"{now:%Y-%m-%d}", f"{now:%Y-%m-%dT%H%M%SZ}"):
        if name > last:
            return name
    raise ConfigurationError(f"{where}: no date sorts after {last}, the name of the last key; set --name")


def _check_name(name: str) -> None:
    """Check that the name is valid as a key of a Kubernetes Secret.

    Raises:
        ConfigurationError: it is not.
    """
    import re

    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,252}", name):
        raise ConfigurationError(
            f"--name {name!r} must consist of letters, digits, '-', '_' and '.', and not begin with '.'"
        )


def _add_key(folder: Path, name: str) -> KeyRing:
    """Write a new key to a key ring, and return the ring as it is read back."""
    import base64
    import secrets

    from webhook.files import write_file
    from webhook.keyring.files import load_keyring_by_file_times
    from webhook.keyring.key import SHORTEST

    path = folder / name
    _check_name(name)
    if path.exists():
        raise ConfigurationError(f"{path} exists already, and sealed values may need it; choose another --name")
    others = [file.name for file in folder.iterdir() if not file.name.startswith(".")]
    if any(other >= name for other in others):
        raise ConfigurationError(
            f"{name} does not sort after all other keys, so it would never become active; choose another --name"
        )
    try:
        write_file(path, base64.b64encode(secrets.token_bytes(SHORTEST)) + b"\n", mode=0o600)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be written: {error.strerror}") from None
    return load_keyring_by_file_times(folder)
