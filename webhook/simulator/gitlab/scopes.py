"""What a GitLab scope amounts to (GitLab docs: personal access token scopes; lib/gitlab/auth.rb)."""

from __future__ import annotations

from collections.abc import Iterable

IMPLIED: dict[str, tuple[str, ...]] = {
    "api": (
        "read_api",
        "write_repository",
        "read_registry",
        "write_registry",
        "create_runner",
        "manage_runner",
        "k8s_proxy",
        "self_rotate",
        "ai_features",
    ),
    "read_api": ("read_user", "read_repository"),
    "write_repository": ("read_repository",),
    "write_registry": ("read_registry",),
}
"""Those of repositories and of the registry count on Git's and the registry's own endpoints."""


def held(scopes: Iterable[str]) -> frozenset[str]:
    """All scopes that the given ones amount to."""
    known: set[str] = set()
    waiting = list(scopes)
    while waiting:
        scope = waiting.pop()
        if scope not in known:
            known.add(scope)
            waiting.extend(IMPLIED.get(scope, ()))
    return frozenset(known)
