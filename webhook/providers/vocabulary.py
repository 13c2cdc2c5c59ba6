"""A provider's own names for what tokens can do, for checking a configuration that names them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from webhook.providers.requirements import Level, Requirement


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names of one kind of provider. What it has none of, its requirements can't be stated in.

    Attributes:
        scopes: of tokens that have scopes.
        permissions: of tokens that have permissions, with the levels that each can have.
        levels: names that stand for a permission and its level at once, as Bitbucket Server's ``REPO_WRITE``.
        granular: what the names of fine-grained permissions look like, where there are too many to know them.
        aliases: other spellings that people use.
        complete: states a requirement in all words that there are for it, where kinds of tokens have different ones, so
            that it asks no less of any of them beside another requirement.
    """

    scopes: frozenset[str] = frozenset()
    permissions: Mapping[str, tuple[Level, ...]] = field(default_factory=dict)
    levels: Mapping[str, tuple[str, Level]] = field(default_factory=dict)
    granular: re.Pattern[str] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    complete: Callable[[Requirement], Requirement] = lambda requirement: requirement

    def scope(self, name: str) -> str:
        """The provider's own spelling of a scope.

        Raises:
            ValueError: there is none, with the nearest that there is.
        """
        return self._canonical(name, self.scopes, "scope")

    def permission(self, name: str, level: Level) -> str:
        """The provider's own spelling of a permission that can have `level`.

        Raises:
            ValueError: there is none, or it has no such level.
        """
        known = self._canonical(name.lower().replace(" ", "_"), self.permissions, "permission")
        levels = self.permissions[known]
        if level not in levels:
            raise ValueError(f"the permission {known} has only the level {' or '.join(levels)}")
        return known

    def level(self, name: str) -> tuple[str, Level]:
        """The permission and its level that one name stands for.

        Raises:
            ValueError: there is none, with the nearest that there is.
        """
        return self.levels[self._canonical(name.upper().replace(" ", "_"), self.levels, "level")]

    def granular_permission(self, name: str) -> str:
        """A fine-grained permission's name, in the usual spacing.

        Raises:
            ValueError: it doesn't look like one.
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
    """These scopes, all that they imply, and all that those imply."""
    found: set[str] = set()
    waiting = list(scopes)
    while waiting:
        scope = waiting.pop()
        if scope not in found:
            found.add(scope)
            waiting += implied.get(scope, ())
    return frozenset(found)
