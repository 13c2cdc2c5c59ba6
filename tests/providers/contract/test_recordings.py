"""What a provider answers can be recorded, shown and replayed, and never shows the token."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.providers.contract.bench import Bench, Seen, shows_part
from tests.providers.contract.cases import Line, Never
from tests.providers.contract.fixtures import fixtures_of
from webhook.hosts import Kind
from webhook.providers import PROVIDERS, assumptions, recordings
from webhook.providers.purposes import tells

_LINES = (Line.GOOD, Line.REVOKED, Line.BLOCKED, Line.SERVER_ERROR)


async def seen_of(bench: Bench, kind: Kind) -> list[Seen]:
    """Every case of these lines."""
    fixtures = fixtures_of(kind)
    cases = [case for line in _LINES if not isinstance(found := fixtures.cases(line), Never) for case in found]
    return [await bench.ask(fixtures, case) for case in cases]


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_a_recording_replays_to_the_same_verdict(bench: Bench, kind: Kind) -> None:
    """Through the provider's own code, with the same evidence, from a file; a year later as well."""
    for seen in await seen_of(bench, kind):
        assert seen.question is not None
        now = datetime.now(UTC)
        text = json.dumps(recordings.dump(seen.question, seen.answer, now))
        assert not shows_part(text, seen.question.credential), f"{seen.case}"
        recording = recordings.load(json.loads(text))
        replayed = await recording.replay(PROVIDERS[kind], now)
        outcomes = {role: finding.outcome for role, finding in seen.answer.findings.items()}
        assert {role: finding.outcome for role, finding in replayed.findings.items()} == outcomes, f"{seen.case}"
        assert sorted((one.method, one.path, one.status or 0) for one in replayed.evidence) == sorted(
            (one.method, one.path, one.status or 0) for one in seen.answer.evidence
        )
        later = await recording.replay(PROVIDERS[kind], now + timedelta(days=365))
        if later.facts.expires_at is not None and seen.answer.facts.expires_at is not None:
            assert abs(later.facts.expires_at - seen.answer.facts.expires_at - timedelta(days=365)) < timedelta(days=1)


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_every_request_has_evidence_and_a_purpose(bench: Bench, kind: Kind) -> None:
    """One exchange for each request, and a sentence for what it was sent for."""
    for seen in await seen_of(bench, kind):
        evidence = seen.answer.evidence
        retries = 2 if any(one.failure for one in evidence) else 1
        assert len(evidence) <= len(seen.requests) <= retries * len(evidence), f"{seen.case}"
        for one in evidence:
            assert tells(kind, one), f"{kind}: nobody has said what {one.method} {one.path} tells"


def test_every_kind_has_its_purposes() -> None:
    """A new provider says what its requests tell."""
    from webhook.providers.purposes import PURPOSES

    assert PURPOSES.keys() == PROVIDERS.keys()


@pytest.mark.parametrize("one", assumptions.ASSUMPTIONS, ids=lambda one: one.name)
def test_an_assumption_names_code_that_is_there(one: assumptions.Assumption) -> None:
    """And is a whole sentence of a kind that there is."""
    from importlib import import_module

    assert import_module(one.code)
    assert one.kind in PROVIDERS
    assert one.fact.endswith(".") and one.open.endswith(".")
