"""Authorization: organisation policies, scopes, permissions and roles, in the order of GitHub's checks."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.github import replies
from webhook.simulator.github.identity import Caller
from webhook.simulator.github.model import (
    LEVELS,
    SCOPED,
    Account,
    GitHubHost,
    Installation,
    Level,
    Permissions,
    Repository,
    Role,
    Token,
    TokenKind,
)


@dataclass(frozen=True, slots=True)
class Need:
    """What an endpoint of a repository asks for, in every kind of credential's own terms."""

    permission: str
    level: Level = "read"
    role: Role = Role.READ
    """Least role of the person behind the token."""
    scopes: tuple[str, ...] = ("repo",)
    """Any one of these, of a classic or OAuth token on a private repository."""
    public_scopes: tuple[str, ...] = ()
    """The same on a public one; none: no scope needed."""
    person_refused: str | None = None
    """The message for a user whose role is too low; ``None``: 404, as for hooks and keys."""
    open_to_all: bool = False
    """Every caller may read it of a public repository, with any token."""
    without_repo_scope: bool = False
    """The listed scopes suffice even where the repository itself is invisible (``admin:repo_hook`` alone)."""

    @property
    def accepted_permissions(self) -> str:
        """The value of ``X-Accepted-GitHub-Permissions``."""
        return f"{self.permission}={self.level}"


def policy_refusal(host: GitHubHost, caller: Caller, owner: str, call: Call) -> Reply | None:
    """What an organisation's owners forbid, however much the token holds."""
    account, token = host.account(owner), caller.token
    if account is None or account.type != "Organization" or token is None:
        return None
    if account.ip_allow_list is not None and not _listed(call.peer, account.ip_allow_list):
        return replies.address_forbidden(account.login)
    if token.kind is TokenKind.CLASSIC and account.forbids_classic:
        return replies.classic_forbidden(account.login)
    if token.kind is TokenKind.OAUTH and account.restricts_oauth_apps:
        return replies.oauth_app_forbidden(account.login)
    if token.kind is TokenKind.FINE_GRAINED and _lives_too_long(token, account):
        return replies.lifetime_forbidden(account.login, account.fine_grained_max_days or 0, _number_of(token))
    if unauthorized_for(account, token):
        return replies.saml_required(account.login, hashlib.sha256(token.name.encode()).hexdigest()[:32].upper())
    return None


def unauthorized_for(account: Account, token: Token) -> bool:
    """SAML concerns members, with tokens that are authorised after they are made; Apps and fine-grained are exempt."""
    return (
        account.saml
        and token.kind in SCOPED
        and token.owner in account.members
        and account.login not in token.sso_authorized
    )


def _listed(peer: str, networks: list[str]) -> bool:
    address = ipaddress.ip_address(peer)
    return any(address in ipaddress.ip_network(network) for network in networks)


def _lives_too_long(token: Token, account: Account) -> bool:
    if account.fine_grained_max_days is None or (token.resource_owner or token.owner) != account.login:
        return False
    if token.expires_at is None or token.created_at is None:
        return token.expires_at is None
    return (token.expires_at - token.created_at).days > account.fine_grained_max_days


def _number_of(token: Token) -> int:
    return int.from_bytes(hashlib.sha256(token.name.encode()).digest()[:3], "big")


def reached_permissions(host: GitHubHost, token: Token, repository: Repository) -> Permissions | None:
    """What a permission-bearing token holds on a repository; ``None`` where it doesn't reach it at all."""
    if token.kind is TokenKind.FINE_GRAINED:
        owner = token.resource_owner or token.owner or ""
        approved = token.approval == "approved" and owner.lower() == repository.owner.lower()
        chosen = token.repository_selection == "all" or _named(repository, token.repositories)
        return token.permissions if approved and chosen and token.repository_selection != "public" else None
    for installation in _installations_of(host, token):
        if installation.account.lower() == repository.owner.lower() and covers(installation, repository):
            if token.kind is TokenKind.APP_USER:
                return installation.permissions
            narrowed = token.repository_selection == "selected" and not _named(repository, token.repositories)
            return None if narrowed else token.permissions
    return None


