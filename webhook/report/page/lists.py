"""The sections of a page besides the entries: problems, Applications, and what was not checked."""

from __future__ import annotations

from html import escape

from webhook.report.model import ApplicationRow, Place, Report
from webhook.report.text import shown
from webhook.text import join

_WOULD_SYNC = {True: ("none", "would sync"), False: ("error", "would not sync"), None: ("warning", "unknown")}


def problems(report: Report) -> str:
    """Return why the run is not complete; empty if it is."""
    if report.complete:
        return ""
    items = "".join(f"<li>{escape(shown(problem))}</li>" for problem in report.problems)
    return f'<section class="incomplete"><h2>This run is not complete</h2><ul>{items}</ul></section>'


def applications(report: Report) -> str:
    """Return Argo CD's Applications, first those that would not sync."""
    if not report.applications:
        return ""
    order = (False, None, True)
    rows = sorted(
        report.applications, key=lambda row: (order.index(row.would_sync), row.cluster, row.namespace, row.name)
    )
    return (
        f"<section><h2>Argo CD Applications</h2>"
        f"{_table(('State', 'Application', 'Repository', 'Why'), [_application(row) for row in rows])}</section>"
    )


def _application(row: ApplicationRow) -> tuple[str, list[str]]:
    severity, words = _WOULD_SYNC[row.would_sync]
    name = "/".join(part for part in (row.cluster, row.namespace, row.name) if part)
    by = f" Its credential is {row.credential.secret}." if row.credential else ""
    return severity, [words, f"{name} ({row.kind})", row.repository, row.message + by]


def not_looked_at(report: Report) -> str:
    """Return what may hold tokens but could not be checked, and what was ignored."""
    parts = []
    if report.not_looked_at:
        rows = [("note", [_where(item.place), item.what, item.why]) for item in report.not_looked_at]
        parts.append(_table(("Where", "What", "Why"), rows))
    if report.passed_over:
        ignored = join(f"{shown(what)} ({count:,})" for what, count in report.passed_over.items())
        parts.append(f'<p class="quiet">Ignored as out of scope: {escape(ignored)}.</p>')
    return f"<section><h2>Not checked</h2>{''.join(parts)}</section>" if parts else ""


def _where(place: Place) -> str:
    parts = (f"{place.file}:{place.line}" if place.line else place.file, place.secret)
    return " ".join(part for part in parts if part)


def _table(headings: tuple[str, ...], rows: list[tuple[str, list[str]]]) -> str:
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    body = "".join(
        f'<tr class="{severity}">' + "".join(f"<td>{escape(shown(cell))}</td>" for cell in cells) + "</tr>"
        for severity, cells in rows
    )
    return f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
