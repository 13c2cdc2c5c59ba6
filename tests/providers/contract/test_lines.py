"""The contract, line by line: every provider does this, or says why it can't come to that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.providers.contract.bench import Bench, Seen
from tests.providers.contract.cases import Case, Fixtures, Line, Never
from tests.providers.contract.fixtures import fixtures_of
from webhook.providers import PROVIDERS
from webhook.providers.findings import Outcome
from webhook.providers.hosts import Kind

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

TESTED: set[Line] = set()
"""The lines that have a test here."""


_TRANSIENT = {Line.LIMITED_WITH_HEADERS, Line.LIMITED_WITHOUT_HEADERS, Line.SERVER_ERROR, Line.TIME_OUT, Line.CUT}
"""The lines of failures that waiting can mend; it mends no other."""


def contract(line: Line) -> Callable[[Any], Any]:
    """A test of one line over all providers."""
    TESTED.add(line)
    return pytest.mark.parametrize("kind", PROVIDERS)


def cases_of(kind: Kind, line: Line) -> tuple[Fixtures, tuple[Case, ...]]:
    """A provider's fixtures and its cases for a line; the test is skipted where by its nature it has none."""
    fixtures = fixtures_of(kind)
    cases = fixtures.cases(line)
    if isinstance(cases, Never):
        pytest.skip(f"{kind} has no case for '{line}': {cases.why}")
    return fixtures, cases


async def each(bench: Bench, kind: Kind, line: Line, ends: Outcome, **how: Any) -> list[Seen]:
    """Every case of a line, which ends as it should."""
    fixtures, cases = cases_of(kind, line)
    seen = [await bench.ask(fixtures, case, **how) for case in cases]
    wrong = [f"{one.case}: {one.finding} {one.sentence}" for one in seen if not _as_it_should(one, ends)]
    assert not wrong, "\n".join(wrong)
    unverified = [one for one in seen if one.finding.outcome is Outcome.UNVERIFIED]
    misleading = [one.sentence for one in unverified if one.finding.transient != (line in _TRANSIENT)]
    assert not misleading, "\n".join(misleading)
    return seen


def _as_it_should(seen: Seen, ends: Outcome) -> bool:
    case = seen.case
    return (
        seen.finding.outcome is (case.ends or ends)
        and (case.lacks is None or seen.finding.lacks == case.lacks)
        and all(text in seen.sentence for text in case.says)
    )


@contract(Line.GOOD)
async def test_a_good_token_is_accepted(bench: Bench, kind: Kind) -> None:
    """Without a word against it."""
    for seen in await each(bench, kind, Line.GOOD, Outcome.SUFFICIENT):
        assert not seen.verdict.denied and not seen.sentence


@contract(Line.IMPLIED)
async def test_what_a_scope_implies_counts(bench: Bench, kind: Kind) -> None:
    """By the provider's own rules, and no further."""
    seen = await each(bench, kind, Line.IMPLIED, Outcome.SUFFICIENT)
    assert any(one.finding.outcome is Outcome.SUFFICIENT for one in seen)


@contract(Line.EXPIRED)
async def test_an_expired_token_is_invalid(bench: Bench, kind: Kind) -> None:
    """Whatever it could do."""
    await each(bench, kind, Line.EXPIRED, Outcome.INVALID)


@contract(Line.REVOKED)
async def test_a_revoked_token_is_invalid(bench: Bench, kind: Kind) -> None:
    """As is one that the provider takes no more, or nowhere."""
    await each(bench, kind, Line.REVOKED, Outcome.INVALID)


@contract(Line.BLOCKED)
async def test_a_good_token_that_something_else_stops_is_blocked(bench: Bench, kind: Kind) -> None:
    """So that nobody looks for a missing scope."""
    await each(bench, kind, Line.BLOCKED, Outcome.BLOCKED)


@contract(Line.LIMITED_WITH_HEADERS)
async def test_a_rate_limit_that_tells_how_long_is_heeded(bench: Bench, kind: Kind) -> None:
    """Nothing is said of the token, and nobody is asked again until then."""
    fixtures, _ = cases_of(kind, Line.LIMITED_WITH_HEADERS)
    for seen in await each(bench, kind, Line.LIMITED_WITH_HEADERS, Outcome.UNVERIFIED):
        await _is_left_alone(bench, fixtures, seen.case)


