"""The metrics of the continuous audit. No label names a Secret or a user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webhook.audit.watch.state import Entry
from webhook.metrics import Exported

WITHIN = (1, 7, 14, 30, 90)
"""Days within which tokens expire, as label values."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The current numbers of the leader.

    Attributes:
        entries: all entries, each with whether it is muted.
        overdue: the number of Secrets whose check is overdue.
    """

    entries: Iterable[tuple[Entry, bool]]
    secrets: int
    overdue: int


class WatchMetrics(Exported):
    """The metrics of one replica."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__("audit_build_info")
        self._clock = clock
        self._look: Callable[[], Snapshot | None] = lambda: None
        self._leader = self._gauge("audit_leader", "1 on the leader.")
        self._secrets = self._gauge("audit_secrets", "Audited credential Secrets.")
        self._overdue = self._gauge("audit_overdue_secrets", "Audited Secrets whose check is overdue.")
        self._tokens = self._gauge(
            "audit_tokens", "Token entries by outcome.", "outcome", "role", "provider", "notifications"
        )
        self._expiring = self._gauge(
            "audit_expiring_tokens",
            "Valid token entries that expire within this number of days.",
            "days",
            "role",
            "provider",
            "notifications",
        )
        self._looks = self._counter("audit_looks", "Checks of Secrets by result.", "result")
        self._writes = self._counter("audit_report_changes", "Written and deleted reports.", "operation")
        self._events = self._counter("audit_events", "Written Events.", "type")
        self._troubled = self._gauge("audit_troubled", "1 while this part of the audit fails.", "what")

    def observe(self, look: Callable[[], Snapshot | None]) -> None:
        """Set the source of the current numbers, which returns None unless this replica leads."""
        self._look = look

    def leads(self, leads: bool) -> None:
        """Set whether this replica leads."""
        self._leader.set(leads)

    def checked(self, result: str) -> None:
        """Count a check of a Secret: ``judged``, ``unread`` or ``failed``."""
        self._looks.labels(result).inc()

    def report_changed(self, operation: str) -> None:
        """Count a written or deleted report."""
        self._writes.labels(operation).inc()

    def event_written(self, kind: str) -> None:
        """Count a written Event."""
        self._events.labels(kind).inc()

    def condition_changed(self, what: str, failing: bool) -> None:
        """Set whether a part of the audit fails."""
        self._troubled.labels(self._bounded("troubled", what)).set(failing)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return the metrics and their content type."""
        snapshot = self._look()
        self._count(snapshot or Snapshot((), 0, 0))
        return super().exposition(accept)

    def _count(self, snapshot: Snapshot) -> None:
        now = self._clock()
        tokens, expiring = Counter[tuple[str, str, str, str]](), Counter[tuple[str, str, str, str]]()
        for entry, muted in snapshot.entries:
            provider, notifications = self._bounded("provider", entry.provider or "none"), "muted" if muted else "on"
            for role, outcome in entry.outcomes:
                tokens[outcome, role, provider, notifications] += 1
                if entry.expires_at is None or entry.short_lived or entry.expires_at <= now:
                    continue
                for days in WITHIN:
                    if entry.expires_at - now < timedelta(days=days):
                        expiring[str(days), role, provider, notifications] += 1
        self._secrets.set(snapshot.secrets)
        self._overdue.set(snapshot.overdue)
        for gauge, counted in ((self._tokens, tokens), (self._expiring, expiring)):
            gauge.clear()
            for labels, number in counted.items():
                gauge.labels(*labels).set(number)
