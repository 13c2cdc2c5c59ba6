"""Authentication: the user of a token, in the order of GitLab's checks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.gitlab import replies
from webhook.simulator.gitlab.model import Account, GitLabHost, Token, TokenKind


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request is from. All empty: anonymous."""

    token: Token | None = None
    account: Account | None = None

    @property
    def username(self) -> str | None:
        return self.account.username if self.account is not None else None


ANONYMOUS = Caller()


@dataclass(frozen=True, slots=True)
class Scopes:
    """Which classic scopes an endpoint takes: its own, then those of the whole API."""

    own: tuple[str, ...] = ()
    """Only for reading, as ``read_user`` is."""
    any: bool = False
    """Every token, whatever it holds."""
    writing: tuple[str, ...] = ()
    """Also for writing, as ``self_rotate`` is."""

    @property
    def listed(self) -> list[str]:
        """What a refusal names. It doesn't leave out ``read_api`` where only writing was asked for."""
        return [*self.own, *self.writing, "api", "read_api"]

    def let_in(self, held: Iterable[str], method: str) -> bool:
        """Literally: no scope implies another here, each endpoint names all that it takes."""
        reading = (*self.own, "read_api") if method in ("GET", "HEAD") else ()
        return self.any or not {"api", *self.writing, *reading}.isdisjoint(held)


WHOLE_API = Scopes()


def presented(call: Call) -> str | None:
    """The secret that a request shows, wherever it is; for the log only."""
    for name in ("PRIVATE-TOKEN", "JOB-TOKEN", "DEPLOY-TOKEN"):
        if call.header(name):
            return call.header(name)
    credentials = call.credentials()
    return credentials.secret if credentials is not None else None


def find(host: GitLabHost, call: Call) -> Token | Reply | None:
    """Return the token of an API request in any state; ``None`` without one, an error response for an unknown one.

    An OAuth token counts in ``Authorization: Bearer`` only, a personal access token in ``PRIVATE-TOKEN`` as well
    (lib/gitlab/auth/auth_finders.rb). Basic means nothing here.
    """
    credentials = call.credentials()
    bearer = credentials.secret if credentials is not None and credentials.scheme == "bearer" else ""
    if bearer:
        token = host.token_presented(bearer)
        if token is not None and token.kind is TokenKind.OAUTH:
            return token
    secret = call.header("PRIVATE-TOKEN") or bearer
    if not secret:
        return None
    token = host.token_presented(secret)
    if token is None or not token.personal:
        return replies.unauthorized()
    return token


def identify(host: GitLabHost, call: Call, scopes: Scopes) -> Caller | Reply:
    """The caller, or why the token is refused: its state, its scopes, its user and its proof, in this order."""
    token = find(host, call)
    if token is None:
        return ANONYMOUS
    if isinstance(token, Reply):
        return token
    refused = _state_refusal(host, token)
    if refused is not None:
        return refused
    if token.kind is not TokenKind.FINE_GRAINED and not scopes.let_in(token.scopes, call.method):
        return replies.insufficient_scope(scopes.listed)
    account = host.account(token.owner)
    if account is None:
        return replies.unauthorized()
    if account.state != "active":
        return replies.account_refused(account.state, host.name)
    if token.requires_dpop and token.personal:
        return replies.proof_missing()
    return Caller(token, account)


def _state_refusal(host: GitLabHost, token: Token) -> Reply | None:
    if token.expired(host.now()):
        return replies.expired()
    if token.revoked:
        return replies.revoked()
    if token.kind is TokenKind.IMPERSONATION and host.impersonation_disabled:
        return replies.impersonation_disabled()
    return None
