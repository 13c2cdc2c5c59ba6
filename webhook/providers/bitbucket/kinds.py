"""The kinds of token that Bitbucket Cloud has, and what each can hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

from webhook.providers.base import Reply
from webhook.providers.bitbucket.replies import credential_type_of
from webhook.providers.bitbucket.vocabulary import is_of_api_tokens


@dataclass(frozen=True, slots=True)
class TokenKind:
    """One kind of token.

    Attributes:
        token_type, described: see `findings.Facts`.
        has_api_scopes: its scopes are those of API tokens (see `vocabulary`).
        families: the first parts of the scopes that it can hold; empty if it can hold all. Set for access tokens, which
            belong to a repository, a project or a workspace and not to a user.
        reach: what such a token reaches, if that is less than a workspace.
    """

    token_type: str
    described: str
    has_api_scopes: bool = False
    families: frozenset[str] = frozenset()
    reach: str = ""

    @property
    def is_access_token(self) -> bool:
        """Whether it belongs to no user, and is sent as a bearer token only."""
        return bool(self.families)

    def can_hold(self, scope: str) -> bool:
        """Return whether a token of this kind can be created with a scope."""
        return not self.families or scope.partition(":")[0] in self.families


# Bitbucket docs: repository, project and workspace access token permissions.
_OF_REPOSITORIES = frozenset({"repository", "pullrequest", "webhook", "pipeline", "runner"})
_OF_PROJECTS = _OF_REPOSITORIES | {"project"}

API_TOKEN = TokenKind("api-token", "API token", has_api_scopes=True)
REPOSITORY_TOKEN = TokenKind(
    "repository-access-token", "repository access token", families=_OF_REPOSITORIES, reach="one repository"
)
PROJECT_TOKEN = TokenKind(
    "project-access-token", "project access token", families=_OF_PROJECTS, reach="the repositories of one project"
)
WORKSPACE_TOKEN = TokenKind("workspace-access-token", "workspace access token", families=_OF_PROJECTS)
ACCESS_TOKEN = TokenKind("access-token", "access token", families=_OF_PROJECTS)
"""One of the three above, before a response says which."""
OAUTH_TOKEN = TokenKind("oauth", "OAuth token")
APP_PASSWORD = TokenKind("app-password", "app password")
OTHER = TokenKind("other", "token")
"""A credential type that this program does not know, on a token without a known prefix."""
UNKNOWN = TokenKind("", "token")
"""Before a response says the kind: OAuth tokens have no prefix."""

# Values of `X-Credential-Type`, recorded or measured by others (`oauth2`: drone/go-scm#355).
_BY_CREDENTIAL_TYPE = {
    "api_token": API_TOKEN,
    "repo_access_token": REPOSITORY_TOKEN,
    "project_access_token": PROJECT_TOKEN,
    "workspace_access_token": WORKSPACE_TOKEN,
    "oauth": OAUTH_TOKEN,
    "oauth2": OAUTH_TOKEN,
    "apppassword": APP_PASSWORD,
}
ANONYMOUS = "unauthenticated_identity"
"""The value of ``X-Credential-Type`` for requests without credentials."""


def by_prefix(token: str) -> TokenKind:
    """Return the kind that a token's prefix shows. The prefix of access tokens is known from use, not documented."""
    for prefix, kind in (("ATATT", API_TOKEN), ("ATCTT", ACCESS_TOKEN), ("ATBB", APP_PASSWORD)):
        if token.startswith(prefix):
            return kind
    return UNKNOWN


def is_known(credential_type: str) -> bool:
    """Return whether this value of ``X-Credential-Type`` is one of a known kind, or empty."""
    return not credential_type or credential_type in _BY_CREDENTIAL_TYPE


def kind_of(reply: Reply, scopes: tuple[str, ...], guessed: TokenKind) -> TokenKind:
    """Return the kind that Bitbucket names; if that is unknown, the kind that its prefix or its scopes show."""
    credential_type = credential_type_of(reply)
    named = _BY_CREDENTIAL_TYPE.get(credential_type)
    if named is not None:
        return named
    if guessed is not UNKNOWN:
        return guessed
    if not is_known(credential_type):
        return replace(OTHER, has_api_scopes=any(map(is_of_api_tokens, scopes)))
    return API_TOKEN if any(map(is_of_api_tokens, scopes)) else OAUTH_TOKEN
