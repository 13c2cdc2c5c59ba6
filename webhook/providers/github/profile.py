"""GitHub without asking it: github.com, its customers' own hosts, Enterprise Server."""

from __future__ import annotations

import re

from webhook.providers.github.vocabulary import VOCABULARY
from webhook.providers.hosts import Kind
from webhook.providers.profile import Profile
from webhook.providers.requirements import Level, Requirement, Role

# GitHub Enterprise Cloud with data residency. One label before .ghe.com is a tenant's host; api.TENANT.ghe.com and
# deeper names are not.
TENANTS = re.compile(r"[a-z0-9-]+\.ghe\.com")


def _api_url(name: str) -> str:
    if name == "github.com":
        return "https://api.github.com"
    if TENANTS.fullmatch(name):  # these have no /api/v3 (GitHub docs: about data residency)
        return f"https://api.{name}"
    return f"https://{name}/api/v3"


PROFILE = Profile(
    kind=Kind("github"),
    title="GitHub",
    vocabulary=VOCABULARY,
    defaults={
        Role.RUNTIME: Requirement(
            scopes=("repo", "admin:repo_hook"),
            permissions=(
                ("administration", Level.WRITE),
                ("contents", Level.WRITE),
                ("metadata", Level.READ),
                ("repository_hooks", Level.WRITE),
            ),
        ),
        Role.USER: Requirement(
            scopes=("repo",),
            permissions=(("contents", Level.WRITE), ("metadata", Level.READ)),
        ),
    },
    api_url=_api_url,
    hosts=("github.com",),
    tenants=TENANTS,
    tenant_domain="ghe.com",
    # GitHub docs: about-authentication-to-github.
    token_prefixes=("github_pat_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    # Since 2026 installation tokens may be long ones that hold a JWT (GitHub changelog, 2026-04-24): ghs_APPID_eyJ...
    shape_in_text=r"gh[pousr]_[a-z0-9]{30}|ghs_[0-9]+_eyj|github_pat_\w{30}",
    repository_path=re.compile(r"/(?:repos/[^/?]+/[^/?]+|repositories/[0-9]+)(?=[/?]|\Z)"),
    uses_username=False,
    lasting_oauth=True,
    reading_is_certain=True,
)
