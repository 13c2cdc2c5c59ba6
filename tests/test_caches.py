"""What is remembered stays small, whatever is looked up."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.caches import ENTRY_OVERHEAD, ExpiringCache, digest


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make_cache(entries: int = 100, size: int = 10**6) -> tuple[ExpiringCache[str], Clock]:
    clock = Clock()
    return ExpiringCache(entries=entries, size=size, size_of=len, clock=clock), clock


class TestExpiringCache:
    def test_entries(self) -> None:
        """The least recently used entry is evicted where there are too many."""
        cache, _ = make_cache(entries=2)
        for key in (b"a", b"b"):
            cache.put(key, "value", 60)
        cache.get(b"a")
        cache.put(b"c", "value", 60)
        assert [cache.get(key) for key in (b"a", b"b", b"c")] == ["value", None, "value"]

    def test_bytes(self) -> None:
        """Large values leave room for fewer."""
        cache, _ = make_cache(size=10 * ENTRY_OVERHEAD)
        for number in range(50):
            cache.put(digest(number), "x" * ENTRY_OVERHEAD, 60)
        assert len(cache) == 5
        assert cache.size <= 10 * ENTRY_OVERHEAD

    def test_a_value_that_never_fits(self) -> None:
        """It isn't kept, and evicts nothing."""
        cache, _ = make_cache(size=10 * ENTRY_OVERHEAD)
        cache.put(b"a", "value", 60)
        cache.put(b"b", "x" * 20 * ENTRY_OVERHEAD, 60)
        assert (cache.get(b"a"), cache.get(b"b")) == ("value", None)

    def test_expiry(self) -> None:
        """An entry is gone after its time."""
        cache, clock = make_cache()
        cache.put(b"a", "value", 5)
        clock.now = 4.9
        assert cache.get(b"a") == "value"
        clock.now = 5.1
        assert cache.get(b"a") is None

    def test_expired_entries_are_dropped_on_insert(self) -> None:
        """Those that nobody looks up again take no memory."""
        cache, clock = make_cache()
        for number in range(50):
            cache.put(digest(number), "x" * 1000, 5)
        clock.now = 6
        cache.put(b"new", "x", 5)
        assert cache.size == ENTRY_OVERHEAD + 1

    def test_expired_entries_evict_nothing(self) -> None:
        """One that was used longer ago, and is still good, stays."""
        cache, clock = make_cache(entries=2)
        cache.put(b"a", "good", 60)
        cache.put(b"b", "short", 5)
        clock.now = 6
        cache.put(b"c", "good", 60)
        assert (cache.get(b"a"), cache.get(b"c")) == ("good", "good")

    @pytest.mark.parametrize("seconds", [0, -1])
    def test_no_time_at_all(self, seconds: float) -> None:
        """What expires at once is not kept, nor is what it replaces."""
        cache, _ = make_cache()
        cache.put(b"a", "old", 60)
        cache.put(b"a", "new", seconds)
        assert cache.get(b"a") is None

    def test_for_ever(self) -> None:
        """A report keeps what it has asked."""
        cache, clock = make_cache()
        cache.put(b"a", "value", math.inf)
        clock.now = 10**9
        assert cache.get(b"a") == "value"

    def test_what_is_unwanted_is_forgotten(self) -> None:
        """And only that."""
        cache, _ = make_cache()
        cache.put(b"a", "good", 60)
        cache.put(b"b", "bad", 60)
        cache.forget(lambda value: value == "bad")
        assert cache.values() == ["good"]


class TestDigest:
    plain: st.SearchStrategy[Any] = st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=6,
    )

    @given(st.lists(plain), st.lists(plain))
    def test_equal_only_where_the_values_are(self, one: list[Any], other: list[Any]) -> None:
        """Parts that run into one another, or differ in type, are different."""
        assert (digest(*one) == digest(*other)) == (repr(one) == repr(other) or _ordered(one) == _ordered(other))

    def test_the_order_of_a_mapping_does_not_matter(self) -> None:
        """`extra` of one user comes in any order."""
        assert digest({"a": ["1"], "b": []}) == digest({"b": [], "a": ["1"]})

    def test_its_size(self) -> None:
        """It is as small for four million characters as for one."""
        assert len(digest("n" * 4_000_000)) == len(digest("")) == 32


def _ordered(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{_ordered(value[key])}" for key in sorted(value)) + "}"
    return "[" + ",".join(map(_ordered, value)) + "]" if isinstance(value, list) else repr(value)
