"""What a provider answers can be recorded, shown and replayed, and never shows the token."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.providers.contract.bench import Bench, Seen, shows_part
from tests.providers.contract.cases import Line, Never
from tests.providers.contract.fixtures import fixtures_of
from webhook.providers import PROVIDERS, recordings
from webhook.providers.findings import Answer, Exchange, Proof
from webhook.providers.hosts import Kind
from webhook.providers.purposes import tells
from webhook.providers.requirements import Role

pytestmark = pytest.mark.asyncio(loop_scope="session")

_LINES = (Line.GOOD, Line.REVOKED, Line.BLOCKED, Line.SERVER_ERROR)


async def seen_of(bench: Bench, kind: Kind) -> list[Seen]:
    """Every case of these lines."""
    fixtures = fixtures_of(kind)
    cases = [case for line in _LINES if not isinstance(found := fixtures.cases(line), Never) for case in found]
    return [await bench.ask(fixtures, case) for case in cases]


def proofs_of(answer: Answer) -> dict[Role, tuple[Proof, ...]]:
    return {role: finding.proofs for role, finding in answer.findings.items()}


def stable(answer: Answer) -> list[Exchange]:
    """Return the evidence without the random names of write probes."""
    return [replace(one, path=re.sub("(?<=git-token-webhook-)[0-9a-f]+", "", one.path)) for one in answer.evidence]


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
        assert proofs_of(replayed) == proofs_of(seen.answer), f"{seen.case}"
        assert stable(replayed) == stable(seen.answer), f"{seen.case}"
        later = await recording.replay(PROVIDERS[kind], now + timedelta(days=365))
        assert {role: finding.outcome for role, finding in later.findings.items()} == outcomes, f"{seen.case}"


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_every_request_has_evidence_and_a_purpose(bench: Bench, kind: Kind) -> None:
    """One exchange for each request, and a sentence for what it was sent for."""
    for seen in await seen_of(bench, kind):
        evidence = seen.answer.evidence
        retries = 2 if any(one.failure for one in evidence) else 1
        assert len(evidence) <= len(seen.requests) <= retries * len(evidence), f"{seen.case}"
        for one in evidence:
            assert tells(kind, one), f"{kind}: nobody has said what {one.method} {one.path} tells"
