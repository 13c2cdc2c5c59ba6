"""The figures of a page: numbers of tokens, and a timeline of their expiry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from html import escape
from itertools import pairwise
from urllib.parse import urlencode

from webhook.providers.findings import Outcome
from webhook.report.advice import holder, of_tokens, rank
from webhook.report.model import Report, Row, Severity
from webhook.report.text import shown
from webhook.text import day

SOON = timedelta(days=30)
_MONTHS = 12
_NEXT = 6
"""Tokens that the list beside the timeline names."""
_MOST_BARS = 9

_STRIP = (
    (Severity.ERROR, "would be denied"),
    (Severity.WARNING, "have warnings"),
    (Severity.NOTE, "skipped"),
    (Severity.NONE, "sufficient"),
)


def strip(report: Report) -> str:
    """Return the numbers of tokens by severity."""
    counts = Counter(row.severity for row in of_tokens(report))
    cells = "".join(
        f'<li><a class="{severity}" href="#severity={severity}"><b>{counts[severity]:,}</b> {label}</a></li>'
        for severity, label in _STRIP
    )
    return f'<ul class="strip">{cells}</ul><p class="quiet">{_counting(report)}</p>'


def _counting(report: Report) -> str:
    unread = sum(row.token is None for row in report.rows)
    also = (
        f" {unread:,} {'entry' if unread == 1 else 'entries'} without a readable token also "
        f"{'counts' if unread == 1 else 'count'}."
        if unread
        else ""
    )
    return f"A token in several entries counts once, with its worst result.{also}"


def breakdowns(report: Report) -> str:
    """Return bars by state, provider and role."""
    rows = of_tokens(report)
    states = Counter(row.outcome.value for row in rows)
    both = Counter((row.outcome.value, row.severity.value) for row in rows)
    usual = {outcome: severity for (outcome, severity), _ in reversed(both.most_common())}
    by_state = {outcome.value: states[outcome.value] for outcome in Outcome if states[outcome.value]}
    providers = Counter(row.provider or "unknown" for row in rows)
    roles = Counter(role for row in rows for role in row.roles)
    return (
        _bars("By state", "state", by_state, len(rows), usual)
        + _bars("By provider", "provider", dict(providers.most_common()), len(rows))
        + _bars("By role", "role", dict(roles.most_common()), len(rows))
    )


def _bars(
    title: str, field: str, counts: Mapping[str, int], total: int, classes: Mapping[str, str] | None = None
) -> str:
    items = list(counts.items())[:_MOST_BARS]
    bars = "".join(
        f'<li><a href="{_to(field, name)}"><span class="name">{escape(shown(name, 80))}</span>'
        f'<span class="count">{count:,}</span>{_bar(count, total, (classes or {}).get(name, "plain"))}</a></li>'
        for name, count in items
    )
    return f'<section class="breakdown"><h2>{title}</h2><ul class="bars">{bars}</ul></section>'


def _to(field: str, text: str) -> str:
    """Return a link to the entries whose `field` is `text`."""
    return escape("#" + urlencode({field: shown(text)}))


def _bar(count: int, total: int, kind: str) -> str:
    return (
        '<svg class="bar" aria-hidden="true" width="100%" height="6">'
        '<rect class="track" width="100%" height="6" rx="3"/>'
        f'<rect class="{kind}" width="{max(100 * count / total, 1):.1f}%" height="6" rx="3"/></svg>'
    )


# --- expiry ---


def timeline(report: Report) -> str:
    """Return a chart of the tokens by month of expiry, and a list of those that expire next."""
    rows = [row for row in of_tokens(report) if row.expires_at is not None]
    unknown = len(of_tokens(report)) - len(rows)
    if not rows:
        return f'<p class="quiet">No expiry is known for these tokens ({unknown:,}).</p>'
    return (
        f'<figure>{_chart(rows, report.finished_at)}<figcaption class="quiet">'
        f"Tokens by month of expiry. {unknown:,} more do not expire, or their expiry is unknown."
        f"</figcaption></figure>{_next(rows, report.finished_at)}"
    )


def _chart(rows: list[Row], now: datetime) -> str:
    ends = [row.expires_at for row in rows if row.expires_at is not None]
    months = _months(now.date())
    expired = sum(end <= now for end in ends)
    columns: list[tuple[str, int, int]] = [("expired", expired, 0)]  # label, number, number that expires soon
    for first, after in pairwise(months):
        within = [end for end in ends if end > now and first <= end.date() < after]
        label = f"{first:%b}" if first.month > 1 else f"{first:%b} {first:%y}"
        columns.append((label, len(within), sum(end <= now + SOON for end in within)))
    columns.append(("later", sum(end.date() >= months[-1] for end in ends), 0))
    most = max(count for _, count, _ in columns)
    width, height, base = 52, 132, 150
    parts = []
    for number, (label, count, soon) in enumerate(columns):
        x = number * width
        tall = height * count / most
        high = height * soon / most
        middle = x + width / 2
        if count:
            kind = "error" if number == 0 else "plain"
            parts.append(
                f'<rect class="{kind}" x="{x + 8}" y="{base - tall:.1f}" width="36" height="{tall:.1f}" rx="2"/>'
            )
        if soon:
            parts.append(
                f'<rect class="warning" x="{x + 8}" y="{base - high:.1f}" width="36" height="{high:.1f}" rx="2"/>'
            )
        if count:
            parts.append(f'<text class="value" x="{middle}" y="{base - tall - 6:.1f}">{count:,}</text>')
        parts.append(f'<text x="{middle}" y="{base + 18}">{label}</text>')
    described = "; ".join(f"{label} {count}" for label, count, _ in columns if count)
    right = width * len(columns)
    return (
        f'<svg class="chart" role="img" viewBox="0 -16 {right} {base + 44}" '
        f'aria-label="Tokens by month of expiry: {described}">'
        f'<line x1="0" x2="{right}" y1="{base}" y2="{base}"/>{"".join(parts)}</svg>'
    )


def _months(today: date) -> list[date]:
    """Return the first days of this month and of the next ones, one more than the chart shows."""
    start = today.year * 12 + today.month - 1
    return [date((start + more) // 12, (start + more) % 12 + 1, 1) for more in range(_MONTHS + 1)]


def _next(rows: list[Row], now: datetime) -> str:
    coming = sorted(
        (row.expires_at, rank(row), row) for row in rows if row.expires_at is not None and row.expires_at > now
    )
    if not coming:
        return ""
    items = "".join(
        f'<li><time datetime="{end:%Y-%m-%d}" class="{"warning" if end <= now + SOON else ""}">{day(end)}</time>'
        f'<span><a href="{_to("q", row.place.secret)}">{escape(_named(row))}</a>'
        f"<small>{escape(shown(row.host, 80))} \u00b7 {escape(left(end, now))}</small></span></li>"
        for end, _, row in coming[:_NEXT]
    )
    return f'<div class="next"><h3>Next to expire</h3><ol>{items}</ol></div>'


def _named(row: Row) -> str:
    return shown(row.user or row.account or holder(row), 80)


def left(end: datetime, now: datetime) -> str:
    """Return the remaining lifetime of a token in words."""
    days = (end.date() - now.date()).days
    if end <= now:
        return "expired"
    return "today" if days < 1 else "tomorrow" if days < 2 else f"in {days} days"
