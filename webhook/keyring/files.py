"""The folder of key files: checks and reloads.

A server counts the age of a key from the moment when it read the key first. The modification time of a file does not
show it: the kubelet rewrites all files of a Secret's volume when one of them changes and in each new pod, and `cp -p`,
a restored backup or a swapped folder bring times that are older than the file's arrival. The time of the first read
can only be too late, which is the safe side: until then the previous key seals, which all replicas have.

A server that has just started treats the last key as new and the others as known, because a key is added only after
the previous one is in use. So it seals with the previous key for its first minutes. docs/reference/sealed-format.md
describes what that means for the removal of old keys.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from webhook.errors import ConfigurationError
from webhook.keyring.key import HOW_TO_MAKE, LARGEST_FILE, Key, derive_key, parse_key
from webhook.keyring.ring import ACTIVATION, ALWAYS, KeyRing

_VOLUME_LINK = "..data"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key, and when its file was last written."""

    key: Key
    written: datetime


def load_keyring(
    folder: Path, now: datetime, previous: KeyRing | None = None, *, activation: timedelta = ACTIVATION
) -> KeyRing:
    """Load the ring of a server.

    Args:
        now: the current time.
        previous: the ring in use, whose keys keep their times; None at the start.

    Raises:
        ConfigurationError: the folder or a file in it cannot be used.
    """
    files, doubts = _read(folder)
    known = previous.since if previous is not None and previous.lasting else {}
    taken_for_known = [] if known else files[:-1] or files

    def since(file: KeyFile) -> datetime:
        return known.get(file.key.kid, ALWAYS if file in taken_for_known else now)

    if previous is not None and previous.lasting:
        doubts += [_vanished(folder, key) for key in previous.keys if all(key.kid != f.key.kid for f in files)]
    return _ring(files, since, activation, doubts)


def load_keyring_by_file_times(folder: Path, *, activation: timedelta = ACTIVATION) -> KeyRing:
    """Load the ring of a command. A key exists since its file was written.

    Raises:
        ConfigurationError: as for `load_keyring`.
    """
    files, doubts = _read(folder)
    return _ring(files, lambda file: file.written, activation, doubts)


def _ring(
    files: list[KeyFile], since: Callable[[KeyFile], datetime], activation: timedelta, doubts: list[str]
) -> KeyRing:
    return KeyRing(
        tuple(file.key for file in files),
        {file.key.kid: since(file) for file in files},
        activation,
        doubts=tuple(doubts),
    )


def _vanished(folder: Path, key: Key) -> str:
    return f"{folder} has no key {key.kid} ({key.name}) any more; what it sealed can't be opened until it is back."


def _read(folder: Path) -> tuple[list[KeyFile], list[str]]:
    """Return the keys by name, and warnings about their files."""
    try:
        in_volume = _is_volume(folder)
        if not in_volume:
            _refuse_open_folder(folder)
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        raise ConfigurationError(f"{folder} can't be read: {error.strerror}") from None
    files: list[KeyFile] = []
    doubts: list[str] = []
    for name in names:
        path = folder / name
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                continue
            if not stat.S_ISREG(status.st_mode):
                raise ConfigurationError(f"{path} is no file")
            if in_volume:
                _refuse_stranger(path)
            elif (doubt := _check_rights(path, status)) is not None:
                doubts.append(doubt)
            with path.open("rb") as file:
                text = file.read(LARGEST_FILE + 1)
        except OSError as error:
            raise ConfigurationError(f"{path} can't be read: {error.strerror}") from None
        try:
            key = derive_key(parse_key(text), name)
        except ValueError as error:
            raise ConfigurationError(f"{path} {error}") from None
        if (twin := next((f.key for f in files if f.key.kid == key.kid), None)) is not None:
            raise ConfigurationError(f"{path} holds the same key as {twin.name}; remove one of them")
        files.append(KeyFile(key, datetime.fromtimestamp(status.st_mtime, UTC)))
    if not files:
        raise ConfigurationError(f"{folder} holds no key; {HOW_TO_MAKE}")
    return files, doubts


def _is_volume(folder: Path) -> bool:
    """Return whether it is a volume of the kubelet, which replaces all files at once with a symbolic link.

    The pod's author sets the permissions of these files, and every process in the pod may have them. In a folder that
    every user can write to, every user could create such a link.
    """
    try:
        link = (folder / _VOLUME_LINK).lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISLNK(link.st_mode) and link.st_uid in (0, os.geteuid(), folder.stat().st_uid)


def _refuse_stranger(path: Path) -> None:
    """
    Raises:
        ConfigurationError: a file in the folder of a volume is not from the volume.
    """
    if not (path.is_symlink() and os.readlink(path).startswith(f"{_VOLUME_LINK}/")):
        raise ConfigurationError(f"{path} is not from the volume that is mounted there; remove it")


def _refuse_open_folder(folder: Path) -> None:
    if folder.stat().st_mode & stat.S_IWOTH:
        raise ConfigurationError(
            f"{folder} is writable by every user, so its keys cannot be trusted: run chmod 700 on it"
        )


def _check_rights(path: Path, status: os.stat_result) -> str | None:
    """Return a warning about the permissions of a key file; None if they are fine.

    Raises:
        ConfigurationError: every user can write to it, or it is our own file and other users can read it. As in
            OpenSSH, the permissions of another user's file, such as one that an agent mounts, are that user's choice.
    """
    mode = stat.S_IMODE(status.st_mode)
    if mode & stat.S_IWOTH:
        raise ConfigurationError(f"{path} is writable by every user: create a new key, and run chmod 600 on it")
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    if status.st_uid == os.geteuid():
        raise ConfigurationError(f"{path} can be read by other users (mode {mode:04o}): run chmod 600 on it")
    if mode & stat.S_IRWXO:
        return f"{path} can be read by every user of this machine (mode {mode:04o})."
    return None
