"""Roles, and the requirements that their tokens must meet.

A requirement uses the terms of the credential, such as scopes of GitHub's classic tokens, and permissions of
fine-grained tokens and Apps. The profile of each provider has the default requirements of its kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Role(StrEnum):
    """The purpose of a token."""

    RUNTIME = "runtime"
    """The platform uses it, for Argo CD, webhooks and promotions."""
    USER = "user"
    """It belongs to one user."""


class Level(StrEnum):
    """The level of a permission. Each level includes the previous ones."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def includes(self, other: Level) -> bool:
        """Return whether this level includes another one."""
        return _LEVELS.index(self) >= _LEVELS.index(other)


_LEVELS = list(Level)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What tokens of one role need at one kind of provider.

    Attributes:
        scopes: for tokens with scopes, in the order of messages.
        permissions: for tokens and Apps with permissions, by the provider's names.
        granular: for fine-grained tokens whose permissions have no levels (GitLab: ``Code: Push``); empty if unknown,
            because it is not configured.
    """

    scopes: tuple[str, ...] = ()
    permissions: tuple[tuple[str, Level], ...] = ()
    granular: tuple[str, ...] = ()

    def union(self, other: Requirement) -> Requirement:
        """Return the requirement that is met if both are."""
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
    """Return the requirement that is met if all of them are."""
    whole = Requirement()
    for requirement in requirements:
        whole = whole.union(requirement)
    return whole
