"""Work that takes too long for the event loop, done in one thread."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar, TypeVarTuple

_Arguments = TypeVarTuple("_Arguments")
_Result = TypeVar("_Result")

# A single thread: with more of them, the event loop's thread would wait for its turn behind each one.
_thread: Final = ThreadPoolExecutor(1, thread_name_prefix="offload")
_SWITCH_INTERVAL: Final = 0.0005
"""Seconds. How long the event loop waits for the interpreter while the thread runs Python code; the default is 5 ms."""


def favor_event_loop() -> None:
    """Make the interpreter switch threads often, so that the event loop waits for at most half a millisecond."""
    sys.setswitchinterval(_SWITCH_INTERVAL)


async def offload(function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
    """Call a function in the thread, after all calls that were offloaded before, and return its result.

    A call that is cancelled before its turn is not made.
    """
    return await asyncio.get_running_loop().run_in_executor(_thread, function, *arguments)
