"""A provider's names of scopes and permissions, which validate the configuration."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from webhook.providers.requirements import Level, Requirement


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names of one kind of provider. Requirements can use only the attributes that are not empty.

    Attributes:
        scopes: scopes of tokens.
        permissions: permissions of tokens, each with its possible levels.
        levels: names for a permission with its level, such as ``REPO_WRITE`` of Bitbucket Server.
        granular: the pattern of names of fine-grained permissions, if there are too many to list.
        aliases: other common spellings.
        complete: returns a requirement in the terms of all kinds of tokens, so that a union with another requirement
            weakens it for none of them.
    """

    scopes: frozenset[str] = frozenset()
    permissions: Mapping[str, tuple[Level, ...]] = field(default_factory=dict)
    levels: Mapping[str, tuple[str, Level]] = field(default_factory=dict)
    granular: re.Pattern[str] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    complete: Callable[[Requirement], Requirement] = lambda requirement: requirement

    def scope(self, name: str) -> str:
        """Return the provider's spelling of a scope.

        Raises:
            ValueError: it does not exist. The text names the most similar one.
        """
        return self._canonical(name, self.scopes, "scope")

    def permission(self, name: str, level: Level) -> str:
        """Return the provider's spelling of a permission.

        Raises:
            ValueError: it does not exist, or not with this level.
        """
        known = self._canonical(name.lower().replace(" ", "_"), self.permissions, "permission")
        levels = self.permissions[known]
        if level not in levels:
            raise ValueError(f"the permission {known} has only the level {' or '.join(levels)}")
        return known

    def level(self, name: str) -> tuple[str, Level]:
        """Return the permission and the level for a name in `levels`.

        Raises:
            ValueError: it does not exist. The text names the most similar one.
        """
        return self.levels[self._canonical(name.upper().replace(" ", "_"), self.levels, "level")]

    def granular_permission(self, name: str) -> str:
        """Return the name of a fine-grained permission with single spaces.

        Raises:
            ValueError: it does not have the form of such a name.
        """
        self._require_any(self.granular, "granular permission")
        name = " ".join(name.split())
        if self.granular is None or not self.granular.fullmatch(name):
            raise ValueError(f"{name[:60]!r} is not the name of a granular permission, such as 'Code: Push'")
        return name

    def _canonical(self, name: str, names: Collection[str], what: str) -> str:
        self._require_any(names, what)
        name = self.aliases.get(name, name)
        if name in names:
            return name
        near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
        suggestion = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(names))}"
        raise ValueError(f"there is no {what} {name[:60]!r}; {suggestion}")

    def _require_any(self, names: object, what: str) -> None:
        if names:
            return
        stated = [
            key
            for key, there in (
                ("scopes", self.scopes),
                ("permissions", self.permissions),
                ("levels", self.levels),
                ("granular", self.granular),
            )
            if there
        ]
        raise ValueError(f"its tokens have no {what}s; state what they need as {' or '.join(stated)}")


def with_implied(scopes: Iterable[str], implied: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Return scopes and all scopes that they imply, directly and indirectly."""
    found: set[str] = set()
    waiting = list(scopes)
    while waiting:
        scope = waiting.pop()
        if scope not in found:
            found.add(scope)
            waiting += implied.get(scope, ())
    return frozenset(found)
