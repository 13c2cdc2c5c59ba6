"""What each kind of request tells about a token: for people who read the evidence of a verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webhook.providers.findings import Exchange
from webhook.providers.hosts import Kind


@dataclass(frozen=True, slots=True)
class Purpose:
    """What one kind of request is sent for.

    Attributes:
        method: a regular expression.
        path: a regular expression for the beginning of the path.
        tells: what its answer tells; stands after "tells".
    """

    method: str
    path: str
    tells: str

    def matches(self, exchange: Exchange) -> bool:
        """Whether a request is of this kind."""
        return re.fullmatch(self.method, exchange.method) is not None and re.match(self.path, exchange.path) is not None


_GIT = Purpose("GET", r".*/info/refs\?service=git-", "whether Git may fetch or push there")

PURPOSES: dict[Kind, tuple[Purpose, ...]] = {
    Kind("github"): (
        Purpose("GET", r"/user\Z", "whose token it is; X-OAuth-Scopes lists its scopes"),
        Purpose("GET", r"/user/(repos|orgs)|/installation/repositories", "which repositories the token reaches"),
        Purpose("GET", r"/(orgs|users)/[^/]+/installation\Z", "which installation is the owner's"),
        Purpose("GET", r"/app\Z", "whether GitHub accepts the App's key"),
        Purpose("GET", r"/app/installations", "what the App's installations were granted"),
        Purpose(
            "GET", r"/(repos/[^/]+/[^/]+|repositories/\d+)/installation\Z", "which installation is the repository's"
        ),
        Purpose("POST", r"/app/installations/\d+/access_tokens", "an installation token, to ask for repositories"),
        Purpose(
            "GET", r"/(repos/[^/]+/[^/]+|repositories/\d+)\Z", "whether the token sees the repository, and its role"
        ),
        Purpose("GET", r"/.*/hooks", "whether it may read the repository's webhooks"),
        Purpose("GET", r"/(repos|repositories)/.*", "whether it holds the permission that this needs to read"),
        Purpose(
            "POST|PUT|PATCH|DELETE", r"/.*", "whether it holds the permission to write; the request changes nothing"
        ),
    ),
    Kind("gitlab"): (
        Purpose("GET", r"/personal_access_tokens/", "what the token may do, and when it expires"),
        Purpose("GET", r".*/oauth/token/info", "the scopes of an OAuth token"),
        Purpose("GET", r"/user\Z", "whose token it is"),
        Purpose("GET", r"/projects/[^/?]+\Z", "whether the token sees the project, and its account's role"),
        Purpose("GET", r"/projects\?min_access_level", "whether its account may work on the project"),
        Purpose("GET", r"/groups/", "its account's role in the group, and what it reaches there"),
        Purpose("GET", r"/version", "which version of GitLab it is"),
        _GIT,
    ),
    Kind("bitbucket"): (
        Purpose("GET", r"/user\Z", "whose token it is; X-OAuth-Scopes lists its scopes"),
        Purpose("GET", r"/user/workspaces/.*/permissions/", "what its account may do in the repository"),
        Purpose("GET", r"/repositories/", "whether the token sees the repository"),
        Purpose("GET", r"/.*", "which scopes the token has"),
    ),
    Kind("bitbucket-server"): (
        Purpose("GET", r".*/application-properties", "which version it is; X-AUSERNAME names who signed in"),
        Purpose("GET", r".*/permissions/users", "PROJECT_ADMIN"),
        Purpose("GET", r".*/webhooks", "REPO_ADMIN"),
        Purpose("GET", r".*/rest/api/1.0/projects/[^/]+/repos/[^/?]+\Z", "REPO_READ"),
        Purpose("GET", r".*/rest/api/1.0/projects/[^/?]+\Z", "PROJECT_READ"),
        Purpose("GET", r".*/rest/api/1.0/", "which projects or repositories the token reaches"),
        _GIT,
    ),
    Kind("gitea"): (
        Purpose("GET", r"/token\Z", "the token's scopes"),
        Purpose("GET", r"/version\Z", "which version it is"),
        Purpose("GET", r"/user\Z", "whose token it is; 403 names a scope that it lacks"),
        Purpose("POST|GET", r"/(repos|orgs|packages)/-", "whether it has the scope; 403 names the one that it lacks"),
        Purpose("POST", r"/user/repos", "whether it has write:user"),
        Purpose("GET", r"/repos/", "whether the token sees the repository, and what its account may do there"),
        _GIT,
    ),
}
"""By kind; the first that matches counts."""


def tells(kind: Kind, exchange: Exchange) -> str:
    """Return what a request was sent for; empty where nobody has written that down."""
    return next((purpose.tells for purpose in PURPOSES.get(kind, ()) if purpose.matches(exchange)), "")
