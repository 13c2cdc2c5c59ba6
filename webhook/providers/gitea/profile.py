"""The profile of Gitea and Forgejo. Their tokens are 40 hexadecimal digits, without a prefix."""

from __future__ import annotations

import re

from webhook.providers.hosts import Kind
from webhook.providers.profile import Profile
from webhook.providers.requirements import Requirement, Role
from webhook.providers.vocabulary import Vocabulary

API = "/api/v1"
DESCRIBED = "access token"
_CATEGORIES = "activitypub admin issue misc notification organization package repository user".split()
# `public-only` is a restriction, not a permission: no requirement can name it.
SCOPES = frozenset({"all", *(f"{level}:{category}" for category in _CATEGORIES for level in ("read", "write"))})
# Webhooks and pushing are both part of write:repository; read:user shows whose a token is.
_NEEDED = Requirement(scopes=("write:repository", "read:user"))

PROFILE = Profile(
    kind=Kind("gitea"),
    title="Gitea",
    vocabulary=Vocabulary(scopes=SCOPES),
    defaults={Role.RUNTIME: _NEEDED, Role.USER: _NEEDED},
    api_url=lambda name: f"https://{name}{API}",
    repository_path=re.compile(r"/repos/[^/?]+/[^/?]+"),
    uses_username=False,
    reading=Requirement(scopes=("read:repository",)),
)
