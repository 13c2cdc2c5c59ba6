"""The state of one Secret, and the changes of it that are news.

The report holds the same state, and the next leader reads it from there. An unverified token is news only after
`PATIENCE`, because most outages of providers are short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from webhook.cluster.listing import Listed
from webhook.providers.findings import Outcome
from webhook.report.model import Attested, Row, Severity
from webhook.text import shown

PATIENCE = timedelta(hours=1)
"""Time after which an unverified token is news."""
LONGEST_MESSAGE = 1000
"""Characters. The limit of Events is 1,024 (events.k8s.io/v1, `note`)."""

Result = Literal["pass", "fail", "warn", "error", "skip"]


class State(StrEnum):
    """The state of an entry, the worst first."""

    INVALID = "invalid"
    BLOCKED = "blocked"
    INSUFFICIENT = "insufficient"
    MALFORMED = "malformed"
    CHANGED = "changed"
    """It is sufficient, but was changed without the webhook."""
    EXPIRING = "expiring"
    """It is sufficient, but expires soon."""
    UNVERIFIED = "unverified"
    UNKNOWN_HOST = "unknown-host"
    UNSUPPORTED = "unsupported"
    SKIPPED = "skipped"
    SUFFICIENT = "sufficient"

    @property
    def bad(self) -> bool:
        """Whether a user has to act."""
        return _RANKS[self] <= _RANKS[State.EXPIRING]


_RANKS = {state: rank for rank, state in enumerate(State)}
_UNATTESTED_CHANGE = (Attested.CHANGED, Attested.UNTRUSTED)
_NOT_APPLICABLE = (State.SKIPPED, State.UNSUPPORTED, State.UNKNOWN_HOST)
_RESULTS: Mapping[Severity, Result] = {
    Severity.ERROR: "fail",
    Severity.WARNING: "warn",
    Severity.NOTE: "skip",
    Severity.NONE: "pass",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One token entry.

    Attributes:
        field: the field of the Secret, as in reports: ``data.password``.
        since: when it was first found in this state.
        reported: the state in the last Event; None before the first one.
        outcomes: the outcomes by role.
        provider: the kind of host; empty if unknown.
        message: problems and warnings as whole sentences; may be empty.
    """

    field: str
    state: State
    result: Result
    since: datetime
    reported: State | None
    outcomes: tuple[tuple[str, str], ...]
    rules: str = ""
    provider: str = ""
    host: str = ""
    account: str = ""
    token_type: str = ""
    expires_at: datetime | None = None
    short_lived: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """The state of one Secret.

    Attributes:
        version: its resourceVersion at the check.
        judged_by: a digest of the settings, the keys and the program that checked it.
        entries: the worst first.
    """

    uid: str
    namespace: str
    name: str
    version: str
    judged_by: str
    entries: tuple[Entry, ...] = ()

    @property
    def summary(self) -> dict[Result, int]:
        """The number of entries by result."""
        counted = Counter(entry.result for entry in self.entries)
        return {result: counted[result] for result in ("pass", "fail", "warn", "error", "skip")}

    @property
    def unverified_hosts(self) -> frozenset[str]:
        """The hosts of unverified tokens."""
        return frozenset(entry.host for entry in self.entries if entry.state is State.UNVERIFIED)

    @property
    def ends(self) -> tuple[datetime, ...]:
        """When its tokens expire, except short-lived ones."""
        return tuple(one.expires_at for one in self.entries if one.expires_at is not None and not one.short_lived)


def entries_of(
    rows: Iterable[Row], before: Sequence[Entry], now: datetime, warn_within: timedelta
) -> tuple[Entry, ...]:
    """Return the entries for rows, with the history of the entries before.

    Args:
        warn_within: the remaining lifetime below which a token is expiring.
    """
    known = _numbered(before)
    made = [_entry(row, now, warn_within) for row in rows]
    return sorted_entries(_after(entry, known.get(key)) for key, entry in _numbered(made).items())


