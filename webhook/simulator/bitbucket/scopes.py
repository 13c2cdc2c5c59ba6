"""Bitbucket's two vocabularies of scopes, and what implies what in the older one.

Access tokens, OAuth tokens and app passwords hold scopes such as ``repository:write``; user API tokens hold scopes such
as ``write:repository:bitbucket``, of which none implies another: write doesn't include read (Atlassian's documentation
of API token scopes).
"""

from __future__ import annotations

from collections.abc import Iterable

# Bitbucket's documentation of OAuth scopes. ``repository:admin`` and ``project:admin`` imply nothing, not even read.
# Of ``account:write``, ``team:write``, ``pipeline:write`` and ``runner:write`` it is other programs that say so.
IMPLIED: dict[str, tuple[str, ...]] = {
    "repository:write": ("repository",),
    "pullrequest": ("repository",),
    "pullrequest:write": ("pullrequest", "repository:write"),
    "project": ("repository",),
    "issue:write": ("issue",),
    "account:write": ("account",),
    "team:write": ("team",),
    "pipeline:write": ("pipeline",),
    "runner:write": ("runner",),
}

OF_ACCESS_TOKENS = ("project", "repository", "pullrequest", "webhook", "pipeline", "runner")
"""What repository, project and workspace access tokens can hold, with ``:write``, ``:admin`` and the like."""


def held(scopes: Iterable[str]) -> frozenset[str]:
    """All scopes of the older vocabulary that the given ones amount to."""
    known: set[str] = set()
    waiting = list(scopes)
    while waiting:
        scope = waiting.pop()
        if scope not in known:
            known.add(scope)
            waiting.extend(IMPLIED.get(scope, ()))
    return frozenset(known)


def is_for_access_tokens(scope: str) -> bool:
    """Whether an access token can hold a scope: never ``account`` or ``team``, since no person is behind it."""
    return scope.partition(":")[0] in OF_ACCESS_TOKENS
