"""Failure conditions of the process, which are logged when they change."""

from __future__ import annotations

from collections.abc import Callable

from webhook.logs import Logger


class Conditions:
    """The failure conditions of one process, by the part that does not work."""

    def __init__(self, log: Logger, on_change: Callable[[str, bool], None] = lambda what, failing: None) -> None:
        """
        Args:
            on_change: called with the part, and whether it fails.
        """
        self._log = log
        self._on_change = on_change
        self._now: dict[str, str] = {}

    def __getitem__(self, what: str) -> str | None:
        """The problem of a part; None if it works."""
        return self._now.get(what)

    def set(self, what: str, problem: str | None) -> None:
        """Set the problem of `what`, one of a few words; None if it works."""
        before = self._now.get(what)
        if problem == before:
            return
        if problem is None:
            del self._now[what]
            self._log.info("recovered", what=what)
        else:
            self._now[what] = problem
            self._log.warning("failing", what=what, detail=problem)
        self._on_change(what, problem is not None)

    def drop_others(self, *kept: str) -> None:
        """Drop all conditions except these."""
        for what in self._now.keys() - set(kept):
            del self._now[what]
            self._on_change(what, False)
