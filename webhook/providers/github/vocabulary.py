"""GitHub's scopes with those that they imply, and its permissions with their display names."""

from __future__ import annotations

from collections.abc import Iterable

from webhook.providers.requirements import Level
from webhook.providers.vocabulary import Vocabulary, with_implied

# What each scope brings along (GitHub docs: scopes-for-oauth-apps). That `repo` also lets hooks be managed is said
# there too, but recorded responses list `repo` and `admin:repo_hook` side by side, so neither stands for the other.
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
    "admin:enterprise": ("manage_runners:enterprise", "manage_billing:enterprise"),
    "manage_billing:enterprise": ("read:enterprise",),
    "project": ("read:project",),
    "audit_log": ("read:audit_log",),
    "codespace": ("codespace:secrets",),
    "copilot": ("manage_billing:copilot",),
}
_OTHERS = ("admin:org_hook", "delete:packages", "delete_repo", "gist", "notifications", "site_admin", "workflow")

_READ_WRITE = (Level.READ, Level.WRITE)
# Names and levels as in GitHub's token templates (GitHub docs: pre-filling fine-grained token details).
PERMISSIONS: dict[str, tuple[Level, ...]] = {
    **dict.fromkeys(
        (
            "actions actions_variables administration attestations contents deployments discussions environments "
            "issues merge_queues pages pull_requests repository_custom_properties repository_hooks "
            "secret_scanning_alerts secrets security_events statuses vulnerability_alerts"
        ).split(),
        _READ_WRITE,
    ),
    "metadata": (Level.READ,),
    "workflows": (Level.WRITE,),
}
_DISPLAY = {"repository_hooks": "Webhooks", "actions_variables": "Variables", "statuses": "Commit statuses"}

VOCABULARY = Vocabulary(
    scopes=frozenset({*IMPLIED, *_OTHERS, *(scope for implied in IMPLIED.values() for scope in implied)}),
    permissions=PERMISSIONS,
    aliases={"webhooks": "repository_hooks", "variables": "actions_variables"},
)


def held(scopes: Iterable[str]) -> frozenset[str]:
    """Return the scopes with all that they imply."""
    return with_implied(scopes, IMPLIED)


def display(permission: str, level: Level) -> str:
    """Return a permission as GitHub's pages show it: ``Webhooks: write``."""
    name = _DISPLAY.get(permission) or permission.replace("_", " ").capitalize()
    return f"{name}: {level}"
