"""What is asked about one project or one repository: requests that change nothing, each a proof of one permission."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.bitbucket_server import git
from webhook.providers.bitbucket_server.refusals import Said
from webhook.providers.bitbucket_server.targets import Place, key_of, slug_of
from webhook.providers.requirements import Level
from webhook.providers.text import plain

API = "/rest/api/1.0"
"""Where the API is, below the context path."""


@dataclass(frozen=True, slots=True)
class ProjectSeen:
    """The replies for one project.

    Attributes:
        found: to the project itself.
        people: to the list of who may do what, which is shown to its administrators only (tektoncd/pipelines-as-code
            #1726); None where that level isn't needed.
    """

    key: str
    found: Said
    people: Said | None = None

    def replies(self) -> Iterator[Said]:
        """All that there are."""
        yield from (reply for reply in (self.found, self.people) if reply is not None)


@dataclass(frozen=True, slots=True)
class RepositorySeen:
    """The replies for one repository.

    Attributes:
        asked: the repository that was asked for.
        place: where it is, as its own document says: Bitbucket answers for a moved repository under its old address.
        found: to the repository itself.
        hooks: to the list of its webhooks, which is shown to its administrators only (Atlassian: REST API).
        push: to what ``git push`` asks before it sends anything.
        fetch: to what ``git fetch`` asks, which tells a refusal to push from one to use Git over HTTPS at all.
    """

    asked: Place
    place: Place
    found: Said
    hooks: Said | None = None
    push: Said | None = None
    fetch: Said | None = None

    @property
    def has_moved(self) -> bool:
        """Whether it is somewhere else than where it was asked for."""
        return not self.place.is_same_as(self.asked)

    def replies(self) -> Iterator[Said]:
        """Those of the API. Git's name nobody, and are no JSON."""
        yield from (reply for reply in (self.found, self.hooks) if reply is not None)


class Asking:
    """Asks with one token. Bearer, which all kinds of token take, and which never counts as a bad password.

    Attributes:
        context: see `Place.context`.
    """

    def __init__(self, api: Api, token: str, context: str = "") -> None:
        self._api = api
        self._token = token
        self._headers = {"authorization": f"Bearer {token}"}
        self.context = context

    async def about(self, path: str) -> Said:
        """What the API says, or why it says nothing."""
        try:
            return await self._api.send("GET", f"{self.context}{API}{path}", headers=self._headers)
        except ProviderUnavailable as silence:
            return silence

    async def project(self, key: str, level: Level) -> ProjectSeen:
        """What shows up to this level."""
        wanted = [f"/projects/{key}"]
        if level is not Level.READ:
            wanted.append(f"/projects/{key}/permissions/users?limit=1")
        return ProjectSeen(key, *await asyncio.gather(*map(self.about, wanted)))

    async def repository(self, place: Place, level: Level, found: Said | None = None) -> RepositorySeen:
        """What shows up to this level.

        Args:
            found: the reply to the repository itself, if it is there already.
        """

        async def itself() -> Said:
            return found or await self.about(place.api_path)

        if level is Level.READ:
            return self._seen(place, await itself())
        if level is Level.ADMIN:
            shown, hooks = await asyncio.gather(itself(), self.about(f"{place.api_path}/webhooks?limit=1"))
            return replace(self._seen(place, shown), hooks=hooks)
        shown, push, fetch = await asyncio.gather(
            itself(), self._advertised(place, git.PUSH), self._advertised(place, git.FETCH)
        )
        return replace(self._seen(place, shown), push=push, fetch=fetch)

    def _seen(self, asked: Place, found: Said) -> RepositorySeen:
        return RepositorySeen(asked, _place_in(found, self._token) or asked, found)

    async def _advertised(self, place: Place, service: str) -> Said:
        address = f"{self.context}/scm/{place.name.lower()}.git/info/refs?service={service}"
        # By version 2 of its protocol Git lists its capabilities and not each branch; there is none for pushes.
        headers = {**self._headers, "accept": "*/*", "git-protocol": "version=2"}
        try:
            return await self._api.send("GET", address, headers=headers, raw=True)
        except ProviderUnavailable as silence:
            return silence


def _place_in(found: Said, token: str) -> Place | None:
    """Return where a repository's document says that it is; None where this is no such document."""
    body = found.body if isinstance(found, Reply) and found.status == 200 else None
    project = body.get("project") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(project, Mapping):
        return None
    key, slug = key_of(plain(project.get("key"), secret=token)), slug_of(plain(body.get("slug"), secret=token))
    return None if key is None or slug is None else Place(key, slug)
