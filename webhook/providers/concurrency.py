"""Run requests concurrently, and collect their results and failures."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from webhook.providers.base import DeadlineExceeded, ProviderUnavailable

_T = TypeVar("_T")
_S = TypeVar("_S")
# Seconds to combine the answer and to return it.
_RESERVE = 0.2


async def gather_all(*calls: Coroutine[Any, Any, _T]) -> list[_T]:
    """Return the results of all calls when all have ended, so that none continues after an error.

    Raises:
        Exception: the first one's, in the order of `calls`.
    """
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]


async def outcomes(*calls: Coroutine[Any, Any, _T]) -> list[_T | ProviderUnavailable]:
    """Return the result of each call, or why it failed, for requests that an answer can do without.

    Raises:
        Exception: the first that is no `ProviderUnavailable`, in the order of `calls`.
    """
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.gather(*tasks, return_exceptions=True)
    return [_outcome(task) for task in tasks]


def _outcome(task: asyncio.Task[_T]) -> _T | ProviderUnavailable:
    error = task.exception()
    return error if isinstance(error, ProviderUnavailable) else task.result()


async def gather_pair(first: Coroutine[Any, Any, _T], second: Coroutine[Any, Any, _S]) -> tuple[_T, _S]:
    """Return the results of two calls when both have ended.

    Raises:
        Exception: the first one's, or else the second one's.
    """
    one, other = asyncio.ensure_future(first), asyncio.ensure_future(second)
    await asyncio.gather(one, other, return_exceptions=True)
    return one.result(), other.result()


async def outcome_of(call: Coroutine[Any, Any, _T]) -> _T | ProviderUnavailable:
    """Return the result of a call, or why it failed, for a request that an answer can do without."""
    try:
        return await call
    except ProviderUnavailable as error:
        return error


async def outcomes_until(needed_by: float, *calls: Coroutine[Any, Any, _T]) -> list[_T | ProviderUnavailable]:
    """Return the result of each call, or why it failed: `DeadlineExceeded` for those that did not end in time.

    For requests that an answer can do without.

    Args:
        needed_by: see `Api.needed_by`.

    Raises:
        Exception: the first that is no `ProviderUnavailable`, in the order of `calls`.
    """
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        if tasks:
            left = needed_by - _RESERVE - asyncio.get_running_loop().time()
            await asyncio.wait(tasks, timeout=max(0.0, left))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    returned: list[_T | ProviderUnavailable] = []
    for task in tasks:
        late = DeadlineExceeded("did not answer before the deadline")
        returned.append(late if task.cancelled() else _outcome(task))
    return returned
