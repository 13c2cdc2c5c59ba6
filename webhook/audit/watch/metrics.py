"""What Prometheus reads of the audit that never ends. Nothing of a Secret or of a person is a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webhook.audit.watch.state import Entry
from webhook.metrics import Exported

WITHIN = (1, 7, 14, 30, 90)
"""Days, for tokens that end within them."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one that leads knows at the moment.

    Attributes:
        entries: all, each with whether it is muted.
        overdue: Secrets that should have been looked at by now.
    """

    entries: Iterable[tuple[Entry, bool]]
    secrets: int
    overdue: int


class WatchMetrics(Exported):
    """All metrics of one replica."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__("audit_build_info")
        self._clock = clock
        self._look: Callable[[], Snapshot | None] = lambda: None
        self._leader = self._gauge("audit_leader", "1 on the replica that audits.")
        self._secrets = self._gauge("audit_secrets", "Credential Secrets that are audited.")
        self._overdue = self._gauge("audit_overdue_secrets", "Those that should have been looked at by now.")
        self._tokens = self._gauge(
            "audit_tokens", "Token entries by what is known of them.", "outcome", "role", "provider", "notifications"
        )
        self._expiring = self._gauge(
            "audit_expiring_tokens",
            "Token entries that end within so many days and haven't ended.",
            "days",
            "role",
            "provider",
            "notifications",
        )
        self._looks = self._counter("audit_looks", "Secrets that were read and judged.", "result")
        self._writes = self._counter("audit_report_changes", "Reports that were written or deleted.", "operation")
        self._events = self._counter("audit_events", "Events that were written.", "type")
        self._troubled = self._gauge("audit_troubled", "1 while something keeps this from working.", "what")

    def observe(self, look: Callable[[], Snapshot | None]) -> None:
        """Ask this whenever somebody wants to know; it answers None where another replica leads."""
        self._look = look

    def leads(self, leads: bool) -> None:
        """We are the one that audits, or are not."""
        self._leader.set(leads)

    def looked(self, result: str) -> None:
        """A Secret was judged, or couldn't be: ``judged``, ``unread``, ``failed``."""
        self._looks.labels(result).inc()

    def report_changed(self, operation: str) -> None:
        """A report was written or deleted."""
        self._writes.labels(operation).inc()

    def told(self, kind: str) -> None:
        """An Event was written."""
        self._events.labels(kind).inc()

    def troubled(self, what: str, troubled: bool) -> None:
        """Something goes wrong with this, or no longer does."""
        self._troubled.labels(self._bounded("troubled", what)).set(troubled)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All of it as it is now, and its content type."""
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
