"""A limit on the bytes that all bodies of reviews in progress take together.

The API server sends small reviews within milliseconds. Bodies that fill the memory are large and take long, by accident
or by intent, so these are rejected when the limit is reached.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from webhook.errors import BadReview

ROOM = 64 * 1024 * 1024
"""Bytes: eight of the largest bodies, or twenty updates of the largest Secrets. A typical review has a few KB."""
_LEFT = 0.75
"""The share of the limit that remains in use after reviews were rejected, so that this search is rare."""
_SMALL = 64 * 1024
"""Bytes. A smaller review is rejected only when no larger one is left."""


class Share:
    """The memory of one review, from its first byte until its end or its deadline."""

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
            BadReview: the limit was reached. The API server retries.
            TimeoutError: the deadline was reached.
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
        """Add bytes. If that exceeds the limit, the most expensive review ends, this one or another."""
        self.size += size
        self._room.grown(size)

    def cost(self, now: float) -> tuple[bool, float]:
        """Return a key that sorts large and old reviews last."""
        return self.size > _SMALL, self.size * (now - self._since)

    def end(self, now: float) -> None:
        """Interrupt the review, unless its deadline has done so."""
        if not self._patience.expired():
            self._lost = True
            self._patience.reschedule(now)


class Room:
    """The memory of all reviews in progress."""

    def __init__(self, size: int = ROOM) -> None:
        self._size = size
        self._held = 0
        self._shares: set[Share] = set()

    def share(self, deadline: float | None = None) -> Share:
        """Return the share of one review, for ``async with``.

        Args:
            deadline: when the review ends at the latest, by the event loop's clock.
        """
        return Share(self, deadline)

    def enter(self, share: Share) -> None:
        """Add a share."""
        self._shares.add(share)

    def leave(self, share: Share) -> None:
        """Remove a share; without effect if it was removed before."""
        if share in self._shares:
            self._shares.discard(share)
            self._held -= share.size

    def grown(self, size: int) -> None:
        """Count more bytes, and end reviews if the limit is exceeded."""
        self._held += size
        if self._held <= self._size:
            return
        now = asyncio.get_running_loop().time()
        for share in sorted(self._shares, key=lambda share: share.cost(now), reverse=True):
            self.leave(share)
            share.end(now)
            if self._held <= self._size * _LEFT:
                return
