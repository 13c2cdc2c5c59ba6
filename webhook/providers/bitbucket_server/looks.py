"""What is asked about one project or one repository: requests that change nothing, each a proof of one permission."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from webhook.providers.base import Api, NoAnswer
from webhook.providers.bitbucket_server import git
from webhook.providers.bitbucket_server.places import Place
from webhook.providers.bitbucket_server.replies import Said
from webhook.requirements import Level


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
        found: to the repository itself.
        hooks: to the list of its webhooks, which is shown to its administrators only (Atlassian: REST API).
        push: to what ``git push`` asks before it sends anything.
        fetch: to what ``git fetch`` asks, which tells a refusal to push from one to use Git over HTTPS at all.
    """

    place: Place
    found: Said
    hooks: Said | None = None
    push: Said | None = None
    fetch: Said | None = None

    def replies(self) -> Iterator[Said]:
        """Those of the API. Git's name nobody, and are no JSON."""
        yield from (reply for reply in (self.found, self.hooks) if reply is not None)


class Asking:
    """Asks with one token. Bearer, which all kinds of token take, and which never counts as a bad password."""

    def __init__(self, api: Api, token: str, context: str = "") -> None:
        self._api = api
        self._headers = {"authorization": f"Bearer {token}"}
        self._context = context

    async def about(self, path: str) -> Said:
        """What the API says, or why it says nothing."""
        try:
            return await self._api.send("GET", f"{self._context}/rest/api/1.0{path}", headers=self._headers)
        except NoAnswer as silence:
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
            return RepositorySeen(place, await itself())
        if level is Level.ADMIN:
            shown, hooks = await asyncio.gather(itself(), self.about(f"{place.api_path}/webhooks?limit=1"))
            return RepositorySeen(place, shown, hooks=hooks)
        shown, push, fetch = await asyncio.gather(
            itself(), self._advertised(place, git.PUSH), self._advertised(place, git.FETCH)
        )
        return RepositorySeen(place, shown, push=push, fetch=fetch)

    async def _advertised(self, place: Place, service: str) -> Said:
        address = f"{self._context}/scm/{place.name.lower()}.git/info/refs?service={service}"
        # By version 2 of its protocol Git lists its capabilities and not each branch; there is none for pushes.
        headers = {**self._headers, "accept": "*/*", "git-protocol": "version=2"}
        try:
            return await self._api.send("GET", address, headers=headers, raw=True)
        except NoAnswer as silence:
            return silence