@contract(Line.LIMITED_WITHOUT_HEADERS)
async def test_a_rate_limit_without_headers_is_heeded_for_a_minute(bench: Bench, kind: Kind) -> None:
    """As providers ask where they don't say how long."""
    fixtures, _ = cases_of(kind, Line.LIMITED_WITHOUT_HEADERS)
    for seen in await each(bench, kind, Line.LIMITED_WITHOUT_HEADERS, Outcome.UNVERIFIED):
        await _is_left_alone(bench, fixtures, seen.case)


async def _is_left_alone(bench: Bench, fixtures: Fixtures, case: Case) -> None:
    """The provider limits somebody once, and hears no more of them."""
    limited = await bench.ask(fixtures, case)
    again = await bench.ask(fixtures, case, again=True)
    assert limited.requests and not again.requests, f"{case}: asked again"
    assert again.finding.outcome is Outcome.UNVERIFIED


@contract(Line.SERVER_ERROR)
async def test_a_server_error_is_no_verdict(bench: Bench, kind: Kind) -> None:
    """In JSON or as a load balancer's page."""
    await each(bench, kind, Line.SERVER_ERROR, Outcome.UNVERIFIED)


@contract(Line.TIME_OUT)
async def test_a_time_out_is_no_verdict(hurried_bench: Bench, kind: Kind) -> None:
    """And the sentence says that there was no answer."""
    for seen in await each(hurried_bench, kind, Line.TIME_OUT, Outcome.UNVERIFIED):
        assert "did not answer" in seen.sentence, seen.sentence


@contract(Line.CUT)
async def test_a_cut_connection_is_no_verdict(bench: Bench, kind: Kind) -> None:
    """Neither before the answer nor in the middle of it."""
    await each(bench, kind, Line.CUT, Outcome.UNVERIFIED)


@contract(Line.TLS_FAILURE)
async def test_a_tls_failure_is_no_verdict(bench: Bench, kind: Kind, foreign_ca_file: Path) -> None:
    """And nothing is sent to whoever can't prove who they are."""
    for seen in await each(bench, kind, Line.TLS_FAILURE, Outcome.UNVERIFIED, ca_file=foreign_ca_file):
        assert not seen.requests and "certificate" in seen.sentence


@contract(Line.REDIRECT)
async def test_a_redirect_is_not_followed(bench: Bench, kind: Kind) -> None:
    """It is no verdict, and no token goes elsewhere."""
    for seen in await each(bench, kind, Line.REDIRECT, Outcome.UNVERIFIED):
        assert "redirect" in seen.sentence, seen.sentence


@contract(Line.WRONG_TYPE)
async def test_what_is_no_json_is_no_verdict(bench: Bench, kind: Kind) -> None:
    """A web page, another type, or half of a document."""
    await each(bench, kind, Line.WRONG_TYPE, Outcome.UNVERIFIED)


@contract(Line.EMPTY)
async def test_an_empty_body_says_no_more_than_its_headers(bench: Bench, kind: Kind) -> None:
    """Which tell a token's scopes at some providers, and nothing at the others."""
    await each(bench, kind, Line.EMPTY, Outcome.UNVERIFIED)


@contract(Line.OVERSIZED)
async def test_an_oversized_body_is_not_read(bench: Bench, kind: Kind) -> None:
    """Whatever it may hold."""
    await each(bench, kind, Line.OVERSIZED, Outcome.UNVERIFIED)


@contract(Line.UNKNOWN_SCOPES)
async def test_unknown_scope_names_change_nothing(bench: Bench, kind: Kind) -> None:
    """They neither spoil what a token has nor stand for what it lacks."""
    fixtures, cases = cases_of(kind, Line.UNKNOWN_SCOPES)
    seen = [await bench.ask(fixtures, case) for case in cases]
    wrong = [f"{one.case}: {one.finding}" for one in seen if not _fits(one)]
    assert not wrong, "\n".join(wrong)


@contract(Line.LAYOUT)
async def test_order_spacing_and_letter_case_mean_nothing(bench: Bench, kind: Kind) -> None:
    """Neither of scopes nor of headers."""
    fixtures, cases = cases_of(kind, Line.LAYOUT)
    seen = [await bench.ask(fixtures, case) for case in cases]
    wrong = [f"{one.case}: {one.finding}" for one in seen if not _fits(one)]
    assert not wrong, "\n".join(wrong)


def _fits(seen: Seen) -> bool:
    """Whether a case whose line has no usual end ends as it says."""
    return _as_it_should(seen, Outcome.INSUFFICIENT if seen.case.lacks else Outcome.SUFFICIENT)
