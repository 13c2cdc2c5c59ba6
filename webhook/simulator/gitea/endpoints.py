"""The API's endpoints: at least one for each category of scopes. A valid write really changes the record."""

from __future__ import annotations

import re

from webhook.simulator.exchange import Reply
from webhook.simulator.gitea import documents, replies
from webhook.simulator.gitea.model import Hook, Repository, Role
from webhook.simulator.gitea.routing import Ask, Route

REPOSITORY_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


def version(ask: Ask) -> Reply:
    """Forgejo adds the Gitea that it is compatible with."""
    forgejo = ask.host.flavour == "forgejo"
    return Reply.json(200, {"version": f"{ask.host.version}+gitea-1.22.0" if forgejo else ask.host.version})


def user(ask: Ask) -> Reply:
    return Reply.json(200, documents.user(ask.user, ask.site))


def user_by_login(ask: Ask) -> Reply:
    known = ask.host.user(ask.params["user"])
    return replies.not_found(ask.site) if known is None else Reply.json(200, documents.user(known, ask.site))


def tokens(ask: Ask) -> Reply:
    """Return the tokens of a caller with a password: a token can list neither the others nor itself."""
    known = ask.host.user(ask.params["user"])
    if known is None:
        return replies.not_found(ask.site)
    if ask.caller.user is not known and (ask.caller.user is None or not ask.caller.user.admin):
        return replies.error(403, "doer should be the site admin or be same as the contextUser", ask.site)
    return replies.error(401, "auth required", ask.site)


def own_token(ask: Ask) -> Reply:
    """Whatever it holds (``routers/api/v1/token/token.go``, in Gitea's source of 2026)."""
    token = ask.caller.token
    if token is None or not ask.host.tells_of_tokens:
        return replies.not_found(ask.site)
    person = {"id": ask.user.id, "login": ask.user.login}
    return Reply.json(200, {"id": 1, "name": token.name, "scopes": list(token.scopes), "user": person})


def own_organizations(ask: Ask) -> Reply:
    login = ask.user.login
    found = [documents.organization(one) for one in ask.host.organizations.values() if login in one.owners]
    return ask.page(found)


def organization(ask: Ask) -> Reply:
    known = ask.host.organization(ask.params["org"])
    return replies.not_found(ask.site) if known is None else Reply.json(200, documents.organization(known))


def own_repositories(ask: Ask) -> Reply:
    """A token for what is public is shown the public ones."""
    token = ask.caller.token
    found = [
        documents.repository(ask.host, one, ask.user, ask.site)
        for one in ask.host.repositories.values()
        if ask.host.role(ask.user, one) > Role.READ and not (one.private and token is not None and token.public_only)
    ]
    return ask.page(found)


def create_repository(ask: Ask) -> Reply:
    return _create_repository(ask, ask.user.login)


def create_organization_repository(ask: Ask) -> Reply:
    known = ask.host.organization(ask.params["org"])
    if known is None:
        return replies.not_found(ask.site)
    if ask.user.login not in known.owners:
        return replies.error(403, "Given user is not allowed to create repository in organization.", ask.site)
    return _create_repository(ask, known.name)


def _create_repository(ask: Ask, owner: str) -> Reply:
    body = ask.body()
    if isinstance(body, Reply):
        return body
    name = body.get("name")
    if not isinstance(name, str) or not name:
        return replies.invalid("Name", "Required", ask.site)
    if not REPOSITORY_NAME.fullmatch(name):
        return replies.invalid("Name", "AlphaDashDot", ask.site)
    if ask.host.repository(owner, name) is not None:
        return replies.error(409, "The repository with the same name already exists.", ask.site)
    created = Repository(owner=owner, name=name, id=ask.host.next_id(), private=bool(body.get("private")))
    ask.host.add(created)
    ask.host.record("repository created", created.full_name, ask.caller.token_name)
    return Reply.json(201, documents.repository(ask.host, created, ask.user, ask.site))


def repository(ask: Ask) -> Reply:
    caller = ask.caller
    return Reply.json(200, documents.repository(ask.host, ask.repository, caller.user, ask.site, caller.token))


def hooks(ask: Ask) -> Reply:
    return ask.page([documents.hook(one) for one in ask.repository.hooks])


def create_hook(ask: Ask) -> Reply:
    body = ask.body()
    if isinstance(body, Reply):
        return body
    for member, field in (("type", "Type"), ("config", "Config")):
        if not body.get(member):
            return replies.invalid(field, "Required", ask.site)
    config = body["config"] if isinstance(body["config"], dict) else {}
    for option in ("url", "content_type"):
        if not config.get(option):
            return replies.error(422, f"Missing config option: {option}", ask.site)
    hook = Hook(id=ask.host.next_id(), url=str(config["url"]), type=str(body["type"]))
    ask.repository.hooks.append(hook)
    ask.host.record(f"hook {hook.id} created", ask.repository.full_name, ask.caller.token_name)
    return Reply.json(201, documents.hook(hook))


def nothing(ask: Ask) -> Reply:
    """An empty list: notifications and issues are no part of this world, permission to see them is."""
    return ask.page([])


def packages(ask: Ask) -> Reply:
    """None here, of those who are there."""
    owner = ask.params["owner"]
    known = ask.host.user(owner) or ask.host.organization(owner)
    return replies.not_found(ask.site) if known is None else ask.page([])


def all_users(ask: Ask) -> Reply:
    if not ask.user.admin:
        return replies.error(403, "user should be the site admin", ask.site)
    return ask.page([documents.user(one, ask.site) for one in ask.host.users.values()])


REPOSITORY = "/repos/{owner}/{repo}"
ROUTES = (
    Route("GET", "/version", version),
    Route("GET", "/token", own_token, signed_in=True),
    Route("GET", "/user", user, (("user",),), signed_in=True),
    Route("GET", "/user/orgs", own_organizations, (("user", "organization"),), signed_in=True),
    Route("GET", "/user/repos", own_repositories, (("user",), ("repository",)), signed_in=True),
    Route("POST", "/user/repos", create_repository, (("user",), ("repository",)), signed_in=True),
    Route("GET", "/users/{user}", user_by_login, (("user",),)),
    Route("GET", "/users/{user}/tokens", tokens, (("user",),)),
    Route("GET", "/orgs/{org}", organization, (("organization",),)),
    Route(
        "POST", "/orgs/{org}/repos", create_organization_repository, (("organization", "repository"),), signed_in=True
    ),
    Route("GET", "/notifications", nothing, (("notification",),), signed_in=True),
    Route("GET", "/packages/{owner}", packages, (("package",),), signed_in=True),
    Route("GET", "/admin/users", all_users, (("admin",),), signed_in=True),
    Route("GET", REPOSITORY, repository, (("repository",),), role=Role.READ),
    Route("GET", f"{REPOSITORY}/issues", nothing, (("issue",),), role=Role.READ),
    Route("GET", f"{REPOSITORY}/hooks", hooks, (("repository",),), signed_in=True, role=Role.ADMIN),
    Route("POST", f"{REPOSITORY}/hooks", create_hook, (("repository",),), signed_in=True, role=Role.ADMIN),
)
