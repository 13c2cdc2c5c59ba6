"""A provider's own names for what tokens can do, for checking a configuration that names them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from webhook.requirements import Level


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names of one kind of provider.

    Attributes:
        scopes: of tokens that have scopes.
        permissions: of tokens that have permissions, with the levels that each can have.
        aliases: other spellings that people use.
    """

    scopes: frozenset[str]
    permissions: Mapping[str, tuple[Level, ...]]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def scope(self, name: str) -> str:
        """The provider's own spelling of a scope.

        Raises:
            ValueError: there is none, with the nearest that there is.
        """
        return self._known(name, self.scopes, "scope")

    def permission(self, name: str, level: Level) -> str:
        """The provider's own spelling of a permission that can have `level`.

        Raises:
            ValueError: there is none, or it has no such level.
        """
        known = self._known(name.lower().replace(" ", "_"), self.permissions, "permission")
        levels = self.permissions[known]
        if level not in levels:
            raise ValueError(f"the permission {known} has only the level {' or '.join(levels)}")
        return known

    def _known(self, name: str, names: Collection[str], what: str) -> str:
        name = self.aliases.get(name, name)
        if name in names:
            return name
        near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
        suggestion = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(names))}"
        raise ValueError(f"there is no {what} {name[:60]!r}; {suggestion}")
