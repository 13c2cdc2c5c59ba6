"""Wait for files that are about to be mounted: kubelet shows a Secret a moment after an init container has made it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from webhook.errors import ConfigurationError
from webhook.logs import Logger

_LOOK = 0.5  # seconds


async def wait_for_files(paths: Iterable[Path], seconds: float, log: Logger) -> None:
    """Return as soon as all of them are there, and folders hold something.

    Args:
        seconds: how long that may take; with 0 whoever reads them finds out.

    Raises:
        ConfigurationError: something is still missing after so many seconds.
    """
    loop = asyncio.get_running_loop()
    end, said = loop.time() + seconds, False
    wanted = tuple(paths)
    while seconds and (missing := [str(path) for path in wanted if not await asyncio.to_thread(_is_there, path)]):
        if loop.time() >= end:
            what = "isn't" if len(missing) == 1 else "aren't"
            raise ConfigurationError(
                f"{' and '.join(missing)} {what} there after {seconds:g} s; is there a Secret that is mounted there?"
            )
        if not said:
            log.info("waiting for files", missing=missing, seconds=seconds)
            said = True
        await asyncio.sleep(_LOOK)


def _is_there(path: Path) -> bool:
    try:
        if path.is_dir():
            return any(not file.name.startswith(".") for file in path.iterdir())
        return path.exists()
    except OSError:
        return True  # whoever reads it says better what is wrong
