"""Retries at the end of a run: once after no answer, and repeatedly after rate limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import count

from webhook.audit.questions import Questions
from webhook.providers.findings import Outcome
from webhook.report.model import Row

_DELAY = 1.0
"""Seconds before a retry, after which most short failures are over."""


def is_open(rows: Iterable[Row]) -> bool:
    """Whether a row is unverified, so that a retry may help."""
    return any(Outcome.UNVERIFIED in row.outcomes.values() for row in rows)


async def ask_again(
    questions: Questions,
    still_open: Callable[[], bool],
    again: Callable[[], Awaitable[None]],
    *,
    deadline: float,
    waiting: Callable[[float], None],
) -> None:
    """Retry while it may help.

    Args:
        again: checks everything that is still open.
        deadline: the end of the run on the event loop's clock.
        waiting: called with the seconds of a wait for a rate limit.
    """
    for attempt in count(1):
        pause = questions.pause()
        if not still_open() or (attempt > 1 and not pause):
            return
        if asyncio.get_running_loop().time() + pause >= deadline:
            return
        if pause:
            waiting(pause)
        await asyncio.sleep(max(pause, _DELAY))
        questions.forget_unverified()
        await again()
