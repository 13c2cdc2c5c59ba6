"""What goes wrong, said once for as long as it is the same, and that it is over."""

from __future__ import annotations

from collections.abc import Callable

from webhook.logs import Logger


class Troubles:
    """Those of one process, by what they keep from working."""

    def __init__(self, log: Logger, on_change: Callable[[str, bool], None] = lambda what, troubled: None) -> None:
        """
        Args:
            on_change: told what is troubled, or no longer is.
        """
        self._log = log
        self._on_change = on_change
        self._now: dict[str, str] = {}

    def __getitem__(self, what: str) -> str | None:
        """What is wrong with it; None where nothing is."""
        return self._now.get(what)

    def say(self, what: str, problem: str | None) -> None:
        """Something is wrong with `what` (one of few words), or nothing is."""
        before = self._now.get(what)
        if problem == before:
            return
        if problem is None:
            del self._now[what]
            self._log.info("works again", what=what)
        else:
            self._now[what] = problem
            self._log.warning("trouble", what=what, detail=problem)
        self._on_change(what, problem is not None)

    def forget(self, *kept: str) -> None:
        """What is wrong with all others doesn't concern us any more."""
        for what in self._now.keys() - set(kept):
            del self._now[what]
            self._on_change(what, False)
