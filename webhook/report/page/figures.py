"""The figures of a page: numbers of tokens, and a timeline of their expiry. The templates draw them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from urllib.parse import urlencode

from webhook.providers.findings import Outcome
from webhook.report.advice import holder, of_tokens, rank
from webhook.report.model import Report, Row, Severity
from webhook.text import day, shown

SOON = timedelta(days=30)
_MONTHS = 12
_NEXT = 6
"""Tokens that the list beside the timeline names."""
_MOST_BARS = 9
_WIDTH, _HEIGHT, _BASE = 52, 132, 150
"""Width of a column, height of the tallest bar, and the y coordinate of the axis, in units of the chart."""

_STRIP = (
    (Severity.ERROR, "would be denied"),
    (Severity.WARNING, "have warnings"),
    (Severity.NOTE, "skipped"),
    (Severity.NONE, "sufficient"),
)


@dataclass(frozen=True, slots=True)
class Strip:
    """The numbers of tokens by severity.

    Attributes:
        cells: severity, number and label.
        unread: the number of entries without a readable token.
    """

    cells: tuple[tuple[str, int, str], ...]
    unread: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a breakdown; `percent` is its width."""

    name: str
    link: str
    count: int
    percent: str
    severity: str


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Numbers of tokens by one field."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the chart in the chart's units.

    Attributes:
        soon: how many of `count` expire within 30 days.
    """

    label: str
    count: int
    soon: int
    severity: str
    x: int
    tall: float
    high: float

    @property
    def middle(self) -> float:
        """The x coordinate of the label."""
        return self.x + _WIDTH / 2


@dataclass(frozen=True, slots=True)
class Chart:
    """Tokens by month of expiry."""

    columns: tuple[Column, ...]
    base: int = _BASE

    @property
    def right(self) -> int:
        """The x coordinate of the right edge."""
        return _WIDTH * len(self.columns)

    @property
    def description(self) -> str:
        """The chart in words."""
        return "; ".join(f"{column.label} {column.count}" for column in self.columns if column.count)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A token of the list beside the chart."""

    day: str
    soon: bool
    link: str
    name: str
    host: str
    left: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The expiry of tokens.

    Attributes:
        chart: None if no expiry is known.
        unknown: the number of tokens without a known expiry.
    """

    chart: Chart | None
    unknown: int
    upcoming: tuple[Upcoming, ...] = ()


def strip(report: Report) -> Strip:
    """Return the numbers of tokens by severity."""
    counts = Counter(row.severity for row in of_tokens(report))
    cells = tuple((severity.value, counts[severity], label) for severity, label in _STRIP)
    return Strip(cells, sum(row.token is None for row in report.rows))


def breakdowns(report: Report) -> list[Breakdown]:
    """Return bars by state, provider and role."""
    rows = of_tokens(report)
    states = Counter(row.outcome.value for row in rows)
    both = Counter((row.outcome.value, row.severity.value) for row in rows)
    usual = {outcome: severity for (outcome, severity), _ in reversed(both.most_common())}
    by_state = {outcome.value: states[outcome.value] for outcome in Outcome if states[outcome.value]}
    providers = Counter(row.provider or "unknown" for row in rows)
    roles = Counter(role for row in rows for role in row.roles)
    return [
        Breakdown("By state", _bars("state", by_state, len(rows), usual)),
        Breakdown("By provider", _bars("provider", dict(providers.most_common()), len(rows), {})),
        Breakdown("By role", _bars("role", dict(roles.most_common()), len(rows), {})),
    ]


def _bars(field: str, counts: Mapping[str, int], total: int, severities: Mapping[str, str]) -> tuple[Bar, ...]:
    return tuple(
        Bar(
            shown(name, 80),
            _link(field, name),
            count,
            f"{max(100 * count / total, 1):.1f}",
            severities.get(name, "plain"),
        )
        for name, count in list(counts.items())[:_MOST_BARS]
    )


def _link(field: str, text: str) -> str:
    """Return a link to the entries whose `field` is `text`."""
    return "#" + urlencode({field: shown(text)})


# --- expiry ---


def timeline(report: Report) -> Timeline:
    """Return a chart of the tokens by month of expiry, and a list of those that expire next."""
    tokens = of_tokens(report)
    rows = [row for row in tokens if row.expires_at is not None]
    unknown = len(tokens) - len(rows)
    if not rows:
        return Timeline(None, unknown)
    ends = [row.expires_at for row in rows if row.expires_at is not None]
    return Timeline(chart(ends, report.finished_at), unknown, _upcoming(rows, report.finished_at))


def chart(ends: Iterable[datetime], now: datetime) -> Chart:
    """Return a chart of these times of expiry: the expired, twelve months, and the later ones."""
    ends = list(ends)
    months = _months(now.date())
    counted: list[tuple[str, int, int]] = [("expired", sum(end <= now for end in ends), 0)]
    for first, after in pairwise(months):
        within = [end for end in ends if end > now and first <= end.date() < after]
        label = f"{first:%b}" if first.month > 1 else f"{first:%b} {first:%y}"
        counted.append((label, len(within), sum(end <= now + SOON for end in within)))
    counted.append(("later", sum(end.date() >= months[-1] for end in ends), 0))
    most = max(*(count for _, count, _ in counted), 1)
    columns = (
        Column(
            label,
            count,
            soon,
            "plain" if number else "error",
            number * _WIDTH,
            round(_HEIGHT * count / most, 1),
            round(_HEIGHT * soon / most, 1),
        )
        for number, (label, count, soon) in enumerate(counted)
    )
    return Chart(tuple(columns))


def _months(today: date) -> list[date]:
    """Return the first days of this month and of the next ones, one more than the chart shows."""
    start = today.year * 12 + today.month - 1
    return [date((start + more) // 12, (start + more) % 12 + 1, 1) for more in range(_MONTHS + 1)]


def _upcoming(rows: list[Row], now: datetime) -> tuple[Upcoming, ...]:
    coming = sorted(
        (row.expires_at, rank(row), row) for row in rows if row.expires_at is not None and row.expires_at > now
    )
    return tuple(
        Upcoming(
            day(end), end <= now + SOON, _link("q", row.place.secret), _named(row), shown(row.host, 80), left(end, now)
        )
        for end, _, row in coming[:_NEXT]
    )


def _named(row: Row) -> str:
    return shown(row.user or row.account or holder(row), 80)


def left(end: datetime, now: datetime) -> str:
    """Return the remaining lifetime of a token in words."""
    days = (end.date() - now.date()).days
    if end <= now:
        return "expired"
    return "today" if days < 1 else "tomorrow" if days < 2 else f"in {days} days"
