"""Every request that was made, with the name of its token and never the token, so that tests can count them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import Field

from webhook.simulator.provider import Model


class RequestRecord(Model):
    """One request."""

    number: int
    host: str
    method: str
    path: str
    """Without its query, which could hold anything."""
    at: datetime
    token: str | None = None
    """By name; ``(unknown)`` for credentials the world doesn't know, ``None`` without any."""
    status: int | None = None
    """``None`` while under way, and where the client never got one."""
    fault: str | None = None
    """The kind of fault that it met."""
    user_agent: str = ""
    seconds: float = 0.0


class Counts(Model):
    """Totals since the last reset."""

    requests: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    by_host: dict[str, int] = Field(default_factory=dict)
    by_token: dict[str, int] = Field(default_factory=dict)
    by_status: dict[str, int] = Field(default_factory=dict)


@dataclass(slots=True)
class Journal:
    """The log of a simulator. Keeps the newest ``keep`` records, and counts all."""

    keep: int = 100_000
    records: list[RequestRecord] = field(default_factory=list)
    total: int = 0
    in_flight: int = 0
    max_in_flight: int = 0

    def begin(self, record: RequestRecord) -> None:
        """A request has arrived."""
        self.total += 1
        record.number = self.total
        if len(self.records) >= self.keep:
            del self.records[: self.keep // 10]
        self.records.append(record)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def end(self, record: RequestRecord, status: int | None, seconds: float) -> None:
        """It was answered, or given up."""
        self.in_flight -= 1
        record.status = status
        record.seconds = seconds

    def clear(self) -> None:
        """Forget all but what is still under way."""
        self.records.clear()
        self.total = 0
        self.max_in_flight = self.in_flight

    def matching(
        self, *, host: str | None = None, token: str | None = None, method: str | None = None, path: str | None = None
    ) -> list[RequestRecord]:
        """The records with all of the given properties."""
        wanted = {"host": host, "token": token, "method": method, "path": path}
        chosen = {name: value for name, value in wanted.items() if value is not None}
        return [one for one in self.records if all(getattr(one, name) == value for name, value in chosen.items())]

    def counts(self) -> Counts:
        """Totals."""
        return Counts(
            requests=self.total,
            in_flight=self.in_flight,
            max_in_flight=self.max_in_flight,
            by_host=dict(Counter(one.host for one in self.records)),
            by_token=dict(Counter(one.token or "(anonymous)" for one in self.records)),
            by_status=dict(Counter(str(one.status) for one in self.records)),
        )
