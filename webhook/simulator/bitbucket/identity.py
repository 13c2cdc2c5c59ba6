"""Authentication: each kind of token is accepted in one form only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webhook.simulator.bitbucket import replies
from webhook.simulator.bitbucket.model import ACCESS_TOKENS, BitbucketHost, Token, TokenKind
from webhook.simulator.exchange import Call, Credentials, Reply

API_TOKEN_GIT_USER = "x-bitbucket-api-token-auth"  # noqa: S105 - a user name that stands for all of them
ACCESS_TOKEN_GIT_USER = "x-token-auth"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request is from; no token: anonymous."""

    token: Token | None = None

    @property
    def nickname(self) -> str | None:
        """The person behind the token; access tokens have none."""
        return self.token.owner if self.token is not None else None

    @property
    def headers(self) -> dict[str, str]:
        """What every response tells of the credentials, a 403 and a 404 too (recorded)."""
        if self.token is None:
            return {"X-Credential-Type": "unauthenticated_identity"}
        return {"X-Credential-Type": self.token.kind.value, "X-OAuth-Scopes": ", ".join(self.token.scopes)}


ANONYMOUS = Caller()


def identify(host: BitbucketHost, call: Call) -> Caller | Reply:
    """Who calls the REST API, or the refusal of credentials that are bad, or good for Git alone."""
    if not call.header("Authorization"):
        return ANONYMOUS
    credentials = call.credentials()
    token = host.token_presented(credentials) if credentials is not None else None
    if credentials is None or token is None or not is_live(token, host.now()):
        return replies.unauthorized(host.unauthorized_as_text)
    if not _counts_for_api(host, token, credentials):
        return replies.unauthorized(host.unauthorized_as_text)
    return Caller(token)


def identify_for_git(host: BitbucketHost, call: Call) -> Caller | Reply:
    """Who calls as Git does, always with Basic."""
    if not call.header("Authorization"):
        return ANONYMOUS
    credentials = call.credentials()
    token = host.token_presented(credentials) if credentials is not None else None
    if token is not None and token.kind is TokenKind.APP_PASSWORD and not host.accepts_app_passwords:
        return replies.app_password_for_git(host.app_password_git_status)
    if credentials is None or token is None or not is_live(token, host.now()):
        return replies.sign_in()
    return Caller(token) if _counts_for_git(token, credentials) else replies.sign_in()


def is_live(token: Token, now: datetime) -> bool:
    """Neither revoked nor expired; an API token that was made without scopes is of no use to Bitbucket."""
    expired = token.expires_at is not None and token.expires_at <= now
    unscoped = token.kind is TokenKind.API_TOKEN and not token.scopes
    return not (token.revoked or expired or unscoped)


def _counts_for_api(host: BitbucketHost, token: Token, credentials: Credentials) -> bool:
    """API tokens with the e-mail of their owner, app passwords with the nickname, all others as ``Bearer``."""
    if token.kind is TokenKind.API_TOKEN:
        if credentials.scheme == "bearer":
            return host.accepts_bearer_api_tokens
        person = host.accounts[token.owner or ""]
        return credentials.scheme == "basic" and credentials.username.lower() == person.email.lower()
    if token.kind is TokenKind.APP_PASSWORD:
        return host.accepts_app_passwords and credentials.scheme == "basic" and credentials.username == token.owner
    return credentials.scheme == "bearer"


def _counts_for_git(token: Token, credentials: Credentials) -> bool:
    """API tokens with a fixed name or the nickname, never with the e-mail; access and OAuth tokens with theirs."""
    if credentials.scheme != "basic":
        return False
    if token.kind is TokenKind.API_TOKEN:
        return credentials.username in (API_TOKEN_GIT_USER, token.owner)
    if token.kind in ACCESS_TOKENS or token.kind is TokenKind.OAUTH:
        return credentials.username == ACCESS_TOKEN_GIT_USER
    return credentials.username == token.owner
