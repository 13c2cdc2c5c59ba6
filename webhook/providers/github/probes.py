"""Requests that prove permissions on one repository and change nothing.

Reads: GitHub shows a private repository's content only to those with read access. On a public one it proves nothing.
Writes: a request without its required content is rejected with 422 if the token may write, and with 403 if it may
not. It is not documented that GitHub checks the permission before the content, and no recording shows it; trufflehog
relies on it. If a read needs the same permission as a write probe (webhooks, deploy keys, a private repository's
content), both must agree, so that a token without the permission is never sufficient. In case GitHub checks the
content first, a second write probe has valid content for an object that does not exist: a 403 for the permission
outweighs the 422. The remaining assumption is that GitHub does not check both the content and the object before the
permission; otherwise a token with read access would pass as one with write access (tests:
test_a_github_that_validates_first).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.concurrency import outcomes
from webhook.providers.requirements import Level, Requirement

_NOWHERE = 4294967289  # beyond every id that exists, so no object is changed

# The requests for each permission: a read, a write without content, a change of an object that does not exist. The
# permission of each endpoint: GitHub docs, permissions required for fine-grained personal access tokens.
_READS = {
    "contents": ("GET", "/commits?per_page=1"),
    "repository_hooks": ("GET", "/hooks?per_page=1"),
    "administration": ("GET", "/keys?per_page=1"),
}
_WRITES = {
    "contents": ("PUT", "/contents/git-token-webhook-{random}"),
    "repository_hooks": ("POST", "/hooks"),
    "administration": ("POST", "/keys"),
}
_ABSENT = {
    "contents": ("PATCH", f"/releases/{_NOWHERE}"),
    "repository_hooks": ("PATCH", f"/hooks/{_NOWHERE}"),
    "administration": ("PATCH", f"/invitations/{_NOWHERE}"),
}
# Content that GitHub cannot accept. A hook is invalid for two reasons: its name can only be "web", and it has no URL.
_BODIES: dict[str, dict[str, object]] = {"/hooks": {"name": "none", "config": {}}}


@dataclass(frozen=True, slots=True)
class Probes:
    """The replies for one repository: itself, the probes by permission and level, and the second write probes."""

    name: str
    found: Reply | ProviderUnavailable
    replies: Mapping[tuple[str, Level], Reply | ProviderUnavailable] = field(default_factory=dict)
    absent: Mapping[str, Reply | ProviderUnavailable] = field(default_factory=dict)

    @property
    def all(self) -> tuple[Reply | ProviderUnavailable, ...]:
        """All replies."""
        return self.found, *self.replies.values(), *self.absent.values()


async def probe(name: str, needed: Requirement, api: Api, headers: dict[str, str]) -> Probes:
    """Request a repository, and send the probes for these permissions."""

    async def ask(method: str, path: str) -> Reply:
        body = None if method == "GET" else _BODIES.get(path, {})
        return await api.send(method, f"/repos/{name}{path}", headers=headers, json=body)

    wanted: dict[tuple[str, Level], tuple[str, str]] = {}
    absent: dict[str, tuple[str, str]] = {}
    for permission, level in needed.permissions:
        if permission in _READS:
            wanted[permission, Level.READ] = _READS[permission]
            if level is not Level.READ:
                method, path = _WRITES[permission]
                wanted[permission, Level.WRITE] = (method, path.format(random=secrets.token_hex(8)))
                absent[permission] = _ABSENT[permission]
    asked = [("GET", ""), *wanted.values(), *absent.values()]
    found, *answers = await outcomes(*(ask(*request) for request in asked))
    first, second = answers[: len(wanted)], answers[len(wanted) :]
    return Probes(name, found, dict(zip(wanted, first, strict=True)), dict(zip(absent, second, strict=True)))
