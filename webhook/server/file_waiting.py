"""Wait for files that are about to be mounted.

The kubelet updates a mounted Secret a moment after an init container created it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from webhook.errors import ConfigurationError
from webhook.logs import Logger

_POLL_INTERVAL = 0.5  # seconds


async def wait_for_files(paths: Iterable[Path], seconds: float, log: Logger) -> None:
    """Return as soon as all files exist and folders are not empty.

    Args:
        seconds: the timeout; 0 does not wait and raises nothing.

    Raises:
        ConfigurationError: a file is missing after the timeout.
    """
    loop = asyncio.get_running_loop()
    end, logged = loop.time() + seconds, False
    wanted = tuple(paths)
    while seconds and (missing := [str(path) for path in wanted if not await asyncio.to_thread(_is_there, path)]):
        if loop.time() >= end:
            what = "does not" if len(missing) == 1 else "do not"
            raise ConfigurationError(
                f"{' and '.join(missing)} {what} exist after {seconds:g} s. Check that the mounted Secret exists."
            )
        if not logged:
            log.info("waiting for files", missing=missing, seconds=seconds)
            logged = True
        await asyncio.sleep(_POLL_INTERVAL)


def _is_there(path: Path) -> bool:
    try:
        if path.is_dir():
            return any(not file.name.startswith(".") for file in path.iterdir())
        return path.exists()
    except OSError:
        return True  # reading it will raise a better error
