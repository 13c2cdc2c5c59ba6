"""Endpoints about the caller and about workspaces, and those that Bitbucket removed."""

from __future__ import annotations

import re

from webhook.simulator.bitbucket import access, documents, replies
from webhook.simulator.bitbucket.model import ACCESS_TOKENS, Permission, TokenKind, Workspace
from webhook.simulator.bitbucket.routing import Ask, Route
from webhook.simulator.exchange import Reply

# The one filter that clients use here, of a whole language (Bitbucket docs: filtering and sorting).
FILTER = re.compile(r"""\s*repository\.(?P<field>slug|full_name|uuid)\s*=\s*(["'])(?P<value>.*)\2\s*""")


def user(ask: Ask) -> Reply:
    if ask.caller.token is None:
        return replies.unauthorized(ask.host.unauthorized_as_text)
    if ask.caller.token.kind is TokenKind.API_TOKEN and ask.host.user_gone_for_api_tokens:
        return replies.gone()
    return Reply.json(200, documents.user(ask.person, ask.api))


def own_workspaces(ask: Ask) -> Reply:
    """Where the caller is a member, collaborator or owner."""
    if ask.caller.token is None:
        return replies.unauthorized(ask.host.unauthorized_as_text)
    person = ask.person
    found = [one for one in ask.host.workspaces.values() if person.nickname in one.members]
    return ask.page([documents.workspace_access(ask.host, one, person, ask.api) for one in found])


def own_permissions(ask: Ask) -> Reply:
    """The caller's permission on each repository of a workspace; ``q`` chooses one."""
    if ask.caller.token is None:
        return replies.unauthorized(ask.host.unauthorized_as_text)
    person, one = ask.person, ask.host.workspace(ask.params["workspace"])
    if one is None or person.nickname not in one.members:
        return replies.workspace_not_found(ask.params["workspace"])
    chosen = FILTER.fullmatch(ask.call.query.get("q", ""))
    if ask.call.query.get("q") and chosen is None:
        return replies.invalid_query()
    entries = []
    for repository in ask.host.repositories.values():
        level = ask.host.permission(person.nickname, repository)
        if repository.workspace != one.slug or level is Permission.NONE:
            continue
        if chosen is None or getattr(repository, chosen["field"]) == chosen["value"]:
            entries.append(documents.repository_permission(repository, person, level, ask.api))
    return ask.page(entries)


def workspace(ask: Ask) -> Reply:
    slug = ask.params["workspace"]
    one = ask.host.workspace(slug)
    if one is None or not _belongs(ask, one):
        return replies.workspace_not_found(slug)
    return Reply.json(200, documents.workspace(ask.host, one, ask.api))


def _belongs(ask: Ask, one: Workspace) -> bool:
    token = ask.caller.token
    if token is None:
        return False
    if token.kind in ACCESS_TOKENS:
        return (token.bound_to or "").partition("/")[0] == one.slug
    return token.owner in one.members


def removed(ask: Ask) -> Reply:
    """Return 410 for every caller; the request log shows which clients still use the endpoint."""
    return replies.removed()


REMOVED = ("/repositories", "/workspaces", "/user/permissions/workspaces", "/user/permissions/repositories")
ROUTES = (
    Route("GET", "/user", user, access.READ_ACCOUNT),
    Route("GET", "/user/workspaces", own_workspaces, access.READ_WORKSPACES),
    Route("GET", "/user/workspaces/{workspace}/permissions/repositories", own_permissions, access.READ_WORKSPACES),
    Route("GET", "/workspaces/{workspace}", workspace, access.READ_WORKSPACES),
    *(Route("GET", path, removed) for path in REMOVED),
)
