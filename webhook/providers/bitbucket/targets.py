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
    """``workspace/slug`` of the repository that a URL's path names; None where it names only a workspace or a host.

    What stands behind the first two segments is a page of the repository, and not another one.
    """
    if len(path) < 2 or not _WORKSPACE.match(path[0]) or not _SLUG.match(path[1]):
        return None
    return f"{path[0]}/{path[1]}"


def access_for(needed: Requirement) -> Level:
    """What an account must be allowed in a repository, so that a token with these scopes can do its work there."""
    scopes = {scope.removesuffix(":bitbucket") for scope in needed.scopes}
    if scopes & _ADMINISTRATORS_DO:
        return Level.ADMIN
    return Level.WRITE if scopes & _WRITERS_DO else Level.READ


@dataclass(frozen=True, slots=True)
class Place:
    """One repository to be asked about.

    Attributes:
        name: ``workspace/slug``.
        access: the most that anybody needs there.
        of_url: the Secret's URL names it, so that it concerns all roles, and is asked about however long that takes.
    """

    name: str
    access: Level
    of_url: bool

    @property
    def document(self) -> str:
        """The path of the repository itself, which says that the token reaches it, and not what its account may do."""
        return f"/repositories/{self.name}"

    @property
    def permission(self) -> str:
        """The path of what the token's account may do there (CHANGE-3022; drone/go-scm uses it)."""
        workspace, slug = self.name.split("/")
        # Slugs are lower case, and a comparison with = isn't known to be tolerant of URLs that spell them otherwise.
        query = quote(f'repository.slug="{slug.lower()}"', safe="")
        return f"/user/workspaces/{workspace}/permissions/repositories?q={query}"


def wanted(question: Question) -> list[Place]:
    """All repositories that the question is about, each once, that of the URL first."""
    places: dict[str, Place] = {}
    if (name := named(question.path)) is not None:
        places[name.lower()] = Place(name, highest(map(access_for, question.requirements.values())), of_url=True)
    for need in question.repositories:
        if (name := named(need.path)) is not None:
            known = places.get(name.lower()) or Place(name, need.access, of_url=False)
            places[name.lower()] = Place(known.name, highest((known.access, need.access)), known.of_url)
    return list(places.values())


def highest(levels: Iterable[Level]) -> Level:
    """The level that includes all of them; to read where there are none."""
    return max(levels, key=list(Level).index, default=Level.READ)
