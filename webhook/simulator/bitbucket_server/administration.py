"""Endpoints of one project or repository, and the lists of tokens. A valid write really changes the record."""

from __future__ import annotations

import re

from webhook.simulator.bitbucket_server import access, documents, replies
from webhook.simulator.bitbucket_server.listings import API
from webhook.simulator.bitbucket_server.model import Level, Project, Repository, TokenKind, Webhook
from webhook.simulator.bitbucket_server.routing import Ask, Route
from webhook.simulator.exchange import Reply

REPOSITORY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,127}")
NAME_RULE = (
    "Repository names are limited to 128 characters. They must start with a letter or number and may contain spaces, "
    "hyphens, underscores, and periods."
)


def project(ask: Ask) -> Reply:
    return Reply.json(200, documents.project(ask.host, ask.project, ask.base))


def project_people(ask: Ask) -> Reply:
    people = ask.project.permissions.items()
    return ask.page([documents.permitted(ask.host, slug, permission, ask.base) for slug, permission in people])


def project_repositories(ask: Ask) -> Reply:
    found = [
        documents.repository(ask.host, one, ask.base)
        for one in ask.host.repositories.values()
        if one.project == ask.project.key and access.repository_level(ask.host, ask.caller, one) >= Level.READ
    ]
    return ask.page(found)


def create_repository(ask: Ask) -> Reply:
    name = ask.body().get("name")
    if not isinstance(name, str) or not REPOSITORY_NAME.fullmatch(name):
        return replies.invalid(name=NAME_RULE)
    slug = name.lower().replace(" ", "-")
    if ask.host.repository(ask.project.key, slug) is not None:
        return replies.already_exists("This repository URL is already taken.")
    ask.host.add(ask.project)  # a personal project is created with its first repository
    created = Repository(project=ask.project.key, slug=slug, name=name, id=ask.host.next_id())
    ask.host.add(created)
    ask.host.record("repository created", created.full_name, ask.caller.token_name)
    return Reply.json(201, documents.repository(ask.host, created, ask.base))


def create_personal_repository(ask: Ask) -> Reply:
    """As a person may in their own project, which need not be there yet. ``PROJECT_ADMIN`` is asked for first."""
    owner = ask.host.user(ask.params["user"])
    if owner is None:
        return replies.no_such_user(ask.params["user"])
    key = f"~{owner.slug}"
    own = ask.host.project(key) or Project(key=key, id=ask.host.next_id(), name=owner.display_name or owner.name)
    if access.project_level(ask.host, ask.caller, own) < Level.ADMIN:
        return replies.not_permitted()
    return create_repository(Ask(ask.host, ask.call, ask.caller, ask.base, ask.params, own))


def repository(ask: Ask) -> Reply:
    return Reply.json(200, documents.repository(ask.host, ask.repository, ask.base))


def repository_people(ask: Ask) -> Reply:
    people = ask.repository.permissions.items()
    return ask.page([documents.permitted(ask.host, slug, permission, ask.base) for slug, permission in people])


def webhooks(ask: Ask) -> Reply:
    return ask.page([documents.webhook(one) for one in ask.repository.webhooks])


def create_webhook(ask: Ask) -> Reply:
    body = ask.body()
    missing = {name: f"The webhook {name} is required." for name in ("name", "url") if not body.get(name)}
    if missing:
        return replies.invalid(**missing)
    events = body.get("events")
    chosen = [str(one) for one in events] if isinstance(events, list) else []
    hook = Webhook(id=ask.host.next_id(), name=str(body["name"]), url=str(body["url"]), events=chosen)
    ask.repository.webhooks.append(hook)
    ask.host.record(f"webhook {hook.id} created", ask.repository.full_name, ask.caller.token_name)
    return Reply.json(201, documents.webhook(hook))


def hook_settings(ask: Ask) -> Reply:
    """Hooks that are installed in the server, not webhooks."""
    details = {"key": "com.atlassian.bitbucket.server.bitbucket-bundled-hooks:force-push-hook", "type": "PRE_RECEIVE"}
    return ask.page([{"details": details, "enabled": False, "configured": False}])


def tokens_of_user(ask: Ask) -> Reply:
    """A person's own only."""
    person = ask.caller.user
    if person is None or person.slug.lower() != ask.params["user"].lower():
        return replies.not_permitted()
    return _tokens(ask, TokenKind.USER, person.slug)


def tokens_of_project(ask: Ask) -> Reply:
    return _tokens(ask, TokenKind.PROJECT, ask.project.key)


def tokens_of_repository(ask: Ask) -> Reply:
    return _tokens(ask, TokenKind.REPOSITORY, ask.repository.full_name)


def _tokens(ask: Ask, kind: TokenKind, owner: str) -> Reply:
    if not ask.host.lists_tokens_to_tokens:
        return replies.not_permitted()
    found = [one for one in ask.host.tokens.values() if one.kind is kind and one.owner == owner and not one.revoked]
    return ask.page([documents.token(ask.host, one, ask.base) for one in found])


TOKENS = "/rest/access-tokens/VERSION"
PROJECT = "/projects/{project}"
REPOSITORY = f"{PROJECT}/repos/{{repo}}"
ROUTES = (
    Route("GET", f"{API}{PROJECT}", project, "PROJECT_READ"),
    Route("GET", f"{API}{PROJECT}/permissions/users", project_people, "PROJECT_ADMIN"),
    Route("GET", f"{API}{PROJECT}/repos", project_repositories, "PROJECT_READ"),
    Route("POST", f"{API}{PROJECT}/repos", create_repository, "PROJECT_ADMIN"),
    Route("POST", f"{API}/users/{{user}}/repos", create_personal_repository),
    Route("GET", f"{API}{REPOSITORY}", repository, "REPO_READ"),
    Route("GET", f"{API}{REPOSITORY}/permissions/users", repository_people, "REPO_ADMIN"),
    Route("GET", f"{API}{REPOSITORY}/webhooks", webhooks, "REPO_ADMIN"),
    Route("POST", f"{API}{REPOSITORY}/webhooks", create_webhook, "REPO_ADMIN"),
    Route("GET", f"{API}{REPOSITORY}/settings/hooks", hook_settings, "REPO_ADMIN"),
    Route("GET", f"{TOKENS}/users/{{user}}", tokens_of_user),
    Route("GET", f"{TOKENS}{PROJECT}", tokens_of_project, "PROJECT_ADMIN"),
    Route("GET", f"{TOKENS}{REPOSITORY}", tokens_of_repository, "REPO_ADMIN"),
)
