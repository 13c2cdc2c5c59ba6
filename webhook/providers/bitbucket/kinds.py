"""The kinds of token that Bitbucket Cloud has, and what is in their nature."""

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
        families: the beginnings of the scopes that it can hold, where that isn't all of them: those of access tokens,
            which belong to a repository, a project or a workspace and to no person.
        reach: what such a token reaches, where that is less than a workspace.
    """

    token_type: str
    described: str
    has_api_scopes: bool = False
    families: frozenset[str] = frozenset()
    reach: str = ""

    @property
    def is_access_token(self) -> bool:
        """Whether it is nobody's, and is shown as bearer alone."""
        return bool(self.families)

    def can_hold(self, scope: str) -> bool:
        """Whether a token of this kind can have been made with a scope of its set."""
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
"""One of the three above, before Bitbucket has told which."""
OAUTH_TOKEN = TokenKind("oauth", "OAuth token")
APP_PASSWORD = TokenKind("app-password", "app password")
OTHER = TokenKind("other", "token")
"""One that Bitbucket calls by a name that this program doesn't know, and whose prefix says nothing."""
UNKNOWN = TokenKind("", "token")
"""Before Bitbucket has told: tokens of OAuth have no prefix."""

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
"""What it says where a request carries no credentials."""


def by_prefix(token: str) -> TokenKind:
    """What a token's first letters say. That of access tokens is general knowledge and documented nowhere."""
    for prefix, kind in (("ATATT", API_TOKEN), ("ATCTT", ACCESS_TOKEN), ("ATBB", APP_PASSWORD)):
        if token.startswith(prefix):
            return kind
    return UNKNOWN


def is_known(credential_type: str) -> bool:
    """Whether this is a value of ``X-Credential-Type`` that tells a kind, or none at all."""
    return not credential_type or credential_type in _BY_CREDENTIAL_TYPE


def told_by(reply: Reply, scopes: tuple[str, ...], guessed: TokenKind) -> TokenKind:
    """Return what Bitbucket says it is; where that is unknown, what its prefix or else its scopes look like."""
    credential_type = credential_type_of(reply)
    told = _BY_CREDENTIAL_TYPE.get(credential_type)
    if told is not None:
        return told
    if guessed is not UNKNOWN:
        return guessed
    if not is_known(credential_type):
        return replace(OTHER, has_api_scopes=any(map(is_of_api_tokens, scopes)))
    return API_TOKEN if any(map(is_of_api_tokens, scopes)) else OAUTH_TOKEN
