"""That nothing of the contract goes untested: what has no case, be it a provider, a line or a kind of token, fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.providers.contract import test_lines
from tests.providers.contract.cases import Cell, Fixtures, Line, Never, NoFixture, TokenKind
from tests.providers.contract.fixtures import FIXTURES, fixtures_of
from webhook.providers import PROVIDERS
from webhook.providers.hosts import Kind
from webhook.providers.requirements import Requirement, Role


def gaps(fixtures: Fixtures, defaults: dict[Role, Requirement]) -> list[str]:
    """What a provider's fixtures say nothing of, in words."""
    found = [f"{fixtures.kind} has no fixture for '{line}'" for line in Line if not fixtures.lines.get(line)]
    for name in sorted(fixtures.kinds - fixtures.tokens.keys()):
        found.append(f"{fixtures.kind} has no fixture for tokens of the kind '{name}'")
    for name, kind in fixtures.tokens.items():
        found += [f"{fixtures.kind} has no fixture for {one}" for one in _gaps_of(name, kind, defaults)]
    return found


def _gaps_of(name: str, kind: TokenKind | Never, defaults: dict[Role, Requirement]) -> list[str]:
    if isinstance(kind, Never):
        return []
    found: list[str] = []
    for role in Role:
        cell, what = kind.cells.get(role), f"a {role} token of the kind '{name}'"
        if cell is None:
            found.append(what)
        elif isinstance(cell, Cell):
            pieces = set(kind.stated(cell.needs or defaults[role]))
            told = {piece for piece, lacks in cell.lacking.items() if lacks}
            found += [f"{what} without {piece}" for piece in sorted(pieces - told)]
            found += [] if pieces else [f"{what} of which the requirement says anything"]
    return found


@pytest.mark.parametrize("kind", PROVIDERS)
def test_nothing_is_left_out(kind: Kind) -> None:
    """Every line, every kind of token that the simulator knows, every cell of the table and each thing in it."""
    assert not gaps(fixtures_of(kind), dict(PROVIDERS[kind].profile.defaults))


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_fixture_says_of_the_table_what_is_in_it(kind: Kind) -> None:
    """A requirement that was taken out of the defaults leaves no case behind that tests nothing."""
    fixtures = fixtures_of(kind)
    for name, one in fixtures.tokens.items():
        cells = {} if isinstance(one, Never) else one.cells
        for role, cell in cells.items():
            if isinstance(one, TokenKind) and isinstance(cell, Cell):
                pieces = one.stated(cell.needs or PROVIDERS[kind].profile.defaults[role])
                assert set(cell.lacking) <= set(pieces), f"{name} in the role {role}"


def test_every_line_has_a_test() -> None:
    """A line that is added to the list without one would hold for nobody."""
    assert test_lines.TESTED == set(Line)


def test_a_provider_without_fixtures_fails() -> None:
    """Registering one is not enough."""
    with pytest.raises(NoFixture, match="forgejo has no fixtures"):
        fixtures_of(Kind("forgejo"))


@pytest.mark.parametrize("line", Line)
def test_a_provider_without_a_fixture_for_a_line_fails(line: Line) -> None:
    """By the line's name, in the very call that each line's test makes; an empty list of cases is none."""
    whole = FIXTURES[Kind("bitbucket")]
    for lines in ({one: cases for one, cases in whole.lines.items() if one is not line}, {**whole.lines, line: ()}):
        with pytest.raises(NoFixture, match=f"bitbucket has no fixture for '{line}'"):
            replace(whole, lines=lines).cases(line)


def test_a_new_requirement_without_a_case_fails() -> None:
    """The table's cells come from the defaults, so that a longer one needs another case."""
    whole = FIXTURES[Kind("gitlab")]
    defaults = dict(PROVIDERS[Kind("gitlab")].profile.defaults)
    defaults[Role.USER] = Requirement(scopes=(*defaults[Role.USER].scopes, "read_registry"))
    found = gaps(whole, defaults)
    assert "gitlab has no fixture for a user token of the kind 'personal' without read_registry" in found


def test_a_new_kind_of_token_without_a_case_fails() -> None:
    """The kinds come from the simulator."""
    whole = FIXTURES[Kind("github")]
    more = replace(whole, kinds=whole.kinds | {"passkey"})
    defaults = dict(PROVIDERS[Kind("github")].profile.defaults)
    assert gaps(more, defaults) == ["github has no fixture for tokens of the kind 'passkey'"]


def test_what_can_never_be_is_said() -> None:
    """Each reason is a clause that a person understands, and no empty word."""
    for fixtures in FIXTURES.values():
        cells = [
            cell for kind in fixtures.tokens.values() if isinstance(kind, TokenKind) for cell in kind.cells.values()
        ]
        lacks = [one for cell in cells if isinstance(cell, Cell) for one in cell.lacking.values()]
        for one in (*fixtures.lines.values(), *fixtures.tokens.values(), *lacks):
            assert not isinstance(one, Never) or len(one.why.split()) >= 5, f"{fixtures.kind}: {one}"
