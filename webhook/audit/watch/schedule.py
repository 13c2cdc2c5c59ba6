"""The times of the next checks, spread evenly, and sooner before an expiry or after a failure.

Pure, without a clock. The uid of a Secret determines its offset within the interval, so a restart or another leader
does not change it, and the checks of thousands of Secrets are spread evenly.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

SOONEST = timedelta(minutes=1)
"""Shortest time between two checks of a token that expires soon. The last check is at its expiry."""
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
_ROUNDING = 0.001
_FRESH = 0.9
"""Share of the time until the next check for which an answer is cached, for other Secrets with the same token."""


def place(uid: str) -> float:
    """Return the offset of a Secret within an interval, from 0 to 1."""
    return int.from_bytes(sha256(uid.encode()).digest()[:8]) / 2**64


def turn(uid: str, after: datetime, interval: timedelta) -> datetime:
    """Return the next regular check of a Secret, after `after` and within the interval."""
    seconds = interval.total_seconds()
    offset = place(uid) * seconds
    # Floats of this size are rounded to microseconds, which must not repeat a check.
    number = math.floor((after.timestamp() + _ROUNDING - offset) / seconds) + 1
    return min(datetime.fromtimestamp(offset + number * seconds, UTC), after + interval)


def next_check(
    uid: str,
    now: datetime,
    interval: timedelta,
    *,
    ends: Iterable[datetime] = (),
    warn_within: timedelta = timedelta(0),
) -> datetime:
    """Return the time of the next check of a Secret that was checked now.

    Args:
        ends: when its tokens expire. A token is checked when it starts to be expiring, then after half of the
            remaining time, and so on, and at its expiry.
        warn_within: the remaining lifetime below which a token is expiring.
    """
    moments = [turn(uid, now, interval)]
    for end in ends:
        if end > now:
            moments.append(min(end, now + max((end - now) / 2, SOONEST)))
            if end - warn_within > now:
                moments.append(end - warn_within)
    return min(moments)


def retry(uid: str, now: datetime, interval: timedelta, attempt: int, pause: float = 0.0) -> datetime:
    """Return the time of the next attempt after a failure.

    Args:
        attempt: the number of consecutive failures, from 1.
        pause: seconds until rate limits of hosts end.
    """
    wait = min(FIRST_RETRY * (1 << min(attempt - 1, 16)), LONGEST_RETRY, interval)
    spread = 0.75 + place(uid) / 4  # spread the retries
    return now + max(wait * spread, timedelta(seconds=pause) + place(uid) * FIRST_RETRY)


def fresh_for(end: datetime | None, now: datetime, interval: timedelta) -> float:
    """Return the seconds for which to cache an answer about a token that expires at `end`."""
    fresh = interval
    if end is not None and end > now:
        fresh = min(fresh, max((end - now) / 2, SOONEST), end - now)
    return fresh.total_seconds() * _FRESH


class Schedule:
    """The queue of Secrets, by time."""

    def __init__(self) -> None:
        self._due: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []

    def __len__(self) -> int:
        return len(self._due)

    def set(self, uid: str, due: datetime) -> None:
        """Schedule a Secret, and replace its earlier time."""
        self._due[uid] = due
        heapq.heappush(self._heap, (due, uid))

    def hasten(self, uid: str, due: datetime) -> None:
        """Schedule a Secret earlier, if it is scheduled."""
        if uid in self._due and due < self._due[uid]:
            self.set(uid, due)

    def drop(self, uid: str) -> None:
        """Remove a Secret."""
        self._due.pop(uid, None)

    @property
    def next(self) -> datetime | None:
        """The time of the next Secret; None if the queue is empty."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: datetime) -> str | None:
        """Remove and return the Secret that is due for longest; None if none is due."""
        due = self.next
        if due is None or due > now:
            return None
        uid = heapq.heappop(self._heap)[1]
        del self._due[uid]
        return uid

    def overdue(self, since: datetime) -> int:
        """Return the number of Secrets that were due before `since`."""
        return sum(due < since for due in self._due.values())
