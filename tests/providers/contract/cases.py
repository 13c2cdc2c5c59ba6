"""What the contract asks of every provider, and how a provider's fixtures say what that looks like in its world.

`Line` is the list. A provider's `Fixtures` has cases for each line, or the reason why by its nature there can be none;
anything else is a failure, never a gap. Its `tokens` are the requirement table of DESIGN.md: each kind of token that
the simulated provider knows, with what it must hold for each role and what it is refused without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from webhook.providers.findings import Credential, Outcome, RepositoryNeed
from webhook.providers.hosts import Kind
from webhook.providers.requirements import Level, Requirement, Role
from webhook.simulator import Fault, World
from webhook.simulator.faults import AnyEffect

MADE = "made-for-the-contract"
"""The token (or App) that a case puts into the world for itself."""
SHORT_TIMEOUT = 0.15
"""Seconds that a request may take where the provider hangs."""


class Line(StrEnum):
    """One line of the contract. "Each scope missing" isn't among them: that is the table (`Fixtures.tokens`)."""

    GOOD = "good"
    IMPLIED = "implied scope"
    EXPIRED = "expired"
    REVOKED = "revoked"
    BLOCKED = "blocked"
    LIMITED_WITH_HEADERS = "rate-limited with headers"
    LIMITED_WITHOUT_HEADERS = "rate-limited without headers"
    SERVER_ERROR = "5xx"
    TIME_OUT = "time-out"
    CUT = "connection cut"
    TLS_FAILURE = "TLS failure"
    REDIRECT = "redirect"
    WRONG_TYPE = "wrong content type"
    EMPTY = "empty body"
    OVERSIZED = "oversized body"
    UNKNOWN_SCOPES = "unknown scope names"
    LAYOUT = "header order and spacing"


@dataclass(frozen=True, slots=True)
class Never:
    """There is no such case at this provider, by its nature; `why` is a clause that says so."""

    why: str


def _unchanged(world: World) -> None:
    """The world as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One credential of the simulated world, what is asked about it, and how that must end.

    Attributes:
        token: its name in the world.
        path: what its Secret's URL names.
        needs: what its role needs, where that isn't the default.
        username: what is stored beside it; None for what is usual there.
        arrange: what the world must be like, the token `MADE` included.
        faults: what goes wrong meanwhile.
        ends: with this, where that isn't what its line ends with by itself.
        lacks: what an insufficient one lacks, if that is to be known exactly.
        says: what the sentence that a person reads must hold.
    """

    token: str = MADE
    path: str = ""
    role: Role = Role.RUNTIME
    needs: Requirement | None = None
    repositories: tuple[RepositoryNeed, ...] = ()
    username: str | None = None
    arrange: Callable[[World], None] = _unchanged
    faults: tuple[Fault, ...] = ()
    ends: Outcome | None = None
    lacks: tuple[str, ...] | None = None
    says: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = "+".join(fault.effect.kind for fault in self.faults)
        stored = f"stored with {self.username}" if self.username else ""
        return " ".join(
            part for part in (self.role, self.token, self.path and f"for {self.path}", stored, what) if part
        )


def amid(effect: AnyEffect, *cases: Case, ends: Outcome | None = None, says: Iterable[str] = ()) -> tuple[Case, ...]:
    """The same cases while this goes wrong with every request."""
    fault = Fault(effect=effect)
    return tuple(replace(case, faults=(fault,), ends=ends, says=tuple(says)) for case in cases)


def reads(path: str) -> RepositoryNeed:
    """A repository that a runtime token must read."""
    return RepositoryNeed(tuple(path.split("/")), Level.READ)


def writes(path: str) -> RepositoryNeed:
    """A repository that a runtime token must write to."""
    return RepositoryNeed(tuple(path.split("/")), Level.WRITE)


# The requirement table.


@dataclass(frozen=True, slots=True)
class Lack:
    """What a token holds that falls short in one thing, and the name of that in a denial."""

    holds: tuple[str, ...]
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One kind of token in one role.

    Attributes:
        holds: all that it must hold, in the simulator's words.
        lacking: for everything that the requirement names, what falls short of it, or why nothing can.
        needs: where the default says nothing of this kind of token, a requirement that does.
    """

    holds: tuple[str, ...]
    lacking: Mapping[str, tuple[Lack, ...] | Never]
    needs: Requirement | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A kind of token that is refused in a role whatever it holds; `says` is part of the reason."""

    holds: tuple[str, ...]
    says: str


def _scopes(needed: Requirement) -> tuple[str, ...]:
    return needed.scopes


def permissions(needed: Requirement) -> tuple[str, ...]:
    """What a requirement names for tokens with permissions: ``contents: write``."""
    return tuple(f"{name}: {level}" for name, level in needed.permissions)


def granular(needed: Requirement) -> tuple[str, ...]:
    """What a requirement names for GitLab's fine-grained tokens."""
    return needed.granular


def _revoke(world: World) -> None:
    world.token(MADE).revoked = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKind:
    """One kind of token.

    Attributes:
        make: puts one called `MADE` into the world, which holds exactly this.
        cells: by role.
        path: the repository that its Secret's URL names.
        owner: whose that is, for a URL that names no more.
        revoke: makes that one worthless.
        stated: what of a requirement is about tokens of this kind.
        repositories: two more that such a token reaches, to read and to write.
    """

    make: Callable[[World, tuple[str, ...]], None]
    cells: Mapping[Role, Cell | Refused]
    path: str
    owner: str = "acme"
    revoke: Callable[[World], None] = _revoke
    stated: Callable[[Requirement], tuple[str, ...]] = _scopes
    repositories: tuple[RepositoryNeed, ...] = ()

    def case(self, role: Role, holds: tuple[str, ...], needs: Requirement | None = None) -> Case:
        """One of these in this role, with these things."""
        return Case(path=self.path, role=role, needs=needs, arrange=lambda world: self.make(world, holds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """How many requests one question costs, in how many rounds."""

    case: Case
    requests: int
    rounds: int = 1


# One provider.


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixtures:
    """What the contract looks like at one provider.

    Attributes:
        host: the one of the example world that is asked.
        credential: a token (or App) of the world by its name, with what is usually stored beside it.
        kinds: the kinds of token that the simulated provider knows.
        tokens: of each of them, what the requirement table says, or why that says nothing.
        costs: the requests of the questions that DESIGN.md counts.
        lines: the cases of each line.
    """

    kind: Kind
    host: str
    credential: Callable[[World, Case], Credential]
    kinds: frozenset[str]
    tokens: Mapping[str, TokenKind | Never]
    costs: tuple[Cost, ...]
    lines: Mapping[Line, tuple[Case, ...] | Never] = field(default_factory=dict)

    def token_kinds(self) -> list[TokenKind]:
        """The kinds of token that the requirement table says something of."""
        return [one for one in self.tokens.values() if isinstance(one, TokenKind)]

    def cases(self, line: Line) -> tuple[Case, ...] | Never:
        """What there is for a line.

        Raises:
            NoFixture: nothing.
        """
        cases = self.lines.get(line)
        if not cases:
            raise NoFixture(f"{self.kind} has no fixture for '{line}'")
        return cases


class NoFixture(AssertionError):
    """The contract can't be tested, because nobody said what it looks like at a provider."""
