"""Filter, search and sort the entries of a page, by the query of its address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from webhook.console.entries import Entry
from webhook.providers.token_shapes import name_holds_token
from webhook.report.model import Severity

PAGE = 50
_LONGEST = 200
"""Characters of a search."""
_FAR = datetime.max
SORTS: Mapping[str, Callable[[Entry], tuple[object, ...]]] = {
    "": lambda entry: entry.rank,
    "secret": lambda entry: (entry.place, entry.key),
    "host": lambda entry: (entry.host, entry.account, entry.place),
    "expires": lambda entry: (entry.expires_at.replace(tzinfo=None) if entry.expires_at else _FAR, entry.place),
    "checked": lambda entry: (entry.checked_at.replace(tzinfo=None) if entry.checked_at else _FAR, entry.place),
    "user": lambda entry: (entry.user, entry.place),
}
EXPIRES = {"": "at any time", "ended": "expired", "7": "within 7 days", "30": "within 30 days", "90": "within 90 days"}


@dataclass(frozen=True, slots=True)
class Query:
    """What a page shows.

    Attributes:
        expires: one of `EXPIRES`.
        sort: one of `SORTS`; empty for the worst first.
        page: from 1.
    """

    q: str = ""
    severity: str = ""
    state: str = ""
    provider: str = ""
    namespace: str = ""
    expires: str = ""
    sort: str = ""
    descending: bool = False
    page: int = 1

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Query:
        """Read the query of an address. Unknown values select nothing special."""
        sort, number = query.get("sort", ""), query.get("page", "")
        name = sort.removeprefix("-")
        severity = query.get("severity", "")
        expires = query.get("expires", "")
        words = query.get("q", "")[:_LONGEST]
        return cls(
            q="" if name_holds_token(words) else words,  # a token that was pasted here by mistake
            severity=severity if severity in set(Severity) else "",
            state=query.get("state", "")[:_LONGEST],
            provider=query.get("provider", "")[:_LONGEST],
            namespace=query.get("namespace", "")[:_LONGEST],
            expires=expires if expires in EXPIRES else "",
            sort=name if name in SORTS else "",
            descending=sort.startswith("-"),
            page=int(number) if number.isascii() and number.isdecimal() and len(number) < 7 else 1,
        )

    def link(self, **changes: object) -> str:
        """Return the address of this page with other values."""
        other = replace(self, page=1, **changes) if "page" not in changes else replace(self, **changes)  # type: ignore[arg-type]
        fields = {name: getattr(other, name) for name in ("q", "severity", "state", "provider", "namespace", "expires")}
        fields["sort"] = ("-" if other.descending else "") + other.sort
        fields["page"] = str(other.page) if other.page > 1 else ""
        return "?" + urlencode({name: value for name, value in fields.items() if value})


@dataclass(frozen=True, slots=True)
class Selected:
    """The entries that a query selects.

    Attributes:
        shown: those of the page.
        found: how many match.
        total: how many there are.
        pages: the number of pages, at least 1.
        counts: all entries by severity, whatever the query says of severity.
    """

    shown: tuple[Entry, ...]
    found: int
    total: int
    page: int
    pages: int
    counts: Mapping[Severity, int]


def select(entries: list[Entry], query: Query, now: datetime) -> Selected:
    """Return the matching entries in order."""
    counts = Counter(entry.severity for entry in entries)
    found = list(_matching(entries, query, now))
    found.sort(key=SORTS[query.sort], reverse=query.descending)
    pages = max(1, -(-len(found) // PAGE))
    page = min(max(query.page, 1), pages)
    return Selected(tuple(found[(page - 1) * PAGE : page * PAGE]), len(found), len(entries), page, pages, counts)


def _matching(entries: Iterable[Entry], query: Query, now: datetime) -> Iterable[Entry]:
    words = query.q.lower().split()
    for entry in entries:
        if query.severity and entry.severity != query.severity:
            continue
        if query.state and entry.state != query.state:
            continue
        if query.provider and entry.provider != query.provider:
            continue
        if query.namespace and entry.namespace != query.namespace:
            continue
        if query.expires and not _expires_within(entry, query.expires, now):
            continue
        if all(word in entry.text for word in words):
            yield entry


def _expires_within(entry: Entry, wanted: str, now: datetime) -> bool:
    end = entry.expires_at
    if end is None:
        return False
    if wanted == "ended":
        return end <= now
    return now < end <= now + timedelta(days=int(wanted))
