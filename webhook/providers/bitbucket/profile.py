"""The profile of Bitbucket Cloud: host, token prefixes and default requirements."""

from __future__ import annotations

import re

from webhook.providers.bitbucket.vocabulary import VOCABULARY
from webhook.providers.hosts import Kind
from webhook.providers.profile import Profile
from webhook.providers.requirements import Requirement, Role

# As Bitbucket's pages call them: Account: Read, Workspace membership: Read, Webhooks: Read and write, Repositories:
# Write (which includes Read) and Admin. API tokens have other scopes for the same (`vocabulary.in_words_of`).
_NEEDED = Requirement(scopes=("account", "team", "webhook", "repository:write", "repository:admin"))

PROFILE = Profile(
    kind=Kind("bitbucket"),
    title="Bitbucket Cloud",
    vocabulary=VOCABULARY,
    defaults={Role.RUNTIME: _NEEDED, Role.USER: _NEEDED},
    api_url=lambda name: "https://api.bitbucket.org/2.0" if name == "bitbucket.org" else f"https://{name}/2.0",
    hosts=("bitbucket.org",),
    token_prefixes=("ATATT", "ATCTT", "ATBB"),  # API tokens, access tokens, app passwords
    shape_in_text=r"(?<![a-z0-9])at(?:att|ctt|bb)[a-z0-9]{24}",
    repository_path=re.compile(r"/repositories/[^/?]+/[^/?]+"),
    reading=Requirement(scopes=("repository",)),
)
