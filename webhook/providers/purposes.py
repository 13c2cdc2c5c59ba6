"""The purpose of each kind of request, for readers of the evidence of a verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webhook.providers.findings import Exchange
from webhook.providers.hosts import Kind


@dataclass(frozen=True, slots=True)
class Purpose:
    """The purpose of one kind of request.

    Attributes:
        method: a regular expression.
        path: a regular expression for the beginning of the path.
        tells: what its response shows, as the object of "shows".
    """

    method: str
    path: str
    tells: str

    def matches(self, exchange: Exchange) -> bool:
        """Return whether a request is of this kind."""
        return re.fullmatch(self.method, exchange.method) is not None and re.match(self.path, exchange.path) is not None


_GIT = Purpose("GET", r".*/info/refs\?service=git-", "whether Git can fetch or push there")

PURPOSES: dict[Kind, tuple[Purpose, ...]] = {
    Kind("github"): (
        Purpose("GET", r"/user\Z", "the account of the token; X-OAuth-Scopes lists its scopes"),
        Purpose("GET", r"/user/(repos|orgs)|/installation/repositories", "which repositories the token can access"),
        Purpose("GET", r"/(orgs|users)/[^/]+/installation\Z", "which installation belongs to the owner"),
        Purpose("GET", r"/app\Z", "whether GitHub accepts the key of the App"),
        Purpose("GET", r"/app/installations", "which permissions the installations of the App have"),
        Purpose(
            "GET",
            r"/(repos/[^/]+/[^/]+|repositories/\d+)/installation\Z",
            "which installation belongs to the repository",
        ),
        Purpose("POST", r"/app/installations/\d+/access_tokens", "an installation token, to ask for repositories"),
        Purpose(
            "GET",
            r"/(repos/[^/]+/[^/]+|repositories/\d+)\Z",
            "whether the token can access the repository, and its role",
        ),
        Purpose("GET", r"/.*/hooks", "whether the token can read the webhooks of the repository"),
        Purpose("GET", r"/(repos|repositories)/.*", "whether the token has the permission to read this"),
        Purpose(
            "POST|PUT|PATCH|DELETE",
            r"/.*",
            "whether the token has the permission to write; the request changes nothing",
        ),
    ),
    Kind("gitlab"): (
        Purpose("GET", r"/personal_access_tokens/", "the scopes of the token, and when it expires"),
        Purpose("GET", r".*/oauth/token/info", "the scopes of an OAuth token"),
        Purpose("GET", r"/user\Z", "the account of the token"),
        Purpose("GET", r"/projects/[^/?]+\Z", "whether the token can access the project, and the role of its account"),
        Purpose("GET", r"/projects\?min_access_level", "whether its account has a sufficient role in the project"),
        Purpose("GET", r"/groups/", "the role of its account in the group, and which projects it can access there"),
        Purpose("GET", r"/version", "the version of GitLab"),
        _GIT,
    ),
    Kind("bitbucket"): (
        Purpose("GET", r"/user\Z", "the account of the token; X-OAuth-Scopes lists its scopes"),
        Purpose("GET", r"/user/workspaces/.*/permissions/", "the permission of its account in the repository"),
        Purpose("GET", r"/repositories/", "whether the token can access the repository"),
        Purpose("GET", r"/.*", "which scopes the token has"),
    ),
    Kind("bitbucket-server"): (
        Purpose("GET", r".*/application-properties", "the version of the server; X-AUSERNAME names the account"),
        Purpose("GET", r".*/permissions/users", "PROJECT_ADMIN"),
        Purpose("GET", r".*/webhooks", "REPO_ADMIN"),
        Purpose("GET", r".*/rest/api/1.0/projects/[^/]+/repos/[^/?]+\Z", "REPO_READ"),
        Purpose("GET", r".*/rest/api/1.0/projects/[^/?]+\Z", "PROJECT_READ"),
        Purpose("GET", r".*/rest/api/1.0/", "which projects or repositories the token can access"),
        _GIT,
    ),
    Kind("gitea"): (
        Purpose("GET", r"/token\Z", "the token's scopes"),
        Purpose("GET", r"/version\Z", "the version of the server"),
        Purpose("GET", r"/user\Z", "the account of the token; 403 names a missing scope"),
        Purpose(
            "POST|GET", r"/(repos|orgs|packages)/-", "whether the token has the scope; 403 names the missing scope"
        ),
        Purpose("POST", r"/user/repos", "whether the token has write:user"),
        Purpose(
            "GET", r"/repos/", "whether the token can access the repository, and the permission of its account there"
        ),
        _GIT,
    ),
}
"""By kind of host; the first match counts."""


def tells(kind: Kind, exchange: Exchange) -> str:
    """Return what a request was sent for; empty if that is not known."""
    return next((purpose.tells for purpose in PURPOSES.get(kind, ()) if purpose.matches(exchange)), "")
