"""Caches with a limited number of entries and bytes, whose entries expire.

Requesters choose what is looked up, such as names, users and tokens. So every key is a digest of fixed length.
docs/explanation/threat-model.md lists all mappings that input can grow.
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
"""Bytes of an entry besides its value, for the key and the cache's own objects. Measured: 500 to 700."""


def digest(*parts: object, key: bytes = b"") -> bytes:
    """Return a digest of plain values. Different values have different digests.

    Args:
        parts: strings, numbers, booleans, None, bytes, and lists, tuples and mappings of them. The order of the keys of
            a mapping does not matter.
        key: without it, no one can compare a digest with that of a guessed value.
    """
    return blake2b(_encoder.encode(parts), key=key, digest_size=32).digest()


_encoder = msgspec.msgpack.Encoder(order="deterministic")


class ExpiringCache(Generic[_V]):
    """A cache that evicts the least recently used entry when it is full.

    Adding an entry removes the expired ones.
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
            entries: the maximum number of entries.
            size: the maximum number of bytes.
            size_of: returns the approximate size of a value in bytes.
            clock: returns seconds.
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
        """Return a value; None if there is none or it has expired."""
        entry = self._cache.get(key)
        return entry[0] if entry is not None else None

    def put(self, key: bytes, value: _V, seconds: float) -> None:
        """Cache a value for a number of seconds, unless it is larger than the cache."""
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
        """Remove an entry."""
        self._cache.pop(key, None)

    def forget(self, unwanted: Callable[[_V], bool]) -> None:
        """Remove every entry whose value is unwanted."""
        self._cache.expire()
        for key in [key for key, (value, _) in self._cache.items() if unwanted(value)]:
            self._cache.pop(key, None)

    def values(self) -> list[_V]:
        """Return all values that have not expired."""
        return [value for value, _ in self._cache.values()]

    def __len__(self) -> int:
        self._cache.expire()
        return len(self._cache)

    @property
    def size(self) -> int:
        """The approximate size of all entries in bytes."""
        return int(self._cache.currsize)
