"""The one round of requests, of which none changes anything."""

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
"""Where a scope is probed: at an account called ``-``, which is no valid name, or without what a write needs. One that
isn't here is known only where a token's scopes are listed."""
_NAME = re.compile(r"(?!\.{1,2}\Z)\w[\w.-]{0,99}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Responses:
    """What the round brought.

    Attributes:
        itself: to ``GET /token``.
        version: to ``GET /version``, which is open to all.
        probes: by scope.
        named: about the repository that the URL names; None where it names none.
        others: about those that a runtime token must also reach; None for what is no repository's name.
    """

    itself: Response
    version: Response
    probes: Mapping[str, Response]
    named: Response | None
    others: list[tuple[RepositoryNeed, Response | None]]

    @property
    def about_token(self) -> list[Response]:
        """What is asked of every token, the repository of its URL included."""
        return [*self.probes.values(), self.version, *([] if self.named is None else [self.named])]


async def send_all(question: Question, api: Api, secret: str) -> Responses:
    """Send all requests at once."""
    headers = {"authorization": f"token {secret}"}

    async def send(method: str, path: str) -> Reply:
        return await api.send(method, path, headers=headers, json={} if method == "POST" else None)

    async def look(need: RepositoryNeed) -> Reply | None:
        name = repository(need.path, question.host)
        return None if name is None else await send("GET", f"/repos/{name}")

    name = repository(question.path, question.host)
    probed = [scope for scope in scopes_in_question(question) if scope in _PROBES]
    wanted = [("GET", "/token"), ("GET", "/version"), *(_PROBES[scope] for scope in probed)]
    if name is not None:
        wanted.append(("GET", f"/repos/{name}"))
    (itself, version, *rest), others = await gather_pair(
        outcomes(*(send(*request) for request in wanted)), repositories.probe(question, api, look)
    )
    named = None if name is None else rest.pop()
    return Responses(itself, version, dict(zip(probed, rest, strict=True)), named, others)


def scopes_in_question(question: Question) -> list[str]:
    """Return the scopes that must be known, the needed ones first; ``read:user`` tells whose the token is."""
    needed = union(question.requirements.values()).scopes
    writes = any(need.access is not Level.READ for need in question.repositories)
    return list(dict.fromkeys([*needed, *(["write:repository"] if writes else []), "read:user"]))


def repository(path: tuple[str, ...], host: Host) -> str | None:
    """Return ``owner/name`` of the repository that a URL's path names; None where it names only an owner or a host."""
    root = tuple(segment for segment in links.root(host).split("/") if segment)
    path = path[len(root) :] if path[: len(root)] == root else path
    if len(path) < 2 or not all(_NAME.match(segment) for segment in path[:2]):
        return None
    return f"{path[0]}/{path[1]}"
