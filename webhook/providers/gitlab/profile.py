"""GitLab without asking it: gitlab.com, and those that people run themselves."""

from __future__ import annotations

import re

from webhook.providers.gitlab.unsupported_tokens import PREFIXES, without_scopes
from webhook.providers.gitlab.vocabulary import VOCABULARY
from webhook.providers.hosts import Kind
from webhook.providers.profile import Profile
from webhook.providers.requirements import Requirement, Role

PROFILE = Profile(
    kind=Kind("gitlab"),
    title="GitLab",
    vocabulary=VOCABULARY,
    defaults={
        # What fine-grained tokens need is in neither cell: only the configuration says it.
        Role.RUNTIME: Requirement(scopes=("api",)),
        Role.USER: Requirement(scopes=("write_repository", "read_api")),
    },
    api_url=lambda name: f"https://{name}/api/v4",
    hosts=("gitlab.com",),
    token_prefixes=PREFIXES,
    without_scopes=without_scopes,
    shape_in_text=rf"(?<![a-z0-9])(?:{'|'.join(PREFIXES)})[\w-]{{16}}",
    repository_path=re.compile(r"/(?:projects|groups)/[^/?]+"),
    reading=Requirement(scopes=("read_repository", "read_api")),
)
