"""The one round of requests. None of them changes anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from webhook.providers import repositories
from webhook.providers.base import Api, Reply
from webhook.providers.concurrency import gather_pair, outcomes
from webhook.providers.findings import Question, RepositoryNeed
from webhook.providers.gitea import links
from webhook.providers.gitea.replies import Response
from webhook.providers.hosts import Host
from webhook.providers.requirements import Level, union

_PROBES = {
    "read:user": ("GET", "/user"),
    "write:user": ("POST", "/user/repos"),
    "read:repository": ("GET", "/repos/-/-"),
    "write:repository": ("POST", "/repos/-/-/hooks"),
    "read:organization": ("GET", "/orgs/-"),
    "read:issue": ("GET", "/repos/-/-/issues"),
    "read:package": ("GET", "/packages/-"),
}
"""The request that probes a scope: at an account called ``-``, which is not a valid name, or without the content that a
write needs. Other scopes are known only if a response lists the token's scopes."""
_NAME = re.compile(r"(?!\.{1,2}\Z)\w[\w.-]{0,99}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Responses:
    """The responses of the round.

    Attributes:
        itself: to ``GET /token``.
        version: to ``GET /version``, which is open to all.
        probes: by scope.
        named: for the repository that the URL names; None if it names none.
        others: for the other repositories that a runtime token must reach; None for an invalid name.
    """

    itself: Response
    version: Response
    probes: Mapping[str, Response]
    named: Response | None
    others: list[tuple[RepositoryNeed, Response | None]]

    @property
    def about_token(self) -> list[Response]:
        """The responses that every token gets, with the repository of its URL."""
        return [*self.probes.values(), self.version, *([] if self.named is None else [self.named])]


async def send_all(question: Question, api: Api, secret: str) -> Responses:
    """Send all requests at once."""
    headers = {"authorization": f"token {secret}"}

    async def send(method: str, path: str) -> Reply:
        return await api.send(method, path, headers=headers, json={} if method == "POST" else None)

    async def probe(need: RepositoryNeed) -> Reply | None:
        name = repository(need.path, question.host)
        return None if name is None else await send("GET", f"/repos/{name}")

    name = repository(question.path, question.host)
    probed = [scope for scope in scopes_in_question(question) if scope in _PROBES]
    wanted = [("GET", "/token"), ("GET", "/version"), *(_PROBES[scope] for scope in probed)]
    if name is not None:
        wanted.append(("GET", f"/repos/{name}"))
    (itself, version, *rest), others = await gather_pair(
        outcomes(*(send(*request) for request in wanted)), repositories.probe(question, api, probe)
    )
    named = None if name is None else rest.pop()
    return Responses(itself, version, dict(zip(probed, rest, strict=True)), named, others)


def scopes_in_question(question: Question) -> list[str]:
    """Return the scopes that must be known, the needed ones first; ``read:user`` shows the token's account."""
    needed = union(question.requirements.values()).scopes
    writes = any(need.access is not Level.READ for need in question.repositories)
    return list(dict.fromkeys([*needed, *(["write:repository"] if writes else []), "read:user"]))


def repository(path: tuple[str, ...], host: Host) -> str | None:
    """Return ``owner/name`` of the repository that a URL's path names; None for an owner or a host."""
    root = tuple(segment for segment in links.root(host).split("/") if segment)
    path = path[len(root) :] if path[: len(root)] == root else path
    if len(path) < 2 or not all(_NAME.match(segment) for segment in path[:2]):
        return None
    return f"{path[0]}/{path[1]}"
