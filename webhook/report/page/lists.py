"""The tables of a page besides the entries: Applications, and what was not checked."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.report.model import ApplicationRow, Place, Report

_WOULD_SYNC = {True: ("none", "would sync"), False: ("error", "would not sync"), None: ("warning", "unknown")}


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table.

    Attributes:
        severity: a name of `Severity`, which styles the row.
    """

    severity: str
    cells: tuple[str, ...]


def applications(report: Report) -> list[Line]:
    """Return Argo CD's Applications, first those that would not sync."""
    order = (False, None, True)
    rows = sorted(
        report.applications, key=lambda row: (order.index(row.would_sync), row.cluster, row.namespace, row.name)
    )
    return [_application(row) for row in rows]


def _application(row: ApplicationRow) -> Line:
    severity, words = _WOULD_SYNC[row.would_sync]
    name = "/".join(part for part in (row.cluster, row.namespace, row.name) if part)
    by = f" Its credential is {row.credential.secret}." if row.credential else ""
    return Line(severity, (words, f"{name} ({row.kind})", row.repository, row.message + by))


def not_checked(report: Report) -> list[Line]:
    """Return what may hold tokens but could not be checked."""
    return [Line("note", (_where(item.place), item.what, item.why)) for item in report.not_looked_at]


def _where(place: Place) -> str:
    parts = (f"{place.file}:{place.line}" if place.line else place.file, place.secret)
    return " ".join(part for part in parts if part)
