"""When each Secret is looked at again: spread over time, sooner as an end comes near or where nobody answered.

Pure, without a clock. Each Secret has a place of its own within the interval, by its uid, so that neither a restart nor
another leader moves it, and thousands of Secrets are looked at evenly.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

SOONEST = timedelta(minutes=1)
"""Between two looks at what ends soon; the last one is at the end itself."""
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
_ROUNDING = 0.001
_FRESH = 0.9
"""Of the time until the next look: an answer is not used for that one, but for other Secrets with the same token."""


def place(uid: str) -> float:
    """Where within any interval a Secret has its turn: 0 at the beginning, 1 at the end."""
    return int.from_bytes(sha256(uid.encode()).digest()[:8]) / 2**64


def turn(uid: str, after: datetime, interval: timedelta) -> datetime:
    """Its next regular turn: later than `after`, and not by more than the interval."""
    seconds = interval.total_seconds()
    offset = place(uid) * seconds
    # Of times as large as these, the last microseconds are a matter of rounding: a turn must not come twice by that.
    number = math.floor((after.timestamp() + _ROUNDING - offset) / seconds) + 1
    return min(datetime.fromtimestamp(offset + number * seconds, UTC), after + interval)


def next_look(
    uid: str,
    now: datetime,
    interval: timedelta,
    *,
    ends: Iterable[datetime] = (),
    warn_within: timedelta = timedelta(0),
) -> datetime:
    """When a Secret that was looked at now is looked at again.

    Args:
        ends: when its tokens end. Each is looked at when it begins to be expiring, after half of the time that it then
            has left, and so on, and at its very end.
        warn_within: how soon a token ends that is expiring.
    """
    moments = [turn(uid, now, interval)]
    for end in ends:
        if end > now:
            moments.append(min(end, now + max((end - now) / 2, SOONEST)))
            if end - warn_within > now:
                moments.append(end - warn_within)
    return min(moments)


def retry(uid: str, now: datetime, interval: timedelta, attempt: int, pause: float = 0.0) -> datetime:
    """When somebody is asked again who has not answered.

    Args:
        attempt: how often in a row there was no answer, from 1.
        pause: seconds for which hosts want us to wait.
    """
    wait = min(FIRST_RETRY * (1 << min(attempt - 1, 16)), LONGEST_RETRY, interval)
    spread = 0.75 + place(uid) / 4  # so that not all come back in the same second
    return now + max(wait * spread, timedelta(seconds=pause) + place(uid) * FIRST_RETRY)


def fresh_for(end: datetime | None, now: datetime, interval: timedelta) -> float:
    """For how many seconds an answer is used again, about a token that ends then."""
    fresh = interval
    if end is not None and end > now:
        fresh = min(fresh, max((end - now) / 2, SOONEST), end - now)
    return fresh.total_seconds() * _FRESH


class Schedule:
    """Who is next."""

    def __init__(self) -> None:
        self._due: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []

    def __len__(self) -> int:
        return len(self._due)

    def set(self, uid: str, due: datetime) -> None:
        """Look at it then, whatever was planned before."""
        self._due[uid] = due
        heapq.heappush(self._heap, (due, uid))

    def hasten(self, uid: str, due: datetime) -> None:
        """Look at it then at the latest, if it is to be looked at at all."""
        if uid in self._due and due < self._due[uid]:
            self.set(uid, due)

    def drop(self, uid: str) -> None:
        """Look at it no more."""
        self._due.pop(uid, None)

    @property
    def next(self) -> datetime | None:
        """When the next one is due."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: datetime) -> str | None:
        """The one that is due for longest; it is then planned no more. None where none is due."""
        due = self.next
        if due is None or due > now:
            return None
        uid = heapq.heappop(self._heap)[1]
        del self._due[uid]
        return uid

    def overdue(self, since: datetime) -> int:
        """How many were due before that."""
        return sum(due < since for due in self._due.values())
