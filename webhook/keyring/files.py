"""The directory of key files: what may be wrong with it, and reading it again.

When is a key "there"? For a server, since it saw the key itself. A file's own times say nothing of that: kubelet
writes all files of a Secret's volume anew whenever one of them changes and in each new Pod, and `cp -p`, a restored
backup or a swapped directory bring times that are older than the file's arrival. What a server saw can only be later
than the truth, never earlier, and later is the safe side: until then the key before it seals, which everybody has.

A server that has just started has seen nothing before. It takes the last key for new, for it may be, and the others
for known, since one is added only after the other is in use. So for its first minutes it seals with the key before
the last; what that means for taking old keys away stands in docs/reference/sealed-format.md.
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
    """The ring of a server.

    Args:
        now: when the folder is looked at.
        previous: the ring that is in use until now; what it knows of its keys stays true. None at the start.

    Raises:
        ConfigurationError: the folder or a file in it can't be used.
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
    """The ring of a command, which is over before anything could be awaited: a key is there since its file is.

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
    """The keys by name, and what is doubtful about their files."""
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
            raise ConfigurationError(f"{path} holds the same key as {twin.name}; take one of them away")
        files.append(KeyFile(key, datetime.fromtimestamp(status.st_mtime, UTC)))
    if not files:
        raise ConfigurationError(f"{folder} holds no key; {HOW_TO_MAKE}")
    return files, doubts


def _is_volume(folder: Path) -> bool:
    """Whether it is a volume of kubelet's, whose way of changing all files at once is a link. Their rights are those
    that the Pod's author gave the volume, and whoever is in that Pod may have them. In a folder where everybody may
    write, everybody could make such a link."""
    try:
        link = (folder / _VOLUME_LINK).lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISLNK(link.st_mode) and link.st_uid in (0, os.geteuid(), folder.stat().st_uid)


def _refuse_stranger(path: Path) -> None:
    """
    Raises:
        ConfigurationError: what is in a volume isn't of it.
    """
    if not (path.is_symlink() and os.readlink(path).startswith(f"{_VOLUME_LINK}/")):
        raise ConfigurationError(f"{path} isn't of the volume that is mounted there; take it away")


def _refuse_open_folder(folder: Path) -> None:
    if folder.stat().st_mode & stat.S_IWOTH:
        raise ConfigurationError(
            f"{folder} can be written by everybody, so that its keys may be anybody's: chmod 700 it"
        )


def _check_rights(path: Path, status: os.stat_result) -> str | None:
    """What is doubtful about who may read a key file.

    Raises:
        ConfigurationError: others may write it, or it is ours and others may read it. As OpenSSH sees it, a file of
            somebody else's, such as what an agent mounts, has the rights that those wanted who put it there.
    """
    mode = stat.S_IMODE(status.st_mode)
    if mode & stat.S_IWOTH:
        raise ConfigurationError(f"{path} can be written by everybody: make a new key, and chmod 600 it")
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    if status.st_uid == os.geteuid():
        raise ConfigurationError(f"{path} can be read by others (mode {mode:04o}): chmod 600 it")
    if mode & stat.S_IRWXO:
        return f"{path} can be read by everybody on this machine (mode {mode:04o})."
    return None
