"""GitLab's words: scopes and what they imply, and what names of fine-grained permissions look like."""

from __future__ import annotations

import re
from collections.abc import Iterable

from webhook.providers.vocabulary import Vocabulary, with_implied

# What each scope brings along (lib/gitlab/auth.rb, abilities_for_scopes; GitLab docs: personal access token scopes).
# For Git, that is: `write_repository` opens nothing of the API, not even what `read_repository` opens of it.
IMPLIED: dict[str, tuple[str, ...]] = {
    "api": (
        "read_api",
        "write_repository",
        "write_registry",
        "write_virtual_registry",
        "create_runner",
        "manage_runner",
        "k8s_proxy",
        "self_rotate",
        "ai_features",
        "mcp",
        "write_observability",
    ),
    "read_api": ("read_user", "read_repository"),
    "write_repository": ("read_repository",),
    "write_registry": ("read_registry",),
    "write_virtual_registry": ("read_virtual_registry",),
    "write_observability": ("read_observability",),
}
_OTHERS = ("sudo", "admin_mode", "read_service_ping", "ai_workflows", "openid", "profile", "email")

VOCABULARY = Vocabulary(
    scopes=frozenset({*IMPLIED, *_OTHERS, *(scope for implied in IMPLIED.values() for scope in implied)}),
    # "Code: Push" as on its pages and in refusals, or "push_code" as in its sources (GitLab docs: permission naming).
    granular=re.compile(r"[A-Z][A-Za-z0-9/ -]{0,79}: [A-Z][a-z ]{1,39}|[a-z]{2,40}(?:_[a-z0-9]{1,40}){1,9}"),
    aliases={
        "api_read": "read_api",
        "repository_read": "read_repository",
        "repository_write": "write_repository",
        "read_repo": "read_repository",
        "write_repo": "write_repository",
        "user_read": "read_user",
    },
)


def held(scopes: Iterable[str]) -> frozenset[str]:
    """These scopes and all that they imply."""
    return with_implied(scopes, IMPLIED)


def without_implied(scopes: Iterable[str]) -> tuple[str, ...]:
    """The fewest of these scopes that amount to all of them, in their order."""
    wanted = tuple(dict.fromkeys(scopes))
    return tuple(one for one in wanted if not any(one in held([other]) for other in wanted if other != one))
