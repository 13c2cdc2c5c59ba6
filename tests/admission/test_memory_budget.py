"""Who goes when the room is full."""

from __future__ import annotations

import asyncio

import pytest

from webhook.admission.memory_budget import Room
from webhook.errors import BadReview

KB = 1000


class Review:
    """One that holds something until it is ended."""

    def __init__(self, room: Room, size: int) -> None:
        self._room = room
        self._size = size
        self._grow = asyncio.Queue[int]()
        self.task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        async with self._room.share() as share:
            share.grow(self._size)
            while size := await self._grow.get():
                share.grow(size)

    def grow(self, size: int) -> None:
        self._grow.put_nowait(size)

    @property
    def ended(self) -> bool:
        """Whether there was no room for it any more."""
        return self.task.done() and isinstance(self.task.exception(), BadReview)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def room() -> Room:
    return Room(1000 * KB)


async def test_who_is_large_and_takes_long_goes_first(room: Room) -> None:
    """Large ones that have just come stay, and so do small ones, however long they take."""
    small = Review(room, 60 * KB)
    await asyncio.sleep(0.02)
    old = Review(room, 350 * KB)
    await asyncio.sleep(0.02)
    others = [Review(room, 300 * KB), Review(room, 250 * KB)]
    await settle()
    others.append(Review(room, 100 * KB))
    await settle()
    assert old.ended
    assert not any(review.ended for review in (small, *others))


async def test_who_fills_the_room_may_be_the_one_to_go(room: Room) -> None:
    """Where nobody has more."""
    others = [Review(room, 100 * KB) for _ in range(6)]
    await settle()
    greedy = Review(room, 100 * KB)
    await asyncio.sleep(0.02)
    greedy.grow(400 * KB)
    await settle()
    assert greedy.ended
    assert not any(review.ended for review in others)


async def test_small_ones_go_where_there_is_nobody_else(room: Room) -> None:
    """Thousands of them fill the room as well; those that came last stay, and there is room for the next."""
    reviews = [Review(room, 50 * KB) for _ in range(19)]
    await asyncio.sleep(0.02)
    reviews += [Review(room, 50 * KB) for _ in range(10)]
    await settle()
    assert sum(review.ended for review in reviews) in range(9, 16)
    assert not any(review.ended for review in reviews[19:])


async def test_who_has_gone_holds_nothing(room: Room) -> None:
    """Answered, ended or hung up: its room is others' at once."""
    for _ in range(5):
        answered, cancelled = Review(room, 400 * KB), Review(room, 400 * KB)
        await settle()
        answered.grow(0)
        cancelled.task.cancel()
        await settle()
        assert not answered.ended
    ended = Review(room, 1001 * KB)
    await settle()
    assert ended.ended
    stays = Review(room, 900 * KB)
    await settle()
    assert not stays.ended


async def test_another_time_out_is_its_own_matter(room: Room) -> None:
    """Only who had to go for others is told so."""
    with pytest.raises(TimeoutError):
        async with room.share():
            raise TimeoutError
