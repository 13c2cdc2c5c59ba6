"""Whether this process can use the API server: for log lines, metrics and readiness details."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

_Part = Literal["requests", "credentials"]


class Access:
    """The state of the access to the API server: of the last request, and of the last reading of the credentials.

    A request can work with credentials that could not be read again.
    """

    def __init__(self) -> None:
        self._problems: dict[_Part, str] = {}
        self.on_change: Callable[[str | None], None] = lambda problem: None
        """Called with each new `problem`, and with None when it is solved."""

    @property
    def problem(self) -> str | None:
        """What fails, as a clause without credentials; None if nothing does."""
        return next(iter(self._problems.values()), None)

    def set(self, part: _Part, problem: str | None) -> None:
        """Set what is wrong with a part; None if it works."""
        before = self.problem
        if problem is None:
            self._problems.pop(part, None)
        else:
            self._problems[part] = problem
        if self.problem != before:
            self.on_change(self.problem)
