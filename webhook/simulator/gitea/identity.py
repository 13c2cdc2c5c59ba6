"""Authentication: the user of a token, or an anonymous caller."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.simulator.exchange import Call, Credentials
from webhook.simulator.gitea.model import GiteaHost, Token, User


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request is from. Both or none: anonymous."""

    token: Token | None = None
    user: User | None = None

    @property
    def token_name(self) -> str | None:
        """For the record of changes: the token's name in the world."""
        return None if self.token is None else self.token.name


ANONYMOUS = Caller()


def identify(host: GiteaHost, call: Call) -> Caller | None:
    """The caller, or ``None`` for bad credentials: those are worse than none, public data included."""
    if not call.header("Authorization"):
        return ANONYMOUS
    credentials = call.credentials()
    if credentials is None or credentials.scheme not in ("token", "bearer", "basic"):
        return ANONYMOUS
    token = token_presented(host, credentials)
    user = None if token is None or token.revoked else host.user(token.owner)
    return None if user is None else Caller(token, user)


def token_presented(host: GiteaHost, credentials: Credentials) -> Token | None:
    """Basic takes a token as password, or as user name with ``x-oauth-basic`` or nothing for a password."""
    secret = credentials.secret
    if credentials.scheme == "basic" and secret in ("", "x-oauth-basic"):
        secret = credentials.username
    return host.token_presented(secret)
