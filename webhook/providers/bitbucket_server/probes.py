"""Requests about one project or one repository that change nothing and prove one permission each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.bitbucket_server import git
from webhook.providers.bitbucket_server.refusals import Response
from webhook.providers.bitbucket_server.targets import Target, key_of, slug_of
from webhook.providers.requirements import Level
from webhook.providers.text import plain

API = "/rest/api/1.0"
"""The path of the API below the context path."""


@dataclass(frozen=True, slots=True)
class ProjectResponses:
    """The responses for one project.

    Attributes:
        found: the project itself.
        people: the list of permissions, which only its administrators can see (tektoncd/pipelines-as-code #1726);
            None if that level is not needed.
    """

    key: str
    found: Response
    people: Response | None = None

    def replies(self) -> Iterator[Response]:
        """Yield the responses."""
        yield from (reply for reply in (self.found, self.people) if reply is not None)


@dataclass(frozen=True, slots=True)
class RepositoryResponses:
    """The responses for one repository.

    Attributes:
        asked: the repository that was requested.
        target: where it is, by its own document: Bitbucket answers for a moved repository at its old address.
        found: the repository itself.
        hooks: the list of its webhooks, which only its administrators can see (Atlassian: REST API).
        push: the first request of ``git push``, before it sends anything.
        fetch: the first request of ``git fetch``, which shows whether a rejected push is about pushing or about Git
            over HTTPS.
    """

    asked: Target
    target: Target
    found: Response
    hooks: Response | None = None
    push: Response | None = None
    fetch: Response | None = None

    @property
    def has_moved(self) -> bool:
        """Whether it is at another place than the requested one."""
        return not self.target.is_same_as(self.asked)

    def replies(self) -> Iterator[Response]:
        """Yield the responses of the API. Those of Git name no user and are not JSON."""
        yield from (reply for reply in (self.found, self.hooks) if reply is not None)


class Prober:
    """Sends requests with one token, as a bearer token: all kinds work so, and it never counts as a failed login.

    Attributes:
        context: see `Target.context`.
    """

    def __init__(self, api: Api, token: str, context: str = "") -> None:
        self._api = api
        self._token = token
        self._headers = {"authorization": f"Bearer {token}"}
        self.context = context

    async def about(self, path: str) -> Response:
        """Return the response of the API to a GET request."""
        try:
            return await self._api.send("GET", f"{self.context}{API}{path}", headers=self._headers)
        except ProviderUnavailable as failure:
            return failure

    async def project(self, key: str, level: Level) -> ProjectResponses:
        """Request what proves permissions up to this level."""
        wanted = [f"/projects/{key}"]
        if level is not Level.READ:
            wanted.append(f"/projects/{key}/permissions/users?limit=1")
        return ProjectResponses(key, *await asyncio.gather(*map(self.about, wanted)))

    async def repository(self, target: Target, level: Level, found: Response | None = None) -> RepositoryResponses:
        """Request what proves permissions up to this level.

        Args:
            found: the response for the repository itself, if it was requested before.
        """

        async def itself() -> Response:
            return found or await self.about(target.api_path)

        if level is Level.READ:
            return self._seen(target, await itself())
        if level is Level.ADMIN:
            shown, hooks = await asyncio.gather(itself(), self.about(f"{target.api_path}/webhooks?limit=1"))
            return replace(self._seen(target, shown), hooks=hooks)
        shown, push, fetch = await asyncio.gather(
            itself(), self._advertised(target, git.PUSH), self._advertised(target, git.FETCH)
        )
        return replace(self._seen(target, shown), push=push, fetch=fetch)

    def _seen(self, asked: Target, found: Response) -> RepositoryResponses:
        return RepositoryResponses(asked, _target_in(found, self._token) or asked, found)

    async def _advertised(self, target: Target, service: str) -> Response:
        address = f"{self.context}/scm/{target.name.lower()}.git/info/refs?service={service}"
        # In version 2 of the protocol Git lists its capabilities and not each branch; pushes have no version 2.
        headers = {**self._headers, "accept": "*/*", "git-protocol": "version=2"}
        try:
            return await self._api.send("GET", address, headers=headers, raw=True)
        except ProviderUnavailable as failure:
            return failure


def _target_in(found: Response, token: str) -> Target | None:
    """Return the project and slug in a repository's document; None if this is not one."""
    body = found.body if isinstance(found, Reply) and found.status == 200 else None
    project = body.get("project") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(project, Mapping):
        return None
    key, slug = key_of(plain(project.get("key"), secret=token)), slug_of(plain(body.get("slug"), secret=token))
    return None if key is None or slug is None else Target(key, slug)
