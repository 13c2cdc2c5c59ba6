"""Reports as a table, with the findings by Secret or all tokens.

Text from Secrets and providers goes through `shown`, which escapes control characters. In a pipe, lines are not
wrapped, so that grep works.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Literal, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from webhook.providers.findings import Outcome
from webhook.report.advice import advice, holder, of_tokens, rank
from webhook.report.evidence import Evidence
from webhook.report.evidence_text import lines
from webhook.report.model import Attested, Place, Report, Row, Severity
from webhook.text import day, join, shown

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "cyan", Severity.NONE: "green"}
_WIDEST = 1 << 20
"""Columns if the output is not a terminal: more than any line has, so nothing is wrapped."""
_CELL = 120
"""Characters of one cell; the table of tokens has up to ten cells in a line."""


def write_table(
    report: Report, stream: TextIO, *, colors: bool, view: Literal["findings", "tokens"], verbose: bool = False
) -> None:
    """Write the report as a table; see `webhook.report.formats.write`."""
    page = _Page(stream, colors=colors)
    if view == "tokens":
        _tokens(report, page)
    else:
        _findings(report, page, verbose=verbose)
    _applications(report, page)
    _not_looked_at(report, page)
    _problems(report, page)
    _summary(report, page)


class _Page:
    """The output, with lines wrapped to the width of a terminal, and not wrapped in a pipe."""

    def __init__(self, stream: TextIO, *, colors: bool) -> None:
        wide = stream.isatty()
        self._console = Console(
            file=stream,
            force_terminal=colors,
            color_system="auto" if colors and wide else "standard" if colors else None,
            no_color=not colors,
            width=None if wide else _WIDEST,
            highlight=False,
            emoji=False,
            markup=False,
        )
        self.wraps = wide
        self._encoding = stream.encoding or "utf-8"

    def line(self, text: str = "", style: str = "", *, indent: int = 0, mark: str = "") -> None:
        """Write a paragraph, with `mark` before its first line."""
        self.spans((text, style), indent=indent, mark=(mark, style))

    def spans(self, *spans: tuple[str, str], indent: int = 0, mark: tuple[str, str] = ("", "")) -> None:
        """Write a paragraph with several styles."""
        text = Text.assemble(*((self._encodable(part), style) for part, style in spans))
        first = Text(" " * indent) + Text(self._encodable(mark[0]), mark[1])
        room = self._console.width - len(first)
        lines = text.wrap(self._console, max(room, 20)) if self.wraps else [text]
        for number, line in enumerate(lines):
            line.rstrip()
            before = first if number == 0 else Text(" " * len(first))
            self._console.print(before + line, soft_wrap=True)

    def table(self, columns: list[str], rows: Iterable[list[list[tuple[str, str]]]]) -> None:
        """Write a table; each cell is a list of lines with their styles. On a terminal, wide cells are folded."""
        table = Table(box=SIMPLE_HEAD if self.wraps else None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold", no_wrap=not self.wraps)
        for row in rows:
            table.add_row(*(self._cell(lines) for lines in row))
        with self._console.capture() as captured:
            self._console.print(table, soft_wrap=not self.wraps)
        for line in captured.get().splitlines():
            self._console.file.write(line.rstrip() + "\n")

    def _cell(self, lines: list[tuple[str, str]]) -> Text:
        return Text("\n").join(Text(self._encodable(shown(text, _CELL)), style) for text, style in lines if text)

    def _encodable(self, text: str) -> str:
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)


# --- findings by Secret ---


def _findings(report: Report, page: _Page, *, verbose: bool) -> None:
    shared = Counter(row.token for row in report.rows if row.token is not None)
    rows = [row for row in report.rows if verbose or row.severity is not Severity.NONE]
    for place, group in _by_secret(rows):
        page.spans((_where(place), "bold"), (_line_of(place), "dim"))
        for row in group:
            _finding(row, page, report.finished_at, shared[row.token] - 1 if row.token is not None else 0)
            if verbose and row.evidence is not None:
                _evidence(row.evidence, page)
        page.line()


def _by_secret(rows: list[Row]) -> Iterator[tuple[Place, list[Row]]]:
    """Yield Secrets with their rows, the Secret with the worst row first."""

    def secret(row: Row) -> tuple[str, str, str, str]:
        return row.place.file, row.place.cluster, row.place.namespace, row.place.name

    groups = [sorted(group, key=rank) for _, group in groupby(sorted(rows, key=secret), key=secret)]
    for group in sorted(groups, key=lambda group: rank(group[0])):
        yield group[0].place, group


def _outcome(row: Row) -> str:
    return "sufficient, but" if row.outcome is Outcome.SUFFICIENT and row.warnings else row.outcome.value


def _where(place: Place) -> str:
    return shown(f"{place.file}: {place.secret}" if place.file else place.secret)


def _line_of(place: Place) -> str:
    return f"  line {place.line}" if place.line else ""


def _finding(row: Row, page: _Page, now: datetime, others: int) -> None:
    style = _STYLES[row.severity]
    page.spans(
        (_outcome(row), style),
        (f"  {shown(row.place.field)}", ""),
        (f"  {shown(_about(row))}", "dim"),
        indent=2,
        mark=(f"{_MARKS[row.severity]} ", style),
    )
    for sentence in (row.finding, *row.warnings):
        if sentence:
            page.line(shown(sentence), indent=6)
    if row.skip_reason and row.skip_reason not in row.message:
        page.line(f"Not checked because of {shown(row.skip_reason)}.", indent=6)
    if others:
        page.line(f"The same token is in {others} more {'entry' if others == 1 else 'entries'}.", "dim", indent=6)
    if row.applications:
        page.line(f"Argo CD Applications use it: {shown(join(row.applications))}.", indent=6)
    todo = advice(row, now)
    if todo:
        page.line(shown(todo), "bold", indent=4, mark="→ ")
    if row.remedy and row.remedy not in todo and row.severity is not Severity.NONE:
        page.line(shown(row.remedy), "underline", indent=6)


def _evidence(evidence: Evidence, page: _Page) -> None:
    page.line("Evidence:", "dim", indent=6)
    for depth, (text, style) in lines(evidence):
        page.line(shown(text), style, indent=8 + 2 * depth)


_MARKS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.NOTE: "–", Severity.NONE: "✓"}


def _about(row: Row) -> str:
    described = " ".join(part for part in (row.token_type, "token" if row.token_type else "") if part)
    of = f"of {row.account}" if row.account else ""
    parts = (holder(row), row.host, " ".join(part for part in (described, of) if part))
    return " · ".join(part for part in parts if part)


# --- all tokens ---


def _tokens(report: Report, page: _Page) -> None:
    rows = sorted(report.rows, key=lambda row: (row.place.cluster, row.place.namespace, holder(row), rank(row)))
    if page.wraps:
        page.table(["Held by", "State", "Token", "Scopes", "Expires"], (_folded(row, report) for row in rows))
    else:
        columns = ["Secret", "Field", "Held by", "State", "Host", "Kind", "Account", "Scopes", "Expires"]
        page.table(columns, (_flat(row, report) for row in rows))
    page.line()


def _folded(row: Row, report: Report) -> list[list[tuple[str, str]]]:
    """Return cells of up to three lines, for a terminal."""
    return [
        [(holder(row), "bold"), (_where(row.place), "dim"), (row.place.field, "dim")],
        [_state(row)],
        [(row.account or "–", ""), (" · ".join(part for part in (row.host, row.token_type) if part), "dim")],
        [(", ".join(row.scopes), "dim")],
        [_expiry(row, report.finished_at)],
    ]


def _flat(row: Row, report: Report) -> list[list[tuple[str, str]]]:
    """Return cells of one line, for other programs."""
    return [
        [(_where(row.place), "")],
        [(row.place.field, "")],
        [(holder(row), "")],
        [_state(row)],
        [(row.host, "")],
        [(row.token_type, "")],
        [(row.account, "")],
        [(", ".join(row.scopes), "")],
        [_expiry(row, report.finished_at)],
    ]


def _state(row: Row) -> tuple[str, str]:
    return f"{_MARKS[row.severity]} {row.outcome}", _STYLES[row.severity]


def _expiry(row: Row, now: datetime) -> tuple[str, str]:
    if row.expires_at is None:
        return "", ""
    left = (row.expires_at.date() - now.date()).days
    if row.expires_at <= now:
        return f"{day(row.expires_at)} (expired)", "red"
    return f"{day(row.expires_at)} (in {left} {_plural('day', left)})", "yellow" if left <= 30 else ""


# --- the other sections ---


def _applications(report: Report, page: _Page) -> None:
    rows = [row for row in report.applications if row.would_sync is not True]
    if not rows:
        return
    page.line("Argo CD Applications that would not sync, or whose state is unknown", "bold")
    for row in sorted(rows, key=lambda row: (row.would_sync is None, row.cluster, row.namespace, row.name)):
        name = "/".join(part for part in (row.cluster, row.namespace, row.name) if part)
        mark = ("✗ ", "bold red") if row.would_sync is False else ("? ", "yellow")
        page.spans((f"{shown(row.kind)} {shown(name)}", ""), (f"  {shown(row.repository)}", "dim"), indent=2, mark=mark)
        if row.message:
            page.line(shown(row.message), indent=6)
    page.line()


def _not_looked_at(report: Report, page: _Page) -> None:
    if not report.not_looked_at:
        return
    page.line("Not checked", "bold")
    for item in report.not_looked_at:
        place = item.place
        page.spans(
            (f"{_where(place)}", ""), (f"{_line_of(place)}  {shown(item.what)}", "dim"), indent=2, mark=("– ", "cyan")
        )
        page.line(shown(item.why), indent=6)
    page.line()


def _problems(report: Report, page: _Page) -> None:
    if report.complete:
        return
    page.line("This run is not complete", "bold red")
    for problem in report.problems:
        page.line(shown(problem), indent=2, mark="✗ ")
    page.line()


def _summary(report: Report, page: _Page) -> None:
    states = Counter(row.outcome for row in of_tokens(report))
    worst = {
        outcome: _STYLES[row.severity]
        for row in sorted(report.rows, key=rank, reverse=True)
        for outcome in [row.outcome]
    }
    counted = [
        f"{report.secrets} {_plural('Secret', report.secrets)}",
        f"{report.tokens} {_plural('token', report.tokens)}",
        f"{report.asked} {_plural('check', report.asked)} at providers",
    ]
    spans: list[tuple[str, str]] = [(join(counted), "bold")]
    separator = ": "
    for outcome in (outcome for outcome in Outcome if states[outcome]):
        spans += [(separator, ""), (f"{states[outcome]} {outcome}", worst[outcome])]
        separator = ", "
    page.spans(*spans, (".", ""))
    denied = sum(row.severity is Severity.ERROR for row in report.rows)
    if denied:
        entries = f"{len(report.rows)} {'entry' if len(report.rows) == 1 else 'entries'}"
        page.line(f"{denied} of {entries} denied.", _STYLES[Severity.ERROR])
    attested = Counter(row.attested for row in report.rows)
    unattested = [
        f"{attested[word]} {text}"
        for word, text in (
            (Attested.NEVER, "never checked by the webhook"),
            (Attested.CHANGED, "changed without the webhook"),
            (Attested.UNTRUSTED, "with an untrusted attestation"),
        )
        if attested[word]
    ]
    if unattested:
        page.line(f"Entries: {join(unattested)}.")
    if report.passed_over:
        ignored = join(f"{shown(what)} ({count})" for what, count in report.passed_over.items())
        page.line(f"Ignored as out of scope: {ignored}.", "dim")


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
