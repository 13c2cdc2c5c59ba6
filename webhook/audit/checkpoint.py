"""What an interrupted audit has found, in a file, so that another one can go on from there.

The file holds rows of a report and what providers answered, under the numbers that the report gives to tokens: nothing
of a token, and nothing that somebody could try tokens against. Which token has which number the next run learns from
the cluster: it reads one Secret that holds it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from webhook.audit.questions import Told
from webhook.errors import ConfigurationError
from webhook.report.model import Row

OLDEST = timedelta(days=1)
"""What was found before that is looked at anew."""
_VERSION = 1


class Head(msgspec.Struct, tag="audit", frozen=True):
    """What the file is about.

    Attributes:
        run: a digest of the settings, and of what is looked at.
    """

    version: int
    run: str
    started_at: datetime


class Answered(msgspec.Struct, tag="answer", frozen=True):
    """What a provider told."""

    told: Told


class Judged(msgspec.Struct, tag="secret", frozen=True):
    """A Secret that is done with, as it was in this version."""

    cluster: str
    uid: str
    version: str
    namespace: str
    name: str
    rows: tuple[Row, ...]


_Line = Head | Answered | Judged


@dataclass(slots=True)
class Earlier:
    """What an earlier run has found."""

    secrets: dict[tuple[str, str], Judged] = field(default_factory=dict)
    answers: dict[int, list[Told]] = field(default_factory=lambda: defaultdict(list))

    def still_holds(self, cluster: str, uid: str, version: str) -> Judged | None:
        """What was found of a Secret, if it is still the same."""
        found = self.secrets.get((cluster, uid))
        return found if found is not None and found.version == version else None

    def holders(self) -> dict[int, list[tuple[Judged, Row]]]:
        """Who holds which token, by its number."""
        held: defaultdict[int, list[tuple[Judged, Row]]] = defaultdict(list)
        for secret in self.secrets.values():
            for row in secret.rows:
                if row.token is not None:
                    held[row.token].append((secret, row))
        return held


def digest(parts: Iterable[object]) -> str:
    """Of what a run is about: two with different settings must not take each other's findings for their own."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


class Record:
    """The file, while a run lasts. Use as a context manager."""

    def __init__(self, path: Path, run: str, now: datetime) -> None:
        """Read what is there, and go on writing behind it.

        Raises:
            ConfigurationError: it can't be used, or is of another audit.
        """
        self.path = path
        self.earlier = Earlier()
        try:
            # Neither through a link, which leads where somebody else wants, nor into a pipe.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_APPEND, 0o600)
        except OSError as error:
            why = "is a symbolic link" if error.errno == errno.ELOOP else f"can't be used: {error.strerror}"
            raise ConfigurationError(f"{path}: {why}") from None
        self._stream = os.fdopen(descriptor, "a", encoding="utf-8")
        try:
            self._take(descriptor)
            kept = self._read(run, now)
            os.ftruncate(descriptor, kept)
        except OSError as error:
            self._stream.close()
            raise ConfigurationError(f"{path}: can't be used: {error.strerror}") from None
        except ConfigurationError:
            self._stream.close()
            raise
        if not kept:
            self._write(Head(_VERSION, run, now))

    def answered(self, told: Told) -> None:
        """A provider has told something."""
        self._write(Answered(told))

    def judged(self, secret: Judged) -> None:
        """A Secret is done with."""
        self._write(secret)

    def remove(self) -> None:
        """Everything is done with, and the file has no more use."""
        self._stream.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def _take(self, descriptor: int) -> None:
        """Have the file for ourselves: what others write there, this run would believe.

        Raises:
            ConfigurationError: that can't be.
        """
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(f"{self.path}: is no ordinary file")
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigurationError(f"{self.path}: others may write into it, so that nothing in it can be believed")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"{self.path}: another audit is using it") from None

    def _write(self, line: _Line) -> None:
        self._stream.write(msgspec.json.encode(line).decode() + "\n")
        self._stream.flush()  # whoever kills this process shall not lose what it knows

    def _read(self, run: str, now: datetime) -> int:
        """How many bytes of the file are good: its last line may be half of one."""
        with os.fdopen(os.dup(self._stream.fileno()), "rb") as stream:
            stream.seek(0)
            content = stream.read()
        good = 0
        for number, line in enumerate(content.splitlines(keepends=True)):
            try:
                found = msgspec.json.decode(line, type=_Line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                found = None
            if number == 0 and not isinstance(found, Head):
                raise ConfigurationError(f"{self.path}: isn't a file that an audit has left")
            if found is None or not line.endswith(b"\n"):
                break
            if isinstance(found, Head) and (found.run, found.version) != (run, _VERSION):
                raise ConfigurationError(f"{self.path}: is of an audit of something else, or by another configuration")
            if isinstance(found, Head) and found.started_at < now - OLDEST:
                return 0
            good += len(line)
            self._keep(found)
        return good

    def _keep(self, line: _Line) -> None:
        if isinstance(line, Answered):
            self.earlier.answers[line.told.token].append(line.told)
        elif isinstance(line, Judged):
            self.earlier.secrets[line.cluster, line.uid] = line
