"""How much all reviews together may hold: whoever holds back the end of a large body must not fill the memory.

The API server sends small reviews within milliseconds. What fills the room is large and stays for long, by accident or
on purpose, so that this is what goes when the room is full.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from webhook.errors import BadReview

ROOM = 64 * 1024 * 1024
"""Bytes. Eight of the largest bodies, or twenty Secrets of the largest size with their old versions, at the same
moment; a usual review has some kilobytes."""
_LEFT = 0.75
"""The part of the room that stays filled: so much is cleared at a time that looking through all reviews is rare."""
_SMALL = 64 * 1024
"""Bytes up to which a review goes only when all larger ones have gone."""


class Share:
    """What one review holds of the room, and for how long: from its first byte until its end or its deadline."""

    def __init__(self, room: Room, deadline: float | None) -> None:
        self._room = room
        self._since = asyncio.get_running_loop().time()
        self._patience = asyncio.timeout_at(deadline)
        self._lost = False
        self.size = 0

    async def __aenter__(self) -> Self:
        await self._patience.__aenter__()
        self._room.enter(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """
        Raises:
            BadReview: others needed the room more. An API server tries again.
            TimeoutError: the deadline has come.
        """
        self._room.leave(self)
        try:
            await self._patience.__aexit__(kind, error, trace)
        except TimeoutError:
            if not self._lost:
                raise
            message = "there are too many large reviews at the same time, and this one holds most or takes longest"
            raise BadReview(message, status=503, reason="crowded") from None

    def grow(self, size: int) -> None:
        """So many bytes more are held. Where that fills the room, the review that can best be missed ends, this one
        or another."""
        self.size += size
        self._room.grown(size)

    def cost(self, now: float) -> tuple[bool, float]:
        """The higher, the better the review can be missed: it is large, and has been here for long."""
        return self.size > _SMALL, self.size * (now - self._since)

    def end(self, now: float) -> None:
        """Interrupt the review, wherever it is, unless its deadline has done so."""
        if not self._patience.expired():
            self._lost = True
            self._patience.reschedule(now)


class Room:
    """What all reviews under way hold."""

    def __init__(self, size: int = ROOM) -> None:
        self._size = size
        self._held = 0
        self._shares: set[Share] = set()

    def share(self, deadline: float | None = None) -> Share:
        """The room of one review, to be used with ``async with``.

        Args:
            deadline: when it ends at the latest, by the event loop's clock.
        """
        return Share(self, deadline)

    def enter(self, share: Share) -> None:
        """A share is held from now on."""
        self._shares.add(share)

    def leave(self, share: Share) -> None:
        """It is held no more, whoever ended it."""
        if share in self._shares:
            self._shares.discard(share)
            self._held -= share.size

    def grown(self, size: int) -> None:
        """A share has grown; others end if it is too much."""
        self._held += size
        if self._held <= self._size:
            return
        now = asyncio.get_running_loop().time()
        for share in sorted(self._shares, key=lambda share: share.cost(now), reverse=True):
            self.leave(share)
            share.end(now)
            if self._held <= self._size * _LEFT:
                return
