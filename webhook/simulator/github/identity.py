"""Authentication: the user of a token, an App with a JSON Web Token signed by its key, or an anonymous caller."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.github import replies
from webhook.simulator.github.model import App, GitHubHost, Token, TokenKind

# GitHub docs, "Generating a JSON web token": at most ten minutes ahead. A little more is let pass for rounding.
LONGEST_ASSERTION = 600 + 5


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request is from. All empty: anonymous."""

    token: Token | None = None
    app: App | None = None

    @property
    def anonymous(self) -> bool:
        return self.token is None and self.app is None

    @property
    def login(self) -> str | None:
        """The person behind a token."""
        return self.token.owner if self.token is not None else None

    @property
    def name(self) -> str | None:
        """For the request log: the token's name in the world, or the App's."""
        if self.token is not None:
            return self.token.name
        return f"app:{self.app.slug}" if self.app is not None else None

    @property
    def actor(self) -> str:
        """GitHub's word for it in refusals."""
        if self.token is not None and self.token.kind is TokenKind.FINE_GRAINED:
            return "personal access token"
        return "integration"


ANONYMOUS = Caller()


def identify(host: GitHubHost, call: Call) -> Caller | Reply:
    """The caller, or the refusal of bad credentials."""
    if not call.header("Authorization"):
        return ANONYMOUS
    credentials = call.credentials()
    if credentials is None:
        return replies.bad_credentials()
    token = host.token_presented(credentials)
    if token is not None:
        return _by_token(host, token)
    if credentials.scheme == "bearer" and credentials.secret.count(".") == 2 and credentials.secret.startswith("ey"):
        return _by_assertion(host, credentials.secret)
    return replies.bad_credentials()


def _by_token(host: GitHubHost, token: Token) -> Caller | Reply:
    if not is_live(token, host.now()):
        return replies.bad_credentials()
    if token.kind is TokenKind.INSTALLATION and token.installation_id not in host.installations:
        return replies.bad_credentials()
    if token.requires_otp:
        return replies.one_time_password()
    return Caller(token=token)


def is_live(token: Token, now: datetime) -> bool:
    """A refresh token is live too, but never a credential of the API."""
    expired = token.expires_at is not None and token.expires_at <= now
    return not (token.revoked or expired or token.kind is TokenKind.REFRESH)


def _by_assertion(host: GitHubHost, assertion: str) -> Caller | Reply:
    """RS256 over ``iss`` (App id or client id), ``iat`` and ``exp``; GitHub checks the claims one by one."""
    claims = _unverified_claims(assertion)
    if claims is None:
        return replies.error(401, "A JSON web token could not be decoded")
    issuer = claims.get("iss")
    if issuer is None:
        return replies.error(401, "Missing 'issuer' claim ('iss')")
    app = next((app for app in host.apps.values() if str(issuer) in (str(app.id), app.client_id)), None)
    if app is None:
        return replies.error(404, "Integration not found")
    try:
        jws.deserialize_compact(assertion, RSAKey.import_key(app.public_key or ""), algorithms=["RS256"])
    except (JoseError, ValueError):
        return replies.error(401, "A JSON web token could not be decoded")
    now = host.now().timestamp()
    issued, expires = claims.get("iat"), claims.get("exp")
    if not _is_number(issued) or issued > now + 30:
        about_issued = "an Integer representing the time that the assertion was issued"
        return replies.error(401, f"'Issued at' claim ('iat') must be {about_issued}")
    if not _is_number(expires) or expires <= now:
        about_expiry = "a numeric value representing the future time at which the assertion expires"
        return replies.error(401, f"'Expiration time' claim ('exp') must be {about_expiry}")
    if expires > now + LONGEST_ASSERTION:
        return replies.error(401, "'Expiration time' claim ('exp') is too far in the future")
    return Caller(app=app)


def _unverified_claims(assertion: str) -> dict[str, Any] | None:
    payload = assertion.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError):
        return None
    return claims if isinstance(claims, dict) else None


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
