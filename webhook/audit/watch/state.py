"""What is known of one Secret, as little of it as has to be remembered, and what of it is news.

The same is written into its report, and read from there by whoever takes over. An outage of a provider is no news at
first: what was told of a token before it holds, until it has lasted for `PATIENCE`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from webhook.providers.findings import Outcome
from webhook.report.model import Attested, Row, Severity
from webhook.report.text import shown

PATIENCE = timedelta(hours=1)
"""For so long a token may be unverified before anybody is told."""
LONGEST_MESSAGE = 1000
"""Characters. Events may have 1,024 (events.k8s.io/v1, `note`)."""

Result = Literal["pass", "fail", "warn", "error", "skip"]


class State(StrEnum):
    """What an entry is, in one word; the worst first."""

    INVALID = "invalid"
    BLOCKED = "blocked"
    INSUFFICIENT = "insufficient"
    MALFORMED = "malformed"
    CHANGED = "changed"
    """It can do its job, and was put there behind the webhook's back."""
    EXPIRING = "expiring"
    """It can do its job, and ends soon."""
    UNVERIFIED = "unverified"
    UNKNOWN_HOST = "unknown-host"
    UNSUPPORTED = "unsupported"
    SKIPPED = "skipped"
    SUFFICIENT = "sufficient"

    @property
    def bad(self) -> bool:
        """Whether somebody has to do something."""
        return _RANKS[self] <= _RANKS[State.EXPIRING]


_RANKS = {state: rank for rank, state in enumerate(State)}
_BEHIND_THE_BACK = (Attested.CHANGED, Attested.UNTRUSTED)
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
        field: of the Secret, as reports show it: ``data.password``.
        since: when it was first found in this state.
        told: the state that people were last told of; None before the first.
        outcomes: by role.
        provider: the kind of host; empty where it isn't known.
        message: whole sentences about what is wrong or to be said; empty where nothing is.
    """

    field: str
    state: State
    result: Result
    since: datetime
    told: State | None
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
    """One Secret.

    Attributes:
        version: its resourceVersion when it was looked at.
        judged_by: a digest of the settings, the keys and the program that judged it.
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
        """How many entries have which result."""
        counted = Counter(entry.result for entry in self.entries)
        return {result: counted[result] for result in ("pass", "fail", "warn", "error", "skip")}

    @property
    def unverified_hosts(self) -> frozenset[str]:
        """Those that had no answer."""
        return frozenset(entry.host for entry in self.entries if entry.state is State.UNVERIFIED)

    @property
    def ends(self) -> tuple[datetime, ...]:
        """When its tokens end, of those whose end is news."""
        return tuple(one.expires_at for one in self.entries if one.expires_at is not None and not one.short_lived)


def entries_of(
    rows: Iterable[Row], before: Sequence[Entry], now: datetime, warn_within: timedelta
) -> tuple[Entry, ...]:
    """What rows say, going on from what was known before: since when, and what was told of it.

    Args:
        warn_within: how soon a token ends that is expiring.
    """
    known = _numbered(before)
    made = [_entry(row, now, warn_within) for row in rows]
    return sorted_entries(_after(entry, known.get(key)) for key, entry in _numbered(made).items())


def sorted_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The worst first."""
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
    if row.attested in _BEHIND_THE_BACK:
        return State.CHANGED
    soon = row.expires_at is not None and row.expires_at - now < warn_within
    return State.EXPIRING if soon and not row.short_lived else State.SUFFICIENT


def _numbered(entries: Iterable[Entry]) -> dict[tuple[str, int], Entry]:
    """By field; several that may not be named are all called ``data``."""
    seen = Counter[str]()
    numbered: dict[tuple[str, int], Entry] = {}
    for entry in entries:
        numbered[entry.field, seen[entry.field]] = entry
        seen[entry.field] += 1
    return numbered


def _after(entry: Entry, before: Entry | None) -> Entry:
    if before is None:
        return entry
    return replace(entry, told=before.told, since=before.since if before.state is entry.state else entry.since)


@dataclass(frozen=True, slots=True)
class News:
    """Something to tell people about a Secret.

    Attributes:
        reason: one word in CamelCase, as Events have it.
        first: nothing was told of it before, so that it is told once however often somebody finds it anew.
    """

    bad: bool
    reason: str
    message: str
    first: bool


def news_of(entries: Iterable[Entry], now: datetime) -> News | None:
    """What people should be told; None where they know it, or it concerns nobody."""
    changed = [entry for entry in entries if _is_news(entry, now)]
    if not changed:
        return None
    worst = min(changed, key=lambda entry: _RANKS[entry.state])
    bad = [entry for entry in changed if _concerns(entry.state)]
    if bad:
        sentences = [f"{entry.field}: {entry.message or _named(entry.state)}" for entry in bad]
    else:
        sentences = [f"{entry.field}: {_WELL_AGAIN}" for entry in changed]
    reason = f"Token{''.join(word.capitalize() for word in worst.state.split('-'))}" if bad else "TokenWellAgain"
    return News(bool(bad), reason, clipped(" ".join(sentences)), all(entry.told is None for entry in changed))


def told(entries: Iterable[Entry], now: datetime) -> tuple[Entry, ...]:
    """The entries, once people know."""
    return tuple(entry if _waits(entry, now) else replace(entry, told=entry.state) for entry in entries)


_WELL_AGAIN = "Nothing is wrong with it any more."


def _named(state: State) -> str:
    return f"It is {state}."


def _concerns(state: State) -> bool:
    return state.bad or state is State.UNVERIFIED


def _waits(entry: Entry, now: datetime) -> bool:
    """Whether an outage may be over before anybody has to know."""
    return entry.state is State.UNVERIFIED and entry.told is not State.UNVERIFIED and now - entry.since < PATIENCE


def _is_news(entry: Entry, now: datetime) -> bool:
    if entry.told is entry.state or _waits(entry, now):
        return False
    return _concerns(entry.state) or (entry.told is not None and _concerns(entry.told))


def clipped(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """As much of a text as there is room for, in one line, without what a terminal would obey."""
    plain = shown(text)
    return plain if len(plain) <= longest else f"{plain[: longest - 2]} …"
