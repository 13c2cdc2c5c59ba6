"""What was not answered is asked again at the end: once for silence, and as often as a host only wants us to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import count

from webhook.audit.questions import Questions
from webhook.providers.findings import Outcome
from webhook.report.model import Row

_BREATH = 1.0
"""Seconds before silence is asked again: most of what goes wrong for a moment is over by then."""


def is_open(rows: Iterable[Row]) -> bool:
    """Whether asking again may tell more."""
    return any(Outcome.UNVERIFIED in row.outcomes.values() for row in rows)


async def ask_again(
    questions: Questions,
    still_open: Callable[[], bool],
    again: Callable[[], Awaitable[None]],
    *,
    deadline: float,
    waiting: Callable[[float], None],
) -> None:
    """Ask again while it may help.

    Args:
        again: judges anew all that is still open.
        deadline: when the run ends, by the event loop's clock; nobody waits beyond it.
        waiting: told for how many seconds nothing happens, because hosts want that.
    """
    for attempt in count(1):
        pause = questions.pause()
        if not still_open() or (attempt > 1 and not pause):
            return
        if asyncio.get_running_loop().time() + pause >= deadline:
            return
        if pause:
            waiting(pause)
        await asyncio.sleep(max(pause, _BREATH))
        questions.forget_unverified()
        await again()