def sorted_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries, the worst first."""
    return tuple(sorted(entries, key=lambda entry: (_RANKS[entry.state], entry.field)))


def _entry(row: Row, now: datetime, warn_within: timedelta) -> Entry:
    state = _state(row, now, warn_within)
    result = _RESULTS[row.severity]
    if state is State.UNVERIFIED:
        result = "error"
    elif state in _NOT_APPLICABLE and row.severity is not Severity.ERROR:
        result = "skip"
    return Entry(
        row.place.field,
        state,
        result,
        now.replace(microsecond=0),
        None,
        tuple((role, str(outcome)) for role, outcome in sorted(row.outcomes.items())),
        rules=", ".join(row.rules),
        provider=row.provider,
        host=shown(row.host),
        account=shown(row.account),
        token_type=row.token_type,
        expires_at=row.expires_at.replace(microsecond=0) if row.expires_at is not None else None,
        short_lived=row.short_lived,
        message=clipped(" ".join((row.message, *row.warnings)).strip() or row.skip_reason),
    )


def _state(row: Row, now: datetime, warn_within: timedelta) -> State:
    if row.outcome is not Outcome.SUFFICIENT:
        return State(row.outcome.value)
    if row.attested in _UNATTESTED_CHANGE:
        return State.CHANGED
    soon = row.expires_at is not None and row.expires_at - now < warn_within
    return State.EXPIRING if soon and not row.short_lived else State.SUFFICIENT


def _numbered(entries: Iterable[Entry]) -> dict[tuple[str, int], Entry]:
    """Return the entries by field and number, because all hidden fields are named ``data``."""
    seen = Counter[str]()
    numbered: dict[tuple[str, int], Entry] = {}
    for entry in entries:
        numbered[entry.field, seen[entry.field]] = entry
        seen[entry.field] += 1
    return numbered


def _after(entry: Entry, before: Entry | None) -> Entry:
    if before is None:
        return entry
    return replace(entry, reported=before.reported, since=before.since if before.state is entry.state else entry.since)


@dataclass(frozen=True, slots=True)
class News:
    """The content of an Event about a Secret.

    Attributes:
        reason: the reason of the Event, in CamelCase.
        first: whether there was no Event before, so that a restart must not repeat this one.
    """

    bad: bool
    reason: str
    message: str
    first: bool


def news_of(entries: Iterable[Entry], now: datetime) -> News | None:
    """Return the news in these entries; None if there is none."""
    changed = [entry for entry in entries if _is_news(entry, now)]
    if not changed:
        return None
    worst = min(changed, key=lambda entry: _RANKS[entry.state])
    bad = [entry for entry in changed if _concerns(entry.state)]
    if bad:
        sentences = [f"{entry.field}: {entry.message or _named(entry.state)}" for entry in bad]
    else:
        sentences = [f"{entry.field}: {_RESOLVED}" for entry in changed]
    reason = f"Token{''.join(word.capitalize() for word in worst.state.split('-'))}" if bad else "TokenWellAgain"
    return News(bool(bad), reason, clipped(" ".join(sentences)), all(entry.reported is None for entry in changed))


def reported(entries: Iterable[Entry], now: datetime) -> tuple[Entry, ...]:
    """Return the entries after an Event about them was written."""
    return tuple(entry if _waits(entry, now) else replace(entry, reported=entry.state) for entry in entries)


_RESOLVED = "The problem is resolved."


def _named(state: State) -> str:
    return f"It is {state}."


def _concerns(state: State) -> bool:
    return state.bad or state is State.UNVERIFIED


def _waits(entry: Entry, now: datetime) -> bool:
    """Whether the entry is unverified, but not for long enough to be news."""
    return entry.state is State.UNVERIFIED and entry.reported is not State.UNVERIFIED and now - entry.since < PATIENCE


def _is_news(entry: Entry, now: datetime) -> bool:
    if entry.reported is entry.state or _waits(entry, now):
        return False
    return _concerns(entry.state) or (entry.reported is not None and _concerns(entry.reported))


def clipped(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return the text in one line of limited length, without control characters."""
    plain = shown(text)
    return plain if len(plain) <= longest else f"{plain[: longest - 2]} …"


@dataclass(slots=True)
class Followed:
    """A Secret that a rule may match, by its name and labels.

    Attributes:
        known: its state; None before the first check, and if its data matches no rule.
        attempts: the number of consecutive failed checks.
        hastened: whether it was retried early, because the host had answered for another token.
        looking: whether a check is in progress.
        waiting: whether to check it again after the check in progress.
    """

    listed: Listed
    known: Known | None = None
    attempts: int = 0
    hastened: bool = False
    looking: bool = False
    waiting: bool = False
