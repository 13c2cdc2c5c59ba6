"""Checkpoint files, from which an interrupted audit continues.

The file holds rows of the report and responses of providers under the report's token numbers. It holds no part of a
token, and nothing against which tokens could be tried. The next run reads a Secret with the token to learn its number.
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
"""Age of a checkpoint after which its results are discarded."""
_VERSION = 1


class Head(msgspec.Struct, tag="audit", frozen=True):
    """The first line, which identifies the audit.

    Attributes:
        run: a digest of the settings and the scope.
    """

    version: int
    run: str
    started_at: datetime


class Answered(msgspec.Struct, tag="answer", frozen=True):
    """A response of a provider."""

    told: Told


class Judged(msgspec.Struct, tag="secret", frozen=True):
    """The result for one version of a Secret."""

    cluster: str
    uid: str
    version: str
    namespace: str
    name: str
    rows: tuple[Row, ...]


_Line = Head | Answered | Judged


@dataclass(slots=True)
class Earlier:
    """The results of an earlier run."""

    secrets: dict[tuple[str, str], Judged] = field(default_factory=dict)
    answers: dict[int, list[Told]] = field(default_factory=lambda: defaultdict(list))

    def still_holds(self, cluster: str, uid: str, version: str) -> Judged | None:
        """Return the result for a Secret if its version is the same."""
        found = self.secrets.get((cluster, uid))
        return found if found is not None and found.version == version else None

    def holders(self) -> dict[int, list[tuple[Judged, Row]]]:
        """Return the Secrets and rows that hold each token, by its number."""
        held: defaultdict[int, list[tuple[Judged, Row]]] = defaultdict(list)
        for secret in self.secrets.values():
            for row in secret.rows:
                if row.token is not None:
                    held[row.token].append((secret, row))
        return held


def digest(parts: Iterable[object]) -> str:
    """Return a digest of a run's settings and scope, so that a run never uses a checkpoint of another one."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()


class Record:
    """The open file of a run. Use it as a context manager."""

    def __init__(self, path: Path, run: str, now: datetime) -> None:
        """Open the file, read its results, and prepare to append to it.

        Raises:
            ConfigurationError: the file cannot be used, or is from another audit.
        """
        self.path = path
        self.earlier = Earlier()
        try:
            # Not through a link, which another user may have set, and not into a pipe.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_APPEND, 0o600)
        except OSError as error:
            why = "is a symbolic link" if error.errno == errno.ELOOP else f"cannot be used: {error.strerror}"
            raise ConfigurationError(f"{path}: {why}") from None
        self._stream = os.fdopen(descriptor, "a", encoding="utf-8")
        try:
            self._take(descriptor)
            kept = self._read(run, now)
            os.ftruncate(descriptor, kept)
        except OSError as error:
            self._stream.close()
            raise ConfigurationError(f"{path}: cannot be used: {error.strerror}") from None
        except ConfigurationError:
            self._stream.close()
            raise
        if not kept:
            self._write(Head(_VERSION, run, now))

    def answered(self, told: Told) -> None:
        """Write a response of a provider."""
        self._write(Answered(told))

    def judged(self, secret: Judged) -> None:
        """Write the result for a Secret."""
        self._write(secret)

    def remove(self) -> None:
        """Delete the file, because the audit is complete."""
        self._stream.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def _take(self, descriptor: int) -> None:
        """Lock the file, and check that no other user can write to it.

        Raises:
            ConfigurationError: the file is not safe to use, or another audit uses it.
        """
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(f"{self.path}: is not a regular file")
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigurationError(f"{self.path}: other users can write to it, so its content cannot be trusted")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(f"{self.path}: another audit uses it") from None

    def _write(self, line: _Line) -> None:
        self._stream.write(msgspec.json.encode(line).decode() + "\n")
        self._stream.flush()  # a killed process must not lose results

    def _read(self, run: str, now: datetime) -> int:
        """Read the results, and return the number of valid bytes. The last line may be incomplete."""
        with os.fdopen(os.dup(self._stream.fileno()), "rb") as stream:
            stream.seek(0)
            content = stream.read()
        valid = 0
        for number, line in enumerate(content.splitlines(keepends=True)):
            try:
                found = msgspec.json.decode(line, type=_Line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                found = None
            if number == 0 and not isinstance(found, Head):
                raise ConfigurationError(f"{self.path}: is not a checkpoint of an audit")
            if found is None or not line.endswith(b"\n"):
                break
            if isinstance(found, Head) and (found.run, found.version) != (run, _VERSION):
                raise ConfigurationError(
                    f"{self.path}: is the checkpoint of an audit with another scope or configuration"
                )
            if isinstance(found, Head) and found.started_at < now - OLDEST:
                return 0
            valid += len(line)
            self._keep(found)
        return valid

    def _keep(self, line: _Line) -> None:
        if isinstance(line, Answered):
            self.earlier.answers[line.told.token].append(line.told)
        elif isinstance(line, Judged):
            self.earlier.secrets[line.cluster, line.uid] = line
