"""The profile of Bitbucket Server and Data Center: names of permissions, token shape, default requirements."""

from __future__ import annotations

import re

from webhook.providers.hosts import Kind
from webhook.providers.profile import Profile
from webhook.providers.requirements import Level, Requirement, Role
from webhook.providers.vocabulary import Vocabulary

PROJECT, REPOSITORY = "project", "repository"

LEVELS = {
    f"{name}_{level.upper()}": (resource, level)
    for name, resource in (("PROJECT", PROJECT), ("REPO", REPOSITORY))
    for level in Level
}
"""Bitbucket's names of permissions (Atlassian: HTTP access tokens)."""

# Base64 of an id of twelve digits, a colon and a secret of twenty bytes; newer versions put BBDC- before it. Three
# digits can only become four of these characters, so nothing else looks like it, in any letter case.
_PLAIN_SHAPE = "(?:[mno][dtjz][aeimquycgk][wxyz0-5]){4}o[g-v][a-z0-9+/]{26}"

PROFILE = Profile(
    kind=Kind("bitbucket-server"),
    title="Bitbucket Server",
    vocabulary=Vocabulary(
        levels=LEVELS,
        aliases={f"REPOSITORY_{level.upper()}": f"REPO_{level.upper()}" for level in Level},
    ),
    defaults={
        Role.RUNTIME: Requirement(permissions=((PROJECT, Level.ADMIN), (REPOSITORY, Level.WRITE))),
        Role.USER: Requirement(permissions=((PROJECT, Level.READ), (REPOSITORY, Level.WRITE))),
    },
    api_url=lambda name: f"https://{name}",
    token_prefixes=("BBDC-",),
    shape_in_text=rf"(?<![a-z0-9])(?:bbdc-[a-z0-9+]{{30}}|{_PLAIN_SHAPE})",
    repository_path=re.compile(
        r"/rest/api/(?:1\.0|latest)/projects/[^/?]+/repos/[^/?]+"
        r"|/scm/[^/?]+/[^/?]+?(?:\.git)?(?=/info/refs\?)"
    ),
    reading=Requirement(permissions=((REPOSITORY, Level.READ),)),
)


def display(resource: str, level: Level) -> str:
    """A permission's name: ``REPO_WRITE``."""
    return next(name for name, stated in LEVELS.items() if stated == (resource, level))
