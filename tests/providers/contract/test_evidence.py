"""Each finding says what the responses prove about each requirement, and which responses those are."""

from __future__ import annotations

import pytest

from tests.providers.contract.bench import Bench, Seen
from tests.providers.contract.cases import Cell, Line, Never
from tests.providers.contract.fixtures import fixtures_of
from tests.providers.contract.test_table import CELLS, Square
from webhook.providers import PROVIDERS
from webhook.providers.findings import Conclusion, Finding, Outcome
from webhook.providers.hosts import Kind

pytestmark = pytest.mark.asyncio(loop_scope="session")

_LINES = (Line.GOOD, Line.IMPLIED, Line.EXPIRED, Line.REVOKED, Line.BLOCKED, Line.SERVER_ERROR, Line.UNKNOWN_SCOPES)


def check_sources(seen: Seen, finding: Finding) -> None:
    """Every source is a request of the evidence, and what is proven or missing has one."""
    for proof in finding.proofs:
        assert all(0 <= source.request < len(seen.answer.evidence) for source in proof.sources), f"{seen.case}: {proof}"
        if proof.conclusion in (Conclusion.PROVEN, Conclusion.BLOCKED):
            assert proof.sources, f"{seen.case}: {proof}"


@pytest.mark.parametrize("square", CELLS, ids=str)
async def test_a_sufficient_token_has_a_proof_of_each_requirement(bench: Bench, square: Square) -> None:
    """What stays open is only what a token of its kind cannot hold."""
    assert isinstance(square.cell, Cell)
    seen = await bench.ask(square.fixtures, square.kind.case(square.role, square.cell.holds, square.cell.needs))
    check_sources(seen, seen.finding)
    assert Conclusion.PROVEN in {proof.conclusion for proof in seen.finding.proofs}
    unproven = [proof for proof in seen.finding.proofs if proof.conclusion is not Conclusion.PROVEN]
    assert all("left it out" in proof.why for proof in unproven), unproven


@pytest.mark.parametrize("square", CELLS, ids=str)
async def test_what_a_token_lacks_is_missing_in_its_proofs(bench: Bench, square: Square) -> None:
    """By the same name as in the message, with the response that shows it."""
    assert isinstance(square.cell, Cell)
    for lacks in square.cell.lacking.values():
        for lack in lacks if isinstance(lacks, tuple) else ():
            seen = await bench.ask(square.fixtures, square.kind.case(square.role, lack.holds, square.cell.needs))
            check_sources(seen, seen.finding)
            missing = {proof.requirement for proof in seen.finding.proofs if proof.conclusion is Conclusion.MISSING}
            assert missing >= set(lack.named), seen.finding.proofs


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_every_finding_has_proofs(bench: Bench, kind: Kind) -> None:
    """A finding that is not sufficient has at least one requirement that is not proven."""
    fixtures = fixtures_of(kind)
    cases = [case for line in _LINES if not isinstance(found := fixtures.cases(line), Never) for case in found]
    for case in cases:
        seen = await bench.ask(fixtures, case)
        for finding in seen.answer.findings.values():
            assert finding.proofs, f"{case}: {finding}"
            check_sources(seen, finding)
            conclusions = {proof.conclusion for proof in finding.proofs}
            if finding.outcome not in (Outcome.SUFFICIENT, Outcome.MALFORMED):
                assert conclusions - {Conclusion.PROVEN}, f"{case}: {finding}"
            if finding.outcome in (Outcome.BLOCKED, Outcome.INVALID, Outcome.INSUFFICIENT):
                assert conclusions & {Conclusion.MISSING, Conclusion.BLOCKED}, f"{case}: {finding}"
            if finding.outcome is Outcome.UNVERIFIED:
                assert Conclusion.OPEN in conclusions, f"{case}: {finding}"
