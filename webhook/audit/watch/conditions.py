"""Failure conditions of the process, which are logged when they change."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from webhook.logs import Logger

_PERIOD = 3600.0
_FAILURES = 3
"""Failures of one part that are logged in a period, in seconds. Further changes are counted."""
_MOST_PLACES = 1000


@dataclass(slots=True)
class _Part:
    """One part that can fail.

    Attributes:
        problems: by place, such as the uid of a Secret; empty if the part works.
        shown: the problem that was logged last.
        failures: when failures were logged.
        unlogged: changes since the last line.
    """

    problems: dict[str, str] = field(default_factory=dict)
    shown: str | None = None
    failures: list[float] = field(default_factory=list)
    unlogged: int = 0


class Conditions:
    """The failure conditions of one process, by the part that does not work."""

    def __init__(
        self,
        log: Logger,
        on_change: Callable[[str, bool], None] = lambda what, failing: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            on_change: called with the part, and whether it fails.
            clock: returns seconds.
        """
        self._log = log
        self._on_change = on_change
        self._clock = clock
        self._parts: dict[str, _Part] = {}

    def __getitem__(self, what: str) -> str | None:
        """The problem of a part, one of several if there are more places; None if it works."""
        part = self._parts.get(what)
        return next(iter(part.problems.values()), None) if part is not None else None

    def places(self, what: str) -> int:
        """Return the number of places where a part fails."""
        part = self._parts.get(what)
        return len(part.problems) if part is not None else 0

    def set(self, what: str, problem: str | None, *, place: str = "") -> None:
        """Set the problem of `what`, one of a few words; None if it works.

        Args:
            place: where it fails, such as the uid of a Secret. The part fails while it fails anywhere.
        """
        part = self._parts.setdefault(what, _Part())
        failed = bool(part.problems)
        if problem is None:
            part.problems.pop(place, None)
        elif place in part.problems or len(part.problems) < _MOST_PLACES:
            part.problems[place] = problem
        current = self[what]
        if current != part.shown:
            self._report(what, part, current)
        if failed != bool(part.problems):
            self._on_change(what, bool(part.problems))

    def drop_others(self, *kept: str) -> None:
        """Drop all conditions except these."""
        for what in self._parts.keys() - set(kept):
            if self._parts.pop(what).problems:
                self._on_change(what, False)

    def _report(self, what: str, part: _Part, problem: str | None) -> None:
        """Log a change. The end of a logged failure is always logged: the log must not end with a past failure."""
        now = self._clock()
        part.failures = [moment for moment in part.failures if now - moment < _PERIOD]
        if problem is not None and len(part.failures) >= _FAILURES:
            part.unlogged += 1
            return
        part.shown = problem
        more = {"unlogged_changes": part.unlogged} if part.unlogged else {}
        part.unlogged = 0
        if problem is None:
            self._log.info("recovered", what=what, **more)
            return
        part.failures.append(now)
        places = {"places": len(part.problems)} if len(part.problems) > 1 else {}
        self._log.warning("failing", what=what, detail=problem, **places, **more)
