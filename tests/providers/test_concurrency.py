"""Requests that go out together: what comes back of them, and that none goes on alone."""

from __future__ import annotations

import asyncio
import gc

import pytest

from webhook.providers.base import DeadlineExceeded, ProviderUnavailable
from webhook.providers.concurrency import gather_all, gather_pair, outcome_of, outcomes, outcomes_until

SILENCE = ProviderUnavailable("said nothing")
BUG = ValueError("a bug")


async def returned(value: object, seconds: float = 0.0) -> object:
    await asyncio.sleep(seconds)
    return value


async def raised(error: Exception, seconds: float = 0.0) -> object:
    await asyncio.sleep(seconds)
    raise error


class Slow:
    """A request that takes a moment, and tells whether it came to its end."""

    over = False

    async def answer(self) -> object:
        await asyncio.sleep(0.02)
        self.over = True
        return "slow"


def in_time(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_all_answers_come_in_the_order_of_the_calls() -> None:
    """Whichever is the quickest; none at all is fine."""
    assert await gather_all(returned(1, 0.01), returned(2)) == [1, 2]
    assert await gather_pair(returned(1, 0.01), returned("2")) == (1, "2")
    assert await outcomes_until(in_time(), returned(1, 0.01), returned(2)) == [1, 2]
    assert await gather_all() == []
    assert await outcomes_until(in_time()) == []


async def test_an_error_that_is_only_returned_is_an_answer() -> None:
    """A call may well return why it brought nothing: it is raised only where the call raised it."""
    assert await gather_all(returned(SILENCE), returned(BUG)) == [SILENCE, BUG]
    assert await gather_pair(returned(SILENCE), returned(BUG)) == (SILENCE, BUG)
    assert await outcomes_until(in_time(), returned(SILENCE), returned(BUG)) == [SILENCE, BUG]


async def test_the_first_error_is_raised_once_all_are_over() -> None:
    """First in the order of the calls, not in time; nothing goes on behind the back of whoever gets it."""
    slow = Slow()
    with pytest.raises(ProviderUnavailable, match="said nothing"):
        await gather_all(raised(SILENCE, 0.01), raised(BUG), slow.answer())
    assert slow.over
    slow = Slow()
    with pytest.raises(ValueError, match="a bug"):
        await gather_pair(raised(BUG), slow.answer())
    assert slow.over


async def test_of_both_the_firsts_error_is_raised_before_the_seconds() -> None:
    """Though it comes later."""
    with pytest.raises(ProviderUnavailable):
        await gather_pair(raised(SILENCE, 0.01), raised(BUG))
    with pytest.raises(ValueError, match="a bug"):
        await gather_pair(returned(1), raised(BUG))


async def test_silence_is_an_answer_where_that_is_asked_for() -> None:
    """Anything else that is raised goes on."""
    assert await outcome_of(raised(SILENCE)) is SILENCE
    assert await outcome_of(returned(1)) == 1
    with pytest.raises(ValueError, match="a bug"):
        await outcome_of(raised(BUG))
    assert await outcomes(raised(SILENCE), returned(1)) == [SILENCE, 1]
    with pytest.raises(ValueError, match="a bug"):
        await outcomes(raised(SILENCE), raised(BUG))


async def test_requests_that_are_cancelled_before_they_start_leave_nothing_behind() -> None:
    """Python warns of coroutines that nobody awaits, and warnings are errors here."""
    round_ = asyncio.ensure_future(outcomes(returned(1, 9), returned(2, 9)))
    await asyncio.sleep(0)  # it has made its requests, none of which has begun
    round_.cancel()
    with pytest.raises(asyncio.CancelledError):
        await round_
    gc.collect()


async def test_what_is_not_over_in_time_came_too_late() -> None:
    """The others are there, their silence too; an error is raised all the same."""
    answers = await outcomes_until(in_time(0.25), returned(1), raised(SILENCE), returned(2, 9))
    assert answers[:2] == [1, SILENCE]
    assert isinstance(answers[2], DeadlineExceeded)
    with pytest.raises(ValueError, match="a bug"):
        await outcomes_until(in_time(0.25), returned(2, 9), raised(BUG))


async def test_whoever_gives_up_waiting_ends_them_all() -> None:
    """A caller that is cancelled leaves nothing behind."""
    slow = [Slow(), Slow(), Slow()]
    waiting = [
        asyncio.ensure_future(gather_all(slow[0].answer())),
        asyncio.ensure_future(gather_pair(slow[1].answer(), returned(1))),
        asyncio.ensure_future(outcomes_until(in_time(), slow[2].answer())),
    ]
    await asyncio.sleep(0.001)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await asyncio.sleep(0.05)
    assert not any(one.over for one in slow)
