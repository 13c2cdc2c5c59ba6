"""What is known of a Secret: what of it is news, and that nothing is lost on the way through a report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.audit.watch.report_objects import KINDS, MOST_RESULTS, document, known_from
from webhook.audit.watch.state import (
    LONGEST_MESSAGE,
    PATIENCE,
    Entry,
    Known,
    State,
    entries_of,
    news_of,
    reported,
    sorted_entries,
)
from webhook.providers.findings import Outcome
from webhook.report.model import Attested, Place, Row, Severity

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SOON = timedelta(days=14)
_ERRORS = (Outcome.INVALID, Outcome.BLOCKED, Outcome.INSUFFICIENT, Outcome.MALFORMED, Outcome.UNVERIFIED)


def row(outcome: Outcome = Outcome.SUFFICIENT, name: str = "data.password", **values: object) -> Row:
    severity = Severity.ERROR if outcome in _ERRORS else Severity.NONE
    made = Row(Place("team", "creds", name), ("runtime",), outcome, severity, outcomes={"runtime": outcome})
    return replace(made, **values)  # type: ignore[arg-type]


class Follower:
    """Somebody who looks at one Secret again and again, and is told what is news."""

    def __init__(self) -> None:
        self.entries: tuple[Entry, ...] = ()
        self.now = NOW

    def look(self, *rows: Row, after: timedelta = timedelta(hours=6)) -> str:
        self.now += after
        self.entries = entries_of(rows, self.entries, self.now, SOON)
        news = news_of(self.entries, self.now)
        self.entries = reported(self.entries, self.now)
        return news.reason if news is not None else ""


@pytest.mark.parametrize(
    ("before", "after", "told_of"),
    [
        (None, Outcome.SUFFICIENT, ""),
        (None, Outcome.INVALID, "TokenInvalid"),
        (None, Outcome.UNSUPPORTED, ""),
        (Outcome.SUFFICIENT, Outcome.INSUFFICIENT, "TokenInsufficient"),
        (Outcome.INVALID, Outcome.INVALID, ""),
        (Outcome.INVALID, Outcome.BLOCKED, "TokenBlocked"),
        (Outcome.INVALID, Outcome.SUFFICIENT, "TokenWellAgain"),
        (Outcome.INVALID, Outcome.SKIPPED, "TokenWellAgain"),
        (Outcome.SUFFICIENT, Outcome.SKIPPED, ""),
        (Outcome.SUFFICIENT, Outcome.MALFORMED, "TokenMalformed"),
    ],
)
def test_what_is_news(before: Outcome | None, after: Outcome, told_of: str) -> None:
    """What somebody has to do something about, and that it is over."""
    follower = Follower()
    if before is not None:
        follower.look(row(before))
    assert follower.look(row(after)) == told_of


def test_an_outage_is_no_news_before_it_has_lasted() -> None:
    """And when it is over, what was told before it holds."""
    follower = Follower()
    assert follower.look(row(Outcome.INVALID)) == "TokenInvalid"
    assert follower.look(row(Outcome.UNVERIFIED)) == ""
    assert follower.look(row(Outcome.UNVERIFIED), after=PATIENCE / 2) == ""
    assert follower.look(row(Outcome.INVALID)) == ""
    assert follower.look(row(Outcome.UNVERIFIED)) == ""
    assert follower.look(row(Outcome.UNVERIFIED), after=PATIENCE) == "TokenUnverified"
    assert follower.look(row(Outcome.UNVERIFIED)) == ""
    assert follower.look(row()) == "TokenWellAgain"


def test_an_end_that_comes_near_is_news_once() -> None:
    """Where it is news at all: what lives for hours by nature ends every day."""
    follower = Follower()
    end = NOW + timedelta(days=20)
    assert follower.look(row(expires_at=end)) == ""
    assert follower.look(row(expires_at=end), after=timedelta(days=7)) == "TokenExpiring"
    assert follower.look(row(expires_at=end)) == ""
    short = Follower()
    assert short.look(row(expires_at=NOW + timedelta(hours=8), short_lived=True)) == ""


def test_what_was_changed_behind_the_webhooks_back_is_news() -> None:
    """Although the token is good."""
    follower = Follower()
    follower.look(row(attested=Attested.YES))
    assert follower.look(row(attested=Attested.CHANGED, severity=Severity.WARNING)) == "TokenChanged"


def test_of_several_entries_those_are_told_that_changed() -> None:
    """Each by its field; the worst gives the reason."""
    follower = Follower()
    follower.look(row(name="data.a"), row(Outcome.INVALID, name="data.b", message="B."))
    follower.now += timedelta(hours=1)
    rows = [
        row(Outcome.INSUFFICIENT, name="data.a", message="A."),
        row(Outcome.INVALID, name="data.b", message="B."),
        row(Outcome.INVALID, name="data.c", message="C."),
    ]
    news = news_of(entries_of(rows, follower.entries, follower.now, SOON), follower.now)
    assert news is not None
    assert (news.reason, news.bad) == ("TokenInvalid", True)
    assert news.message == "data.c: C. data.a: A."


def test_since_when_it_is_so_is_kept() -> None:
    """As long as the state is the same."""
    follower = Follower()
    follower.look(row(Outcome.INVALID, message="It ended yesterday."))
    first = follower.entries[0].since
    follower.look(row(Outcome.INVALID, message="It ended a week ago."))
    assert follower.entries[0].since == first
    follower.look(row())
    assert follower.entries[0].since == follower.now


def test_no_message_is_longer_than_an_event_may_be() -> None:
    """Nor has it line breaks or anything that a terminal would obey."""
    follower = Follower()
    long = row(Outcome.INVALID, message="x" * 5000 + "\x1b[2J")
    follower.look(long)
    assert len(follower.entries[0].message) == LONGEST_MESSAGE
    news = news_of(entries_of([row(Outcome.BLOCKED, message="a\nb\x1b[2J")], (), NOW, SOON), NOW)
    assert news is not None
    assert news.message.isprintable()


times = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
texts = st.text(st.characters(codec="utf-8"), max_size=20)
entries = st.builds(
    Entry,
    st.sampled_from(["data.password", "data.token", "data"]),
    st.sampled_from(State),
    st.sampled_from(["pass", "fail", "warn", "error", "skip"]),
    times,
    st.none() | st.sampled_from(State),
    st.sampled_from([(), (("runtime", "invalid"),), (("runtime", "invalid"), ("user", "sufficient"))]),
    rules=texts,
    provider=texts,
    host=texts,
    account=texts,
    token_type=texts,
    expires_at=st.none() | times,
    short_lived=st.booleans(),
    message=texts,
)


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(entries, max_size=8))
def test_nothing_is_lost_in_a_report(kind: object, made: list[Entry]) -> None:
    """Whoever reads it knows what its writer has known."""
    known = Known("uid", "team", "creds", "12", "digest", sorted_entries(made))
    assert known_from(document(known, kind)) == known  # type: ignore[arg-type]


def test_a_report_is_bounded() -> None:
    """However many entries a Secret has: the worst are shown, all are counted, and its reader knows that."""
    rows = [row(name=f"data.u{number}") for number in range(3 * MOST_RESULTS)]
    rows.append(row(Outcome.INVALID, name="data.bad"))
    known = Known("uid", "team", "creds", "12", "digest", entries_of(rows, (), NOW, SOON))
    made = document(known, KINDS[0])
    assert len(made["results"]) == MOST_RESULTS
    assert made["results"][0]["properties"]["field"] == "data.bad"
    assert made["summary"] == {"pass": 3 * MOST_RESULTS, "fail": 1, "warn": 0, "error": 0, "skip": 0}
    assert known_from(made) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["metadata", "scope", "results", "uid", "name", "properties", "state", "timestamp"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_a_report_that_somebody_else_has_written_says_nothing(found: object) -> None:
    """Whatever is in it."""
    assert known_from({"metadata": found}) is None
    if isinstance(found, dict):
        assert known_from(found) is None
