"""What a token of a role must be able to do at a provider.

It is stated in the credential's own words (GitHub: scopes of classic tokens, permissions of fine-grained tokens and
Apps); each provider brings the table's cells for its own kind (`providers.profile`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Role(StrEnum):
    """What a token is for."""

    RUNTIME = "runtime"
    """Used by the platform itself: Argo CD, webhooks, promotions."""
    USER = "user"
    """One person's token."""


class Level(StrEnum):
    """How far a permission goes; each level includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: Level) -> bool:
        """Whether holding this level is holding `other`."""
        return _LEVELS.index(self) >= _LEVELS.index(other)


_LEVELS = list(Level)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One cell of the requirement table.

    Attributes:
        scopes: what tokens with scopes must hold, in the order in which a person reads them.
        permissions: what tokens and Apps with permissions must hold, by the provider's own name of each.
        granular: what fine-grained tokens must hold, where a provider has so many permissions that they have no levels
            (GitLab: ``Code: Push``); empty where that isn't configured, and so isn't known.
    """

    scopes: tuple[str, ...] = ()
    permissions: tuple[tuple[str, Level], ...] = ()
    granular: tuple[str, ...] = ()

    def union(self, other: Requirement) -> Requirement:
        """The requirement that is met when both are."""
        levels = dict(self.permissions)
        for name, level in other.permissions:
            held = levels.get(name)
            levels[name] = level if held is None or level.includes(held) else held
        return replace(
            self,
            scopes=tuple(dict.fromkeys((*self.scopes, *other.scopes))),
            permissions=tuple(levels.items()),
            granular=tuple(dict.fromkeys((*self.granular, *other.granular))),
        )


def union(requirements: Iterable[Requirement]) -> Requirement:
    """What a token needs that shall meet all of them."""
    whole = Requirement()
    for requirement in requirements:
        whole = whole.union(requirement)
    return whole
