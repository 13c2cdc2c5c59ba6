"""No answer that means nothing is ever turned into a verdict.

For each provider, each way in which it is asked, and each request of an inspection: that one request goes wrong in
every way there is, or it alone goes right. A good token then is good or unverified; a bad one is what it is, or
unverified.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product

import pytest

from tests.providers.contract.bench import Bench, Seen
from tests.providers.contract.cases import Case, Cell, Fixtures, Line
from tests.providers.contract.fixtures import fixtures_of
from webhook.providers import PROVIDERS
from webhook.providers.findings import Outcome
from webhook.providers.hosts import Kind
from webhook.providers.requirements import Role
from webhook.simulator import Fault
from webhook.simulator.faults import (
    AnyEffect,
    Cut,
    Empty,
    Hang,
    Html,
    Outage,
    RateLimited,
    Status,
    StripHeaders,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

_PAGE = "<!DOCTYPE html>\n<html><body>Access to this site is blocked by your organisation's policy.</body></html>\n"


def _page(status: int) -> Status:
    return Status(status=status, body=_PAGE, content_type="text/html")


def _document(status: int, body: str) -> Status:
    return Status(status=status, body=body, content_type="application/json")


_SILENCE: tuple[AnyEffect, ...] = (Outage(status=500), Html())
"""What the client itself takes for no answer; all that it does so with (`test_lines`) is the same to providers."""
_SLOW: tuple[AnyEffect, ...] = (Hang(), Cut(), RateLimited(secondary=True), RateLimited(retry_after=5))
"""The same, with time lost until that is known, or from then on."""
_NOISE: tuple[AnyEffect, ...] = (
    Empty(),
    StripHeaders(
        names=["X-OAuth-Scopes", "X-Credential-Type", "X-AUSERNAME", "X-AUSERID", "X-AREQUESTID", "X-GitHub-SSO"]
    ),
    _document(200, "{}"),
    _document(200, "[]"),
    _document(200, '{"message": "OK", "values": [], "scopes": []}'),
    Status(status=204, content_type="text/plain"),
    _document(400, "{}"),
    _page(401),
    _document(401, '{"message": "Unauthorized by the gateway"}'),
    _page(403),
    _document(403, '{"message": "Forbidden"}'),
    _page(404),
    _document(404, "{}"),
    _document(409, "{}"),
    _document(422, "{}"),
    _page(451),
)
"""What comes through as a reply, and says nothing of a token: gateways, portals and filters on the way."""
_THE_REST_IS: tuple[AnyEffect, ...] = (_document(200, "{}"), _page(401), _page(403), _page(404))
_MOST_REQUESTS = 12
"""Of an inspection that goes through all of the above; longer ones are many times the same, and take their time."""
_OF_LONG_ONES: tuple[AnyEffect, ...] = (_document(200, "{}"), _page(403))


def _good(fixtures: Fixtures) -> Iterator[Case]:
    cases = fixtures.cases(Line.GOOD)
    yield from cases if isinstance(cases, tuple) else ()


def _bad(fixtures: Fixtures) -> Iterator[Case]:
    """One of each kind of token that lacks something, and those that are refused for other reasons."""
    alike: list[Cell] = []
    for token in fixtures.token_kinds():
        for role, cell in token.cells.items():
            if isinstance(cell, Cell) and (role is Role.USER or cell not in alike):
                alike.append(cell)
                lacks = [lack for one in cell.lacking.values() if isinstance(one, tuple) for lack in one]
                yield token.case(role, lacks[-1].holds, cell.needs)
    for line in (Line.EXPIRED, Line.REVOKED, Line.BLOCKED):
        cases = fixtures.cases(line)
        yield from (one for one in cases if not one.faults) if isinstance(cases, tuple) else ()


def _exactly(path: str) -> str:
    """A pattern for this path, in which something at random may differ from one inspection to the next."""
    return re.sub("[0-9a-f]{16}", "[0-9a-f]{16}", re.escape(path))


def _one_goes_wrong(plain: Seen, effects: Iterable[AnyEffect]) -> Iterator[Fault]:
    for (method, path), effect in product(sorted(plain.paths), effects):
        yield Fault(effect=effect, method=method, path=_exactly(path))


def _one_goes_right(plain: Seen, effects: Iterable[AnyEffect]) -> Iterator[Fault]:
    for path, effect in product(sorted({path for _, path in plain.paths}), effects):
        yield Fault(effect=effect, path=f"(?!{_exactly(path)}$).*")


def _faults(plain: Seen) -> Iterator[Fault]:
    if len(plain.requests) > _MOST_REQUESTS:
        yield from _one_goes_wrong(plain, _OF_LONG_ONES)
    else:
        yield from _one_goes_wrong(plain, (*_SILENCE, *_NOISE))
        yield from _one_goes_right(plain, _THE_REST_IS)


async def _wrong(bench: Bench, fixtures: Fixtures, plain: Seen, faults: Iterable[Fault]) -> list[str]:
    """What became of a case under each of these faults that may not, told from what becomes of it without any."""
    found: list[str] = []
    for fault in faults:
        seen = await bench.ask_amid(fixtures, plain.case, fault)
        if seen.finding.outcome not in (plain.finding.outcome, Outcome.UNVERIFIED):
            what = f"{fault.method or ''} {fault.path} {fault.effect.model_dump_json()[:90]}"
            found.append(f"{plain.case}, {what}: {seen.finding.outcome} {seen.sentence}")
    return found


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_a_good_token_is_never_refused_for_silence(bench: Bench, kind: Kind) -> None:
    """Whichever request it is that brought nothing, or the only one that brought something."""
    fixtures = fixtures_of(kind)
    wrong: list[str] = []
    for case in _good(fixtures):
        plain = await bench.ask(fixtures, case)
        assert plain.finding.outcome is Outcome.SUFFICIENT
        wrong += await _wrong(bench, fixtures, plain, _faults(plain))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_a_bad_token_is_never_accepted_for_silence(bench: Bench, kind: Kind) -> None:
    """Nor refused for a reason that isn't its own."""
    fixtures = fixtures_of(kind)
    wrong: list[str] = []
    for case in _bad(fixtures):
        plain = await bench.ask(fixtures, case)
        assert plain.finding.outcome not in (Outcome.SUFFICIENT, Outcome.UNVERIFIED), f"{case}: {plain.sentence}"
        wrong += await _wrong(bench, fixtures, plain, _faults(plain))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_a_slow_or_broken_connection_is_no_verdict_at_any_request(
    bench: Bench, hurried_bench: Bench, kind: Kind
) -> None:
    """Nor is being asked to wait, which the other requests of an inspection go on without."""
    fixtures = fixtures_of(kind)
    wrong: list[str] = []
    for case in list(_good(fixtures))[:3]:
        plain = await bench.ask(fixtures, case)  # on a busy machine, a client in a hurry may send other requests
        await hurried_bench.ask(fixtures, case)
        wrong += await _wrong(hurried_bench, fixtures, plain, _one_goes_wrong(plain, _SLOW))
    assert not wrong, "\n".join(wrong)
