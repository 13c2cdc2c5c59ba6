"""Whether this process can use the API server: for log lines, metrics and readiness details."""

from __future__ import annotations

from collections.abc import Callable


class Access:
    """The state of the access to the API server, as the last request found it."""

    def __init__(self) -> None:
        self._problem: str | None = None
        self.on_change: Callable[[str | None], None] = lambda problem: None
        """Called with each new `problem`, and with None when it is solved."""

    @property
    def problem(self) -> str | None:
        """Why requests fail, as a clause without credentials; None while they work."""
        return self._problem

    def failed(self, problem: str) -> None:
        """Note that credentials or certificates are not accepted."""
        self._set(problem)

    def worked(self) -> None:
        """Note that a request was authenticated."""
        self._set(None)

    def _set(self, problem: str | None) -> None:
        if problem != self._problem:
            self._problem = problem
            self.on_change(problem)
