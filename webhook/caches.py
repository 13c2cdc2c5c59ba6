"""Memory of what was asked before, with a fixed size however much is asked and by whom.

Requesters choose what is looked up: names, users, tokens. So every key is a digest of fixed length, every cache is
bounded both in entries and in bytes, and every entry expires. docs/explanation/threat-model.md lists all mappings
that input can grow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Generic, TypeVar

import msgspec
from cachetools import TLRUCache

_V = TypeVar("_V")
ENTRY_OVERHEAD = 1024
"""Bytes that an entry takes beside its value: its key and the cache's own books. Measured at 500 to 700."""


def digest(*parts: object, key: bytes = b"") -> bytes:
    """Return a digest of plain values, which is never the same for different ones.

    Args:
        parts: text, numbers, truths, None, bytes, and lists, tuples and mappings of them. Mappings are equal in any
            order of their keys.
        key: makes digests that nobody without it can compare a guess with.
    """
    return blake2b(_encoder.encode(parts), key=key, digest_size=32).digest()


_encoder = msgspec.msgpack.Encoder(order="deterministic")


class ExpiringCache(Generic[_V]):
    """A cache of at most so many entries and bytes, from which the least recently used entry is evicted.

    Expired entries are dropped whenever one is added.
    """

    def __init__(
        self,
        *,
        entries: int,
        size: int,
        size_of: Callable[[_V], int] = lambda value: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            entries: how many there may be.
            size: how many bytes they may take together.
            size_of: bytes that a value takes, about.
            clock: seconds.
        """
        self._entries = entries
        self._clock = clock
        self._cache: TLRUCache[bytes, tuple[_V, float]] = TLRUCache(
            maxsize=size,
            ttu=lambda key, entry, now: entry[1],
            timer=clock,
            getsizeof=lambda entry: ENTRY_OVERHEAD + size_of(entry[0]),
        )

    def get(self, key: bytes) -> _V | None:
        """Return the value, or None where there is none or it has expired."""
        entry = self._cache.get(key)
        return entry[0] if entry is not None else None

    def put(self, key: bytes, value: _V, seconds: float) -> None:
        """Keep a value for so many seconds; one that is larger than the whole cache, or expired already, isn't kept."""
        self._cache.pop(key, None)
        if seconds <= 0 or self._entries <= 0:
            return
        while len(self._cache) >= self._entries:
            self._cache.popitem()
        try:
            self._cache[key] = value, self._clock() + seconds
        except ValueError:  # cachetools: value too large
            return

    def pop(self, key: bytes) -> None:
        """Forget one entry."""
        self._cache.pop(key, None)

    def forget(self, unwanted: Callable[[_V], bool]) -> None:
        """Forget every entry whose value is unwanted."""
        self._cache.expire()
        for key in [key for key, (value, _) in self._cache.items() if unwanted(value)]:
            self._cache.pop(key, None)

    def values(self) -> list[_V]:
        """Return every value that has not expired."""
        return [value for value, _ in self._cache.values()]

    def __len__(self) -> int:
        self._cache.expire()
        return len(self._cache)

    @property
    def size(self) -> int:
        """Bytes that all entries take, about."""
        return int(self._cache.currsize)
