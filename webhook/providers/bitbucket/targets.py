"""The repositories that a token must reach: the one that its Secret's URL names, and those that are configured."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from webhook.providers.findings import Question
from webhook.providers.requirements import Level, Requirement

# Bitbucket docs: a workspace's ID has lower-case letters, digits, underscores and dashes; a slug may have dots as well.
_WORKSPACE = re.compile(r"[A-Za-z0-9_-]{1,100}\Z")
_SLUG = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9_.-]{1,100}\Z")

_ADMINISTRATORS_DO = {"repository:admin", "webhook", "admin:repository", "write:webhook", "delete:webhook"}
_WRITERS_DO = {"repository:write", "pullrequest:write", "write:repository", "write:pullrequest"}


def named(path: tuple[str, ...]) -> str | None:
    """Return ``workspace/slug`` of the repository that a URL's path names; None for a workspace or a host.

    Segments after the first two name a page of the repository.
    """
    if len(path) < 2 or not _WORKSPACE.match(path[0]) or not _SLUG.match(path[1]):
        return None
    return f"{path[0]}/{path[1]}"


def access_for(needed: Requirement) -> Level:
    """Return the access that an account needs in a repository to use these scopes there."""
    scopes = {scope.removesuffix(":bitbucket") for scope in needed.scopes}
    if scopes & _ADMINISTRATORS_DO:
        return Level.ADMIN
    return Level.WRITE if scopes & _WRITERS_DO else Level.READ


@dataclass(frozen=True, slots=True)
class Target:
    """One repository to request.

    Attributes:
        name: ``workspace/slug``.
        access: the highest level that any role needs there.
        of_url: the Secret's URL names it, so all roles need it, and its requests are never skipped for lack of time.
    """

    name: str
    access: Level
    of_url: bool

    @property
    def document(self) -> str:
        """The path of the repository, whose response shows that the token reaches it, not its permission."""
        return f"/repositories/{self.name}"

    @property
    def permission(self) -> str:
        """The path of the account's permission in the repository (CHANGE-3022; drone/go-scm uses it)."""
        workspace, slug = self.name.split("/")
        # Slugs are lower case; it is not known whether = ignores letter case.
        query = quote(f'repository.slug="{slug.lower()}"', safe="")
        return f"/user/workspaces/{workspace}/permissions/repositories?q={query}"


def wanted(question: Question) -> list[Target]:
    """Return all repositories that the question is about, without duplicates, that of the URL first."""
    targets: dict[str, Target] = {}
    if (name := named(question.path)) is not None:
        targets[name.lower()] = Target(name, highest(map(access_for, question.requirements.values())), of_url=True)
    for need in question.repositories:
        if (name := named(need.path)) is not None:
            known = targets.get(name.lower()) or Target(name, need.access, of_url=False)
            targets[name.lower()] = Target(known.name, highest((known.access, need.access)), known.of_url)
    return list(targets.values())


def highest(levels: Iterable[Level]) -> Level:
    """Return the level that includes all of them; READ if there are none."""
    return max(levels, key=list(Level).index, default=Level.READ)
