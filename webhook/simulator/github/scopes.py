"""Which OAuth scopes imply which (GitHub docs: scopes-for-oauth-apps)."""

from __future__ import annotations

from collections.abc import Iterable

IMPLIED: dict[str, tuple[str, ...]] = {
    "repo": ("repo:status", "repo_deployment", "public_repo", "repo:invite", "security_events"),
    "admin:repo_hook": ("write:repo_hook",),
    "write:repo_hook": ("read:repo_hook",),
    "admin:org": ("write:org", "manage_runners:org"),
    "write:org": ("read:org",),
    "admin:public_key": ("write:public_key",),
    "write:public_key": ("read:public_key",),
    "admin:gpg_key": ("write:gpg_key",),
    "write:gpg_key": ("read:gpg_key",),
    "admin:ssh_signing_key": ("write:ssh_signing_key",),
    "write:ssh_signing_key": ("read:ssh_signing_key",),
    "user": ("read:user", "user:email", "user:follow"),
    "write:packages": ("read:packages",),
    "write:discussion": ("read:discussion",),
    "admin:enterprise": ("manage_runners:enterprise", "manage_billing:enterprise", "read:enterprise"),
    "project": ("read:project",),
    "audit_log": ("read:audit_log",),
    "codespace": ("codespace:secrets",),
    "copilot": ("manage_billing:copilot",),
}


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


def normalised(scopes: Iterable[str]) -> list[str]:
    """What GitHub keeps of a list: sorted, without what another member implies.

    ``repo`` and ``admin:repo_hook`` both stay, although by the documentation ``repo`` gives full access to hooks.
    """
    given = set(scopes)
    implied = {inner for scope in given for inner in held([scope]) if inner != scope}
    return sorted(given - implied)
