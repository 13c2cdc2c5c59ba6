"""Options for the report of a command, and its output."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from webhook.errors import ConfigurationError

if TYPE_CHECKING:
    from webhook.report.model import Report
    from webhook.settings.model import Settings

Format = Literal["table", "json", "yaml", "junit", "sarif", "html"]
View = Literal["findings", "tokens"]

Output = Annotated[Format, typer.Option("--output", "-o", help="Output format.")]
OutputFile = Annotated[Path | None, typer.Option(help="File for the report. Standard output gets a summary.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Also show sufficient tokens, and the requests and proofs that each result rests on."
    ),
]
FailOn = Annotated[
    list[str] | None,
    typer.Option(
        help="Findings that cause exit code 1, separated by commas: error (the webhook would deny it), warning, "
        "expiring, never-attested, changed, applications, not-looked-at, an outcome such as invalid, or none. "
        "[default: error,applications]"
    ),
]
Views = Annotated[
    View, typer.Option("--view", help="Content of the table: findings, or all tokens with their holders.")
]


@dataclass(frozen=True, slots=True)
class ReportOutput:
    """How a command prints its report, and which findings cause exit code 1.

    Attributes:
        file: the file for the report; None for standard output.
        fail_on: the findings, as `audit.fail_on.parse` returns them.
    """

    format: Format
    file: Path | None
    view: View
    verbose: bool
    fail_on: frozenset[str]

    def conclude(self, report: Report, settings: Settings) -> None:
        """Print the report, and exit with code 3 if it is not complete, or 1 if it has findings."""
        from webhook.audit.fail_on import fails

        failed = fails(report, self.fail_on, settings.expiry.warn_within)
        self._write(report, failed=failed)
        for problem in report.problems if self.format != "table" or self.file is not None else ():
            typer.echo(f"git-token-webhook: {problem}", err=True)
        if report.problems:
            raise typer.Exit(3)
        if failed:
            raise typer.Exit(1)

    def _write(self, report: Report, *, failed: bool) -> None:
        from webhook.report.formats import write

        if self.file is None:
            write(report, self.format, sys.stdout, colors=_colors(sys.stdout), view=self.view, verbose=self.verbose)
            return
        with _replaced(self.file) as stream:
            write(report, self.format, stream, colors=False, view=self.view, verbose=self.verbose)
        entries = _counted(len(report.rows), "entry", "entries")
        typer.echo(f"{self.file}: {entries}{', with findings' if failed else ''}.")


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _colors(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def _replaced(file: Path) -> Iterator[TextIO]:
    """Open a file for writing, and replace the old one only when the new one is complete.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    if file.exists() and not file.is_file():  # /dev/stdout or a pipe cannot be replaced
        try:
            with file.open("w", encoding="utf-8") as stream:
                yield stream
        except OSError as error:
            raise ConfigurationError(f"{file}: cannot be written: {error.strerror}") from None
        return
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            yield stream
        beside.replace(file)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
