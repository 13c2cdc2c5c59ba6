"""Reload files when their content changes.

It polls the content instead of waiting for events: the kubelet swaps a whole directory behind the symbolic link
``..data``, which causes no event on the watched path, and network file systems send no events at all. The files are few
and small.
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
"""Seconds between two polls."""
RETRY = 10.0
"""Seconds until a failed reload is retried without a change: a certificate can become valid later."""
_MAX_CHANGES = 5
"""How many times in a row a poll reloads files that change while they are read."""


class FileWatcher:
    """Calls `reload` when the content of files changes.

    An invalid change is logged once, and the previous content stays in use: `reload` must change nothing before it is
    sure to succeed.
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
            paths: files and directories of files. They need not exist, and can differ after a reload. Their current
                content counts as loaded, so create the watcher before you read them.
            reload: raises `ConfigurationError` if the files cannot be used.
            interval: seconds between two polls.
            retry: seconds until a failed reload is retried without a change.
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
        """Why the last reload failed; None if the files are in use."""
        return self._failure

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            await self.poll()

    async def poll(self) -> None:
        """Poll once; reload after a change, or when a failed reload is due for a retry."""
        loop = asyncio.get_running_loop()
        for _ in range(_MAX_CHANGES):
            now = await asyncio.to_thread(digest, tuple(self._paths()))
            if now == self._seen and (self._failure is None or loop.time() < self._next_try):
                return
            changed = now != self._seen
            self._seen = now
            self._try(changed)
            self._next_try = loop.time() + self._retry
            if not changed:
                return
            # The files may have changed between the digest and the reload, so check once more.

    def _try(self, changed: bool) -> None:
        try:
            self._reload()
        except Exception as error:
            ours = isinstance(error, ConfigurationError)
            reason = "; ".join(str(error).splitlines()) if ours else type(error).__name__
            if changed or reason != self._failure:
                self._failure = reason
                self._metrics.reloaded(self.what, "failure")
                # The place in the code only matters for a bug.
                details = {"detail": reason} if ours else describe(error)
                self._log.error("reload failed, the previous version stays in use", what=self.what, **details)
        else:
            self._failure = None
            self._metrics.reloaded(self.what, "success")
            self._log.info("reloaded", what=self.what)


def digest(paths: Iterable[Path]) -> bytes:
    """Return a digest of the content of all files, directories included; times and inodes do not count."""
    hashed = hashlib.sha256()

    def add(part: bytes) -> None:
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)

    for path in paths:
        for file in _files(path):
            add(file.name.encode(errors="surrogateescape"))
            try:
                # Reading something that is not a regular file, such as a pipe or a device, may never end.
                add(b"+" + file.read_bytes() if stat.S_ISREG(file.stat().st_mode) else b"no file")
            except OSError as error:  # "not found" and "permission denied" are states, too
                add(b"-" + str(error.errno).encode())
    return hashed.digest()


def _files(path: Path) -> list[Path]:
    """Return `path`, or its visible files for a directory: the kubelet keeps the real files in hidden folders."""
    try:
        if path.is_dir():
            return sorted(file for file in path.iterdir() if not file.name.startswith(".") and not file.is_dir())
    except OSError:
        return [path]
    return [path]
