"""May this caller do that: the token's scopes first, then what the person (or the bound token) reaches."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.simulator.bitbucket import replies
from webhook.simulator.bitbucket.identity import Caller
from webhook.simulator.bitbucket.model import ACCESS_TOKENS, BitbucketHost, Permission, Repository, Token, TokenKind
from webhook.simulator.exchange import Reply


@dataclass(frozen=True, slots=True)
class Need:
    """What an endpoint asks for, in both vocabularies of scopes."""

    scope: str
    """The scope of access tokens, OAuth tokens and app passwords; ``X-Accepted-OAuth-Scopes`` names it, too."""
    granular: tuple[str, ...]
    """All of these, of an API token, without their ending ``:bitbucket``."""
    permission: Permission = Permission.READ
    """Least permission in the repository, where the path names one."""
    besides: tuple[str, ...] = ()
    """What the older vocabulary asks for in addition."""

    def required_of(self, token: Token) -> list[str]:
        """In the credential's own vocabulary."""
        if token.kind is TokenKind.API_TOKEN:
            return [f"{scope}:bitbucket" for scope in self.granular]
        return [self.scope, *self.besides]


READ_ACCOUNT = Need("account", ("read:user",))
READ_WORKSPACES = Need("account", ("read:workspace",))
READ_REPOSITORY = Need("repository", ("read:repository",))
WRITE_REPOSITORY = Need("repository:write", ("write:repository",), Permission.WRITE)
READ_HOOKS = Need("webhook", ("read:webhook",), Permission.ADMIN)
# To create a hook, one must also be able to read what it tells of (Bitbucket docs: the scope webhook).
WRITE_HOOKS = Need("webhook", ("read:webhook", "write:webhook"), Permission.ADMIN, besides=("repository",))
DELETE_HOOKS = Need("webhook", ("delete:webhook",), Permission.ADMIN)


def lacks_scopes(caller: Caller, need: Need) -> Reply | None:
    """The refusal of a token that holds too little; it says what is required and what was granted."""
    token = caller.token
    if token is None or token.holds.issuperset(need.required_of(token)):
        return None
    return replies.lacks_scopes(need.required_of(token), token.scopes)


def permission(host: BitbucketHost, caller: Caller, repository: Repository) -> Permission:
    """What the caller may do in a repository as far as it isn't the scopes that count."""
    token = caller.token
    least = Permission.NONE if repository.private else Permission.READ
    if token is None:
        return least
    if token.kind in ACCESS_TOKENS:
        return Permission.ADMIN if reaches(token, repository) else least
    return max(least, host.permission(token.owner, repository))


def reaches(token: Token, repository: Repository) -> bool:
    """Whether an access token was made for a repository, for its project or for its workspace."""
    match token.kind:
        case TokenKind.REPOSITORY:
            return token.bound_to == repository.full_name
        case TokenKind.PROJECT:
            return token.bound_to == f"{repository.workspace}/{repository.project}"
        case _:
            return token.bound_to == repository.workspace


def refusal(host: BitbucketHost, caller: Caller, repository: Repository | None, need: Need) -> Reply | None:
    """Why the caller may not, or ``None`` if it may; a repository that isn't there looks like one out of reach."""
    refused = lacks_scopes(caller, need)
    if refused is not None:
        return refused
    if repository is None:
        return replies.repository_not_found()
    level = permission(host, caller, repository)
    if level is Permission.NONE:
        return replies.repository_not_found() if host.hides_repositories else replies.access_denied(Permission.WRITE)
    if level >= need.permission:
        return None
    if caller.token is None:
        return replies.unauthorized(host.unauthorized_as_text)
    return replies.access_denied(need.permission)
