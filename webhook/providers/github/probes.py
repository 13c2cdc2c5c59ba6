"""Requests that prove permissions on one repository and change nothing.

What a probe rests on. Reads: a private repository's own content is shown only to who may read it; on a public one it
proves nothing. Writes: a request without the content that it needs is refused with 422 if the token may write and 403
if it may not. That permission is looked at before content is documented by no one, and no recording of it is known to
us; trufflehog relies on it. Where a write probe can be backed by a read that only the same permission opens (webhooks,
deploy keys, a private repository's content), both must agree, so that a token without the permission is never called
good. Should GitHub look at content first after all, there is a second write probe, with content that is in order and
for something that doesn't exist: a 403 there for want of the permission outweighs the 422. What remains assumed is that
GitHub doesn't both look at content and look up what is addressed before it looks at permission; if it did, a token that
may only read would pass for one that may write (tests: test_a_github_that_validates_first).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.concurrency import outcomes
from webhook.providers.requirements import Level, Requirement

_NOWHERE = 4294967289  # far beyond any id that was given out, so that nothing can be hit

# What is asked for each permission: to read, to write what can't be written, to change what doesn't exist. Which
# permission each endpoint needs: GitHub docs, permissions required for fine-grained personal access tokens.
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
# Nothing that GitHub could act on. A hook is refused twice over: for its name, which can only be "web", and for having
# no URL.
_BODIES: dict[str, dict[str, object]] = {"/hooks": {"name": "none", "config": {}}}


@dataclass(frozen=True, slots=True)
class Probes:
    """The replies for one repository: to itself, by permission and level, and to what changes what doesn't exist."""

    name: str
    found: Reply | ProviderUnavailable
    replies: Mapping[tuple[str, Level], Reply | ProviderUnavailable] = field(default_factory=dict)
    absent: Mapping[str, Reply | ProviderUnavailable] = field(default_factory=dict)

    @property
    def all(self) -> tuple[Reply | ProviderUnavailable, ...]:
        """Every one of them."""
        return self.found, *self.replies.values(), *self.absent.values()


async def probe(name: str, needed: Requirement, api: Api, headers: dict[str, str]) -> Probes:
    """Ask for `name`, and prove on it as much of `needed` as can be proven."""

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
