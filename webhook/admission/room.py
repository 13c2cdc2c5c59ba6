"""How much all reviews together may hold: whoever holds back the end of a large body must not fill the memory.

The API server sends small reviews within milliseconds. What fills the room is large and stays for long, by accident or
on purpose, so that this is what goes when the room is full.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from webhook.errors import BadReview

ROOM = 64 * 1024 * 1024
"""Bytes. Eight of the largest bodies, or twenty Secrets of the largest size with their old versions, at the same
moment; a usual review has some kilobytes."""
_LEFT = 0.75
"""The part of the room that stays filled: so much is cleared at a time that looking through all reviews is rare."""
_SMALL = 64 * 1024
"""Bytes up to which a review goes only when all larger ones have gone."""


class Share:
    """What one review holds of the room."""

    def __init__(self, room: Room, since: float, patience: asyncio.Timeout) -> None:
        self._room = room
        self._since = since
        self._patience = patience
        self.size = 0
        self.lost = False

    def grow(self, size: int) -> None:
        """So many bytes more are held. Where that fills the room, the review that can best be missed ends, this one
        or another."""
        self.size += size
        self._room.grown(size)

    def cost(self, now: float) -> tuple[bool, float]:
        """The higher, the better the review can be missed: it is large, and has been here for long."""
        return self.size > _SMALL, self.size * (now - self._since)

    def end(self, now: float) -> None:
        """Interrupt the review, wherever it is."""
        self.lost = True
        self._patience.reschedule(now)


class Room:
    """What all reviews under way hold."""

    def __init__(self, size: int = ROOM) -> None:
        self._size = size
        self._held = 0
        self._shares: set[Share] = set()

    @asynccontextmanager
    async def share(self) -> AsyncIterator[Share]:
        """The room of one review, from its first byte to its answer.

        Raises:
            BadReview: others needed it more. An API server tries again.
        """
        share: Share | None = None
        try:
            async with asyncio.timeout(None) as patience:
                share = Share(self, asyncio.get_running_loop().time(), patience)
                self._shares.add(share)
                try:
                    yield share
                finally:
                    self._release(share)
        except TimeoutError:
            if share is None or not share.lost:
                raise
            message = "there are too many large reviews at the same time, and this one holds most or takes longest"
            raise BadReview(message, status=503, reason="crowded") from None

    def grown(self, size: int) -> None:
        """A share has grown; others end if it is too much."""
        self._held += size
        if self._held <= self._size:
            return
        now = asyncio.get_running_loop().time()
        for share in sorted(self._shares, key=lambda share: share.cost(now), reverse=True):
            self._release(share)
            share.end(now)
            if self._held <= self._size * _LEFT:
                return

    def _release(self, share: Share) -> None:
        if share in self._shares:
            self._shares.discard(share)
            self._held -= share.size
