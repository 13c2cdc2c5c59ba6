"""What a token of a role must be able to do at a provider: the vocabulary and the built-in table.

Scopes and permissions are stated in the credential's own words (GitHub: scopes of classic tokens, permissions
of fine-grained tokens and Apps).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from webhook.hosts import Kind


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
    """

    scopes: tuple[str, ...] = ()
    permissions: tuple[tuple[str, Level], ...] = ()

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
        )


DEFAULTS: Mapping[tuple[Kind, Role], Requirement] = {
    (Kind.GITHUB, Role.RUNTIME): Requirement(
        scopes=("repo", "admin:repo_hook"),
        permissions=(
            ("administration", Level.WRITE),
            ("contents", Level.WRITE),
            ("metadata", Level.READ),
            ("repository_hooks", Level.WRITE),
        ),
    ),
    (Kind.GITHUB, Role.USER): Requirement(
        scopes=("repo",),
        permissions=(("contents", Level.WRITE), ("metadata", Level.READ)),
    ),
}
