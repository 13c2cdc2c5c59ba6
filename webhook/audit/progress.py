"""How far a run is, for who sits at a terminal: on standard error, and gone when it ends."""

from __future__ import annotations

import math
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Shown:
    """A line for what is listed, where something is, and one for what is judged, with an estimate of what is left."""

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
        """So many Secrets were listed, and as far as the API server says, so many come after them."""
        if self._listing is None:
            self._listing = self._progress.add_task("Secrets listed", total=None, note="")
        self._progress.update(self._listing, completed=done, total=done + remaining, note=where)

    def found(self, number: int = 1) -> None:
        """So many more are to be judged."""
        self._found += number
        self._progress.update(self._judging, total=self._found)

    def judged(self) -> None:
        """One more is."""
        self._judged += 1
        self._progress.update(self._judging, completed=self._judged, total=self._found, note="")

    def waiting(self, seconds: float) -> None:
        """Nothing happens for so long, because hosts want that."""
        minutes, rest = divmod(math.ceil(seconds), 60)
        self._progress.update(self._judging, note=f"waiting {minutes}:{rest:02} for a provider's rate limit")
        if self._progress.disable:
            self._progress.console.print(
                f"git-token-webhook: A provider asks to wait for {minutes}:{rest:02} (minutes:seconds); waiting.",
                highlight=False,
            )
