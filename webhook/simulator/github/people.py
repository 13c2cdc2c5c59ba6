"""Endpoints about the caller, accounts and the API itself."""

from __future__ import annotations

from webhook.simulator.exchange import Reply
from webhook.simulator.github import access, documents, replies
from webhook.simulator.github.model import SCOPED, Repository, Role, TokenKind
from webhook.simulator.github.routing import Ask, Route

NOT_AN_INSTALLATION = (
    "You must authenticate with an installation access token in order to list repositories for an installation."
)
ORGANIZATION_SCOPES = "admin:org, read:org, repo, user, write:org"


def root(ask: Ask) -> Reply:
    names = {"current_user_url": "/user", "rate_limit_url": "/rate_limit", "repository_url": "/repos/{owner}/{repo}"}
    return Reply.json(200, {name: ask.api + path for name, path in names.items()})


def meta(ask: Ask) -> Reply:
    if ask.host.variant == "server":
        return Reply.json(200, {"verifiable_password_authentication": True, "installed_version": ask.host.version})
    networks = {"hooks": ["192.30.252.0/22"], "git": ["140.82.112.0/20"], "api": ["140.82.112.0/20"]}
    return Reply.json(200, {"verifiable_password_authentication": False, **networks})


def user(ask: Ask) -> Reply:
    """Return the user of the token. An installation has no user, so it gets 403."""
    if ask.caller.anonymous:
        return replies.requires_authentication()
    person = ask.host.account(ask.caller.login) if ask.caller.login is not None else None
    if person is None:
        return replies.not_accessible("integration")
    return Reply.json(200, documents.user(ask.host, person, ask.api))


def user_by_login(ask: Ask) -> Reply:
    person = ask.host.account(ask.params["user"])
    return replies.not_found() if person is None else Reply.json(200, documents.user(ask.host, person, ask.api))


def organization(ask: Ask) -> Reply:
    known = ask.host.account(ask.params["org"])
    if known is None or known.type != "Organization":
        return replies.not_found()
    forbidden = access.policy_refusal(ask.host, ask.caller, known.login, ask.call)
    return forbidden or Reply.json(200, documents.organization(ask.host, known, ask.api))


def organization_repositories(ask: Ask) -> Reply:
    known = ask.host.account(ask.params["org"])
    if known is None or known.type != "Organization":
        return replies.not_found()
    forbidden = access.policy_refusal(ask.host, ask.caller, known.login, ask.call)
    if forbidden is not None:
        return forbidden
    wanted = ask.call.query.get("type", "all")
    found = [
        one
        for one in ask.host.repositories.values()
        if one.owner == known.login and access.sees(ask.host, ask.caller, one) and _has_visibility(one, wanted)
    ]
    return _listing(ask, found)


def own_repositories(ask: Ask) -> Reply:
    """``GET /user/repos``: where the user has an explicit role, as far as the token may know."""
    token = ask.caller.token
    if ask.caller.anonymous:
        return replies.requires_authentication()
    if token is None or token.owner is None:
        return replies.not_accessible("integration")
    query = ask.call.query
    if "type" in query and ("visibility" in query or "affiliation" in query):
        message = "If you specify visibility or affiliation, you cannot specify type."
        return replies.validation_failed("Search", message)
    affiliation = query.get("affiliation", "owner,collaborator,organization_member").split(",")
    hidden: set[int] = set()
    found = []
    for one in ask.host.repositories.values():
        account = ask.host.account(one.owner)
        if account is not None and access.unauthorized_for(account, token):
            hidden.add(account.id)
            continue
        if not _has_visibility(one, query.get("visibility", query.get("type", "all"))):
            continue
        if _affiliation(ask, one) in affiliation and _is_listed(ask, one):
            if access.policy_refusal(ask.host, ask.caller, one.owner, ask.call) is None:
                found.append(one)
    reply = _listing(ask, found)
    if hidden:
        ids = ",".join(str(number) for number in sorted(hidden))
        reply = reply.with_headers({"X-GitHub-SSO": f"partial-results; organizations={ids}"})
    return reply


def _has_visibility(repository: Repository, wanted: str) -> bool:
    if wanted not in ("public", "private"):
        return True
    return repository.private == (wanted == "private")


def _affiliation(ask: Ask, repository: Repository) -> str | None:
    if ask.host.role(ask.caller.login, repository) is Role.NONE:
        return None
    if repository.owner == ask.caller.login:
        return "owner"
    account = ask.host.account(repository.owner)
    return "organization_member" if account is not None and ask.caller.login in account.members else "collaborator"


def _is_listed(ask: Ask, repository: Repository) -> bool:
    token = ask.caller.token
    if token is None or token.kind in SCOPED or not ask.host.lists_unselected_repositories:
        return access.sees(ask.host, ask.caller, repository)
    return True


def _listing(ask: Ask, repositories: list[Repository]) -> Reply:
    shown, headers = ask.page(sorted(repositories, key=lambda one: one.full_name.lower()))
    return Reply.json(200, [documents.repository(ask.host, ask.caller, one, ask.api) for one in shown], headers)


def installation_repositories(ask: Ask) -> Reply:
    """``GET /installation/repositories``: the one listing that an installation token has."""
    token = ask.caller.token
    if token is None or token.kind is not TokenKind.INSTALLATION:
        if ask.caller.anonymous:
            return replies.requires_authentication()
        return replies.error(403, NOT_AN_INSTALLATION)
    installation = ask.host.installations[token.installation_id or 0]
    forbidden = access.policy_refusal(ask.host, ask.caller, installation.account, ask.call)
    if forbidden is not None:
        return forbidden
    found = [
        one for one in ask.host.repositories.values() if access.reached_permissions(ask.host, token, one) is not None
    ]
    shown, headers = ask.page(sorted(found, key=lambda one: one.full_name.lower()))
    document = {
        "total_count": len(found),
        "repository_selection": installation.repository_selection,
        "repositories": [documents.repository(ask.host, ask.caller, one, ask.api) for one in shown],
    }
    return Reply.json(200, document, headers)


ROUTES = (
    Route("GET", "/", root),
    Route("GET", "/meta", meta),
    Route("GET", "/user", user),
    Route("GET", "/user/repos", own_repositories),
    Route("GET", "/users/{user}", user_by_login),
    Route("GET", "/orgs/{org}", organization, accepted_scopes=ORGANIZATION_SCOPES),
    Route("GET", "/orgs/{org}/repos", organization_repositories, accepted_scopes=ORGANIZATION_SCOPES),
    Route("GET", "/installation/repositories", installation_repositories),
)
