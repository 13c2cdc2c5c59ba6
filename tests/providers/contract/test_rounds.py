"""What a decision costs: the requests that DESIGN.md counts, and never more than two in sequence.

Read from the order in which requests began and ended at the simulator, which keeps each waiting for so long that those
of one round are all there before the first is answered.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.providers.contract.bench import Bench, Seen, Timeline
from tests.providers.contract.cases import Case, Cell, Fixtures, TokenKind
from tests.providers.contract.fixtures import fixtures_of
from webhook.providers import PROVIDERS
from webhook.providers.findings import Outcome
from webhook.providers.hosts import Kind
from webhook.providers.requirements import Role
from webhook.simulator import Fault, RequestRecord
from webhook.simulator.faults import Latency

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

_SHORT, _LONG = 0.06, 0.6
"""Seconds. On a busy machine a round may take longer to begin than the shorter one; whatever is in sequence is so with
the longer one, too."""


async def timed(bench: Bench, fixtures: Fixtures, case: Case, rounds: int) -> Seen:
    """What becomes of a case while each reply takes its time: in so many rounds, if it ever is."""

    async def ask(delay: float) -> Seen:
        latency = Fault(effect=Latency(seconds=delay))
        return await bench.ask(fixtures, replace(case, faults=(*case.faults, latency)))

    seen = await ask(_SHORT)
    return seen if seen.rounds <= rounds else await ask(_LONG)


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_a_decision_costs_what_was_promised(bench: Bench, kind: Kind) -> None:
    """So many requests, in so many rounds, as many as the answer itself counts."""
    fixtures = fixtures_of(kind)
    assert fixtures.costs
    for cost in fixtures.costs:
        seen = await timed(bench, fixtures, cost.case, cost.rounds)
        asked = f"{cost.case}: {sorted(f'{one.method} {one.path}' for one in seen.requests)}"
        assert (len(seen.requests), seen.rounds) == (cost.requests, cost.rounds), asked
        assert seen.answer.requests == cost.requests, asked
        assert seen.finding.outcome is (cost.case.ends or Outcome.SUFFICIENT), f"{cost.case}: {seen.sentence}"


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_never_more_than_two_requests_in_sequence(bench: Bench, kind: Kind) -> None:
    """For every kind of token in every role: with more repositories to reach, and a URL that names one, only whose
    they are, or nobody."""
    fixtures = fixtures_of(kind)
    for token in fixtures.token_kinds():
        for role in token.cells:
            there = _case(token, role)
            for case in (there, replace(there, path=token.owner), replace(there, path="")):
                seen = await timed(bench, fixtures, case, 2)
                asked = [f"{one.method} {one.path}" for one in seen.requests]
                assert 1 <= seen.rounds <= 2, f"{case}: {asked}"
                if case is there and isinstance(token.cells[role], Cell):
                    assert seen.finding.outcome is Outcome.SUFFICIENT, f"{case}: {seen.sentence}"


def _case(token: TokenKind, role: Role) -> Case:
    cell = token.cells[role]
    case = token.case(role, cell.holds, cell.needs if isinstance(cell, Cell) else None)
    return replace(case, repositories=token.repositories if role is Role.RUNTIME else ())


@pytest.mark.parametrize(("order", "rounds"), [("BBEE", 1), ("BEBE", 2), ("BEBBEE", 2), ("BEBEBE", 3), ("BBEBEE", 2)])
async def test_rounds_are_counted_by_who_waited_for_whom(order: str, rounds: int) -> None:
    """What begins after another's end may have waited for it; what begins before can't have."""
    timeline = Timeline()
    waiting: list[RequestRecord] = []
    for event in order:
        if event == "B":
            waiting.append(_record())
            timeline.begin(waiting[-1])
        else:
            timeline.end(waiting.pop(0), 200, 0.0)
    assert timeline.rounds == rounds


def _record() -> RequestRecord:
    return RequestRecord.model_validate(
        {"number": 0, "host": "github.com", "method": "GET", "path": "/user", "at": "2026-11-23T12:00:00Z"}
    )