def covers(installation: Installation, repository: Repository) -> bool:
    """Whether an installation includes a repository of its account."""
    return installation.repository_selection == "all" or _named(repository, installation.repositories)


def _named(repository: Repository, full_names: list[str]) -> bool:
    return repository.full_name.lower() in (name.lower() for name in full_names)


def _installations_of(host: GitHubHost, token: Token) -> list[Installation]:
    if token.kind is TokenKind.INSTALLATION:
        installation = host.installations.get(token.installation_id or 0)
        return [installation] if installation is not None else []
    return [one for one in host.installations.values() if one.app_id == token.app_id and one.suspended_at is None]


def sees(host: GitHubHost, caller: Caller, repository: Repository) -> bool:
    """Return whether a repository exists for the caller."""
    token = caller.token
    if not repository.private:
        return True
    if token is None:
        return False
    if token.kind in SCOPED:
        return "repo" in token.holds and host.role(token.owner, repository) >= Role.READ
    if not reached_permissions(host, token, repository):
        return False
    return token.kind is TokenKind.INSTALLATION or host.role(token.owner, repository) >= Role.READ


def refusal(host: GitHubHost, caller: Caller, repository: Repository, need: Need, call: Call) -> Reply | None:
    """Why the caller may not, or ``None`` if it may."""
    token = caller.token
    role = host.role(caller.login, repository)
    if not repository.private or role >= Role.READ or (token is not None and token.kind is TokenKind.INSTALLATION):
        forbidden = policy_refusal(host, caller, repository.owner, call)
        if forbidden is not None:
            return forbidden
    if token is None:
        return _refusal_without_token(caller, repository, need)
    if repository.blocked is not None and sees(host, caller, repository):
        return replies.blocked(repository.blocked)
    if token.kind in SCOPED:
        refused = _refusal_by_scopes(host, caller, token, repository, need)
    else:
        refused = _refusal_by_permissions(host, caller, token, repository, need)
    if refused is None and repository.archived and need.level != "read":
        return replies.archived()
    return refused


def _role_for(host: GitHubHost, token: Token, repository: Repository, need: Need) -> Role:
    """The role of the person behind a token, where a custom role may manage webhooks beyond it."""
    if need.permission == "repository_hooks" and token.owner in repository.hook_managers:
        return Role.ADMIN
    return host.role(token.owner, repository)


def _refusal_without_token(caller: Caller, repository: Repository, need: Need) -> Reply | None:
    if repository.private:
        return replies.not_found()
    if need.open_to_all and need.level == "read":
        return None
    return replies.not_accessible("integration") if caller.app is not None else replies.requires_authentication()


def _refusal_by_scopes(
    host: GitHubHost, caller: Caller, token: Token, repository: Repository, need: Need
) -> Reply | None:
    wanted = need.scopes if repository.private else need.public_scopes
    has_scope = not wanted or not token.holds.isdisjoint(wanted)
    role = _role_for(host, token, repository, need)
    if not sees(host, caller, repository) and not (need.without_repo_scope and has_scope and role >= Role.READ):
        return replies.not_found()
    if has_scope and (role >= need.role or (need.open_to_all and not repository.private)):
        return None
    return replies.not_found() if need.person_refused is None else replies.error(403, need.person_refused)


def _refusal_by_permissions(
    host: GitHubHost, caller: Caller, token: Token, repository: Repository, need: Need
) -> Reply | None:
    if not sees(host, caller, repository):
        return replies.not_found()
    if need.open_to_all and not repository.private and need.level == "read":
        return None  # which is why a public repository proves nothing about a token
    held = (reached_permissions(host, token, repository) or {}).get(need.permission)
    if held is None or LEVELS.index(held) < LEVELS.index(need.level):
        return replies.not_accessible(caller.actor)
    if token.kind is TokenKind.INSTALLATION or _role_for(host, token, repository, need) >= need.role:
        return None
    return replies.not_found() if need.person_refused is None else replies.error(403, need.person_refused)
