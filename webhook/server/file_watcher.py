"""Notice that files have changed, by their content, and read them again.

Polling for content rather than waiting for events: kubelet swaps a whole directory behind the symbolic link
``..data``, of which the watched path itself sees no event, and network file systems send none at all. The files
are few and small.
"""

from __future__ import annotations

import asyncio
import hashlib
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from webhook.errors import ConfigurationError
from webhook.logs import Logger, describe
from webhook.metrics import Exported

INTERVAL = 1.0
"""Seconds between two looks."""
RETRY = 10.0
"""Seconds until what failed is tried again although it hasn't changed: a certificate may become valid by waiting."""
_MOST_CHANGES = 5
"""How often in a row files may change while they are read; after that the next look goes on."""


class FileWatcher:
    """Calls `reload` whenever the content of some files is another one than before.

    A bad new content is reported, once, and whatever was in use stays in use: `reload` must change nothing before it
    knows that it will succeed.
    """

    def __init__(
        self,
        what: str,
        paths: Callable[[], Iterable[Path]],
        reload: Callable[[], None],
        *,
        metrics: Exported,
        log: Logger,
        interval: float = INTERVAL,
        retry: float = RETRY,
    ) -> None:
        """
        Args:
            what: one word for log and metric, such as ``certificate``.
            paths: files, and directories whose files count; they need not exist, and may be others after a reload.
                What they hold now counts as read, so make the watcher first and read them then.
            reload: raises `ConfigurationError` where the files can't be used.
            interval: seconds between two looks.
            retry: seconds until what failed is tried again unchanged.
        """
        self.what = what
        self._paths = paths
        self._reload = reload
        self._metrics = metrics
        self._log = log
        self._interval = interval
        self._retry = retry
        self._seen = digest(paths())
        self._failure: str | None = None
        self._next_try = 0.0

    @property
    def failure(self) -> str | None:
        """Why the files as they are now are not in use; None where they are."""
        return self._failure

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            await self.poll()

    async def poll(self) -> None:
        """Look once, and reload if there is something new, or if it is time to try a failed one again."""
        loop = asyncio.get_running_loop()
        for _ in range(_MOST_CHANGES):
            now = await asyncio.to_thread(digest, tuple(self._paths()))
            if now == self._seen and (self._failure is None or loop.time() < self._next_try):
                return
            changed = now != self._seen
            self._seen = now
            self._try(changed)
            self._next_try = loop.time() + self._retry
            if not changed:
                return
            # What was read may be newer than what was looked at, or half old and half new: so look once more.

    def _try(self, changed: bool) -> None:
        try:
            self._reload()
        except Exception as error:
            ours = isinstance(error, ConfigurationError)
            reason = "; ".join(str(error).splitlines()) if ours else type(error).__name__
            if changed or reason != self._failure:
                self._failure = reason
                self._metrics.reloaded(self.what, "failure")
                told = {"detail": reason} if ours else describe(error)  # where in the code helps only against a bug
                self._log.error("reload failed, the old one stays in use", what=self.what, **told)
        else:
            self._failure = None
            self._metrics.reloaded(self.what, "success")
            self._log.info("reloaded", what=self.what)


def digest(paths: Iterable[Path]) -> bytes:
    """A digest of all that the files hold, and the files of the directories: never of their times or numbers."""
    hashed = hashlib.sha256()

    def add(part: bytes) -> None:
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)

    for path in paths:
        for file in _files(path):
            add(file.name.encode(errors="surrogateescape"))
            try:
                # What is no file may have no end: a pipe, or a link to a device.
                add(b"+" + file.read_bytes() if stat.S_ISREG(file.stat().st_mode) else b"no file")
            except OSError as error:  # absence is a state like any other, and so is "not permitted"
                add(b"-" + str(error.errno).encode())
    return hashed.digest()


def _files(path: Path) -> list[Path]:
    """`path` itself, or its visible files where it is a directory: kubelet keeps the real ones in hidden ones."""
    try:
        if path.is_dir():
            return sorted(file for file in path.iterdir() if not file.name.startswith(".") and not file.is_dir())
    except OSError:
        return [path]
    return [path]
