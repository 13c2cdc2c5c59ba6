"""DESIGN.md's requirement table: what a token of each kind must hold for each role, and what it is refused without.

Every cell comes from the provider's own defaults, and every kind of token from its simulator. What nobody has written a
case for is a failure in `test_fixtures`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.providers.contract.bench import Bench, needs_of
from tests.providers.contract.cases import Cell, Fixtures, Refused, TokenKind
from tests.providers.contract.fixtures import FIXTURES
from webhook.providers import PROVIDERS
from webhook.providers.findings import Outcome
from webhook.providers.requirements import Role
from webhook.simulator import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True)
class Square:
    """One kind of token in one role."""

    fixtures: Fixtures
    name: str
    kind: TokenKind
    role: Role
    cell: Cell | Refused

    def __str__(self) -> str:
        return f"{self.fixtures.kind}-{self.name}-{self.role}"


def _table() -> Iterator[Square]:
    for fixtures in FIXTURES.values():
        for name, kind in fixtures.tokens.items() if fixtures.kind in PROVIDERS else ():
            if isinstance(kind, TokenKind):
                for role, cell in kind.cells.items():
                    yield Square(fixtures, name, kind, role, cell)


TABLE = list(_table())
CELLS = [square for square in TABLE if isinstance(square.cell, Cell)]


@pytest.mark.parametrize("square", CELLS, ids=str)
async def test_a_token_that_holds_all_of_it_is_accepted(bench: Bench, square: Square) -> None:
    """And nothing more than that."""
    assert isinstance(square.cell, Cell)
    seen = await bench.ask(square.fixtures, square.kind.case(square.role, square.cell.holds, square.cell.needs))
    assert seen.finding.outcome is Outcome.SUFFICIENT, seen.sentence
    assert not seen.sentence


@pytest.mark.parametrize("square", CELLS, ids=str)
async def test_a_token_that_lacks_one_piece_is_refused(bench: Bench, square: Square) -> None:
    """With the name of that piece, and of no other."""
    assert isinstance(square.cell, Cell)
    for piece, lacks in square.cell.lacking.items():
        for lack in lacks if isinstance(lacks, tuple) else ():
            seen = await bench.ask(square.fixtures, square.kind.case(square.role, lack.holds, square.cell.needs))
            told = f"without {piece}, holding {lack.holds}: {seen.finding} {seen.sentence}"
            assert seen.finding.outcome is Outcome.INSUFFICIENT, told
            assert set(seen.finding.lacks) == set(lack.named), told
            assert seen.verdict.denied and all(name in seen.sentence for name in lack.named), told


@pytest.mark.parametrize("square", [one for one in TABLE if isinstance(one.cell, Refused)], ids=str)
async def test_a_kind_of_token_that_is_too_narrow_is_refused(bench: Bench, square: Square) -> None:
    """Whatever it holds."""
    assert isinstance(square.cell, Refused)
    seen = await bench.ask(square.fixtures, square.kind.case(square.role, square.cell.holds))
    assert seen.finding.outcome is Outcome.INSUFFICIENT
    assert seen.verdict.denied and square.cell.says in seen.sentence


@pytest.mark.parametrize("square", TABLE, ids=str)
async def test_a_revoked_token_of_each_kind_is_invalid(bench: Bench, square: Square) -> None:
    """Whatever it held, and whatever its URL names."""
    case = square.kind.case(square.role, square.cell.holds)

    def arrange(world: World) -> None:
        case.arrange(world)
        square.kind.revoke(world)

    for path in (square.kind.path, square.kind.owner, ""):
        seen = await bench.ask(square.fixtures, replace(case, path=path, arrange=arrange))
        assert seen.finding.outcome is Outcome.INVALID, f"{seen.case}: {seen.finding}"


@pytest.mark.parametrize("square", [one for one in CELLS if one.role is Role.RUNTIME], ids=str)
async def test_both_roles_at_once_are_judged_as_apart(bench: Bench, square: Square) -> None:
    """A Secret that is matched by both rules is asked about once."""
    assert isinstance(square.cell, Cell)
    other = square.kind.cells[Role.USER]
    cells = {Role.RUNTIME: square.cell, Role.USER: other}
    held = {role: cell.holds for role, cell in cells.items()}
    for holds in held.values():
        cases = {
            role: square.kind.case(role, holds, cell.needs if isinstance(cell, Cell) else None)
            for role, cell in cells.items()
        }
        roles = {role: needs_of(square.fixtures, case) for role, case in cases.items()}
        together = await bench.ask(square.fixtures, cases[Role.RUNTIME], roles=roles)
        for role, case in cases.items():
            apart = await bench.ask(square.fixtures, case)
            assert together.findings[role].outcome is apart.finding.outcome, f"{role} holding {holds}"
            assert together.findings[role].lacks == apart.finding.lacks, f"{role} holding {holds}"


@pytest.mark.parametrize(
    "square", [one for one in CELLS if isinstance(one.cell, Cell) and one.cell.needs is not None], ids=str
)
async def test_what_the_defaults_say_nothing_of_is_left_open(bench: Bench, square: Square) -> None:
    """Where only the configuration could say what such a token needs, a person reads what this one has."""
    assert isinstance(square.cell, Cell)
    seen = await bench.ask(square.fixtures, square.kind.case(square.role, square.cell.holds))
    assert seen.finding.outcome is Outcome.UNVERIFIED
    assert all(name in seen.sentence for name in square.cell.holds), seen.sentence
