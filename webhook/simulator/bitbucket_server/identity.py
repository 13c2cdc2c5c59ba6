"""Authentication: the user of a token, or the service user of a project's or repository's token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webhook.simulator.bitbucket_server import replies
from webhook.simulator.bitbucket_server.model import BitbucketServerHost, Token, TokenKind, User
from webhook.simulator.exchange import Call, Credentials, Reply


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request is from. All empty: anonymous."""

    token: Token | None = None
    user: User | None = None
    """The person; projects' and repositories' tokens have none."""
    name: str = ""
    """What ``X-AUSERNAME`` says."""
    id: int = 0

    @property
    def anonymous(self) -> bool:
        return self.token is None

    @property
    def token_name(self) -> str | None:
        """For the record of changes: the token's name in the world."""
        return None if self.token is None else self.token.name


ANONYMOUS = Caller()


def identify(host: BitbucketServerHost, call: Call, *, takes_tokens: bool = True) -> Caller | Reply:
    """The caller, or the refusal of bad credentials. Counts bad passwords, so call it once for each request.

    Where tokens aren't taken, one in the place of a password is a bad password, and as Bearer it is looked over.
    """
    credentials = call.credentials()
    if credentials is None or credentials.scheme not in ("basic", "bearer"):
        return ANONYMOUS
    if credentials.scheme == "basic":
        return _by_password(host, credentials, takes_tokens)
    if not takes_tokens:
        return ANONYMOUS
    caller = holder(host, credentials.secret)
    if caller is None:
        return ANONYMOUS if host.ignores_bad_tokens else replies.not_authenticated()
    return _licensed(caller)


def _by_password(host: BitbucketServerHost, credentials: Credentials, takes_tokens: bool) -> Caller | Reply:
    """A token takes the place of the password, together with its owner's name; only people's tokens do."""
    user = host.user_signing_in(credentials.username)
    if user is None:
        return replies.not_authenticated()
    if host.is_locked(user):
        return replies.captcha_required()
    caller = holder(host, credentials.secret) if takes_tokens else None
    if caller is None or caller.user is not user:
        user.failed_logins += 1
        return replies.not_authenticated()
    user.failed_logins = 0
    return _licensed(caller)


def _licensed(caller: Caller) -> Caller | Reply:
    if caller.user is not None and caller.user.global_permission is None:
        return replies.not_licensed()
    return caller


def holder(host: BitbucketServerHost, secret: str) -> Caller | None:
    """Whose a good token is; ``None`` for one that is unknown, revoked, expired or has lost its owner."""
    token = host.token_presented(secret)
    if token is None or not is_live(token, host.now()):
        return None
    match token.kind:
        case TokenKind.USER:
            user = host.user(token.owner)
            return Caller(token, user, user.name, user.id) if user is not None and user.active else None
        case TokenKind.PROJECT:
            project = host.project(token.owner)
            return None if project is None else _service_user(token, 1, project.id)
        case TokenKind.REPOSITORY:
            repository = host.repository(*token.owner.split("/", 1))
            return None if repository is None else _service_user(token, 2, repository.id)


def _service_user(token: Token, scope: int, number: int) -> Caller:
    """All tokens of one project or repository share a user of type ``SERVICE``.

    Its name is recorded for repositories (``access-token-user/2/11754``, on 9.4 and in the documents of tokens); that
    projects have 1 in place of 2 is an assumption.
    """
    return Caller(token, None, f"access-token-user/{scope}/{number}", scope * 10_000 + number)


def is_live(token: Token, now: datetime) -> bool:
    return not token.revoked and (token.expires_at is None or token.expires_at > now)
