"""The progress display of a run, on standard error, which disappears at the end."""

from __future__ import annotations

import math
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class ProgressDisplay:
    """A line for listed Secrets and one for checked ones, with an estimate of the remaining time."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns: tuple[Any, ...] = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        console = Console(stderr=True)
        self._progress: Progress = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal, redirect_stdout=False
        )
        self._listing: TaskID | None = None
        self._judging = self._progress.add_task("Credential Secrets", total=None, note="")
        self._found = self._judged = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def listed(self, done: int, remaining: int, where: str) -> None:
        """Show how many Secrets are listed, and how many remain according to the API server."""
        if self._listing is None:
            self._listing = self._progress.add_task("Secrets listed", total=None, note="")
        self._progress.update(self._listing, completed=done, total=done + remaining, note=where)

    def found(self, number: int = 1) -> None:
        """Add Secrets to check."""
        self._found += number
        self._progress.update(self._judging, total=self._found)

    def judged(self) -> None:
        """Count one checked Secret."""
        self._judged += 1
        self._progress.update(self._judging, completed=self._judged, total=self._found, note="")

    def waiting(self, seconds: float) -> None:
        """Show that the run waits for a provider's rate limit."""
        minutes, rest = divmod(math.ceil(seconds), 60)
        self._progress.update(self._judging, note=f"waiting {minutes}:{rest:02} for a provider's rate limit")
        if self._progress.disable:
            self._progress.console.print(
                f"git-token-webhook: Waiting {minutes}:{rest:02} (minutes:seconds) for a provider's rate limit.",
                highlight=False,
            )
