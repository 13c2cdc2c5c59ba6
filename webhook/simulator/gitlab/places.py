"""Endpoints of projects and groups. The path names one by number or by its percent-encoded path."""

from __future__ import annotations

import sys
from collections.abc import Callable

from webhook.simulator.exchange import Reply
from webhook.simulator.gitlab import documents, replies
from webhook.simulator.gitlab.granular import Permission
from webhook.simulator.gitlab.identity import Scopes
from webhook.simulator.gitlab.model import Hook, Level, Project
from webhook.simulator.gitlab.routing import Ask, Route, least_level, parameters

READ_PROJECT = Permission("project", "read", "Project")
CREATE_PROJECT = Permission("user", "create", "Project")
READ_HOOK = Permission("project", "read", "Webhook")
CREATE_HOOK = Permission("project", "create", "Webhook")
READ_BRANCH = Permission("project", "read", "Branch")
READ_CODE = Permission("project", "read", "Code")
READ_PROJECT_MEMBER = Permission("project", "read", "Member")
READ_GROUP = Permission("group", "read", "Group")
READ_GROUP_MEMBER = Permission("group", "read", "Member")
REPOSITORY_SCOPES = Scopes(own=("read_repository",))


def project(ask: Ask) -> Reply:
    return replies.document(200, documents.project(ask.host, ask.project, ask.caller.username, ask.web))


def projects(ask: Ask) -> Reply:
    """Those that the caller sees; ``membership``, ``min_access_level``, ``id_after`` and ``id_before`` choose."""
    query = ask.call.query
    least = least_level(ask.call, default=1 if query.get("membership") == "true" else 0)
    if isinstance(least, Reply):
        return least
    after, before = int(query.get("id_after", "0")), int(query.get("id_before", str(sys.maxsize)))
    return _listed(ask, [one for one in ask.host.projects.values() if after < one.id < before], least)


def group_projects(ask: Ask) -> Reply:
    """Those of a group that the caller sees, and of the groups below it where that is asked for."""
    least = least_level(ask.call)
    if isinstance(least, Reply):
        return least
    path, deep = ask.group.path.lower(), ask.call.query.get("include_subgroups") == "true"
    inside = [
        one
        for one in ask.host.projects.values()
        if one.namespace.lower() == path or (deep and one.path.lower().startswith(f"{path}/"))
    ]
    return _listed(ask, inside, least)


def _listed(ask: Ask, among: list[Project], least: int) -> Reply:
    host, username = ask.host, ask.caller.username
    found = [one for one in among if host.sees_project(username, one) and host.project_level(username, one) >= least]
    shown, headers = ask.page(found)
    return replies.document(200, [documents.project(host, one, username, ask.web) for one in shown], headers)


def create_project(ask: Ask) -> Reply:
    """Without a name or a path it is a question about the ``api`` scope; with one it is a project."""
    given = parameters(ask.call)
    name = str(given.get("path") or given.get("name") or "")
    if not name:
        return replies.error(400, "name, path are missing, at least one parameter must be provided")
    made = Project(
        path=f"{ask.account.username}/{name}",
        id=ask.host.next_id(),
        empty=True,
        members={ask.account.username: Level.OWNER},
    )
    ask.host.add(made)
    ask.record("project created", made.path)
    return replies.document(201, documents.project(ask.host, made, ask.caller.username, ask.web))


def hooks(ask: Ask) -> Reply:
    refused = _unless(ask, Level.MAINTAINER)
    if refused is not None:
        return refused
    shown, headers = ask.page(ask.project.hooks)
    return replies.document(200, [documents.hook(one, ask.project.id) for one in shown], headers)


def create_hook(ask: Ask) -> Reply:
    refused = _unless(ask, Level.MAINTAINER)
    if refused is not None:
        return refused
    url = parameters(ask.call).get("url")
    if not isinstance(url, str) or not url:
        return replies.error(400, "url is missing")
    made = Hook(id=ask.host.next_id(), url=url)
    ask.project.hooks.append(made)
    ask.record("hook created", ask.project.path)
    return replies.document(201, documents.hook(made, ask.project.id))


def _unless(ask: Ask, least: Level) -> Reply | None:
    """403 for a caller who sees the project and lacks the permission."""
    enough = ask.host.project_level(ask.caller.username, ask.project) >= least
    return None if enough else replies.forbidden()


def _unless_reader(ask: Ask) -> Reply | None:
    """Code of a private project is for Reporters and above."""
    return None if ask.project.visibility != "private" else _unless(ask, Level.REPORTER)


def branches(ask: Ask) -> Reply:
    refused = _unless_reader(ask)
    if refused is not None:
        return refused
    found = [] if ask.project.empty else [{"name": ask.project.default_branch, "default": True, "protected": True}]
    shown, headers = ask.page(found)
    return replies.document(200, shown, headers)


def file(ask: Ask) -> Reply:
    """The one corner of the API that ``read_repository`` opens."""
    refused = _unless_reader(ask)
    if refused is not None:
        return refused
    if ask.params["file"] not in ask.project.files:
        return replies.not_found("File")
    return replies.document(200, {"file_path": ask.params["file"], "ref": ask.call.query.get("ref", "HEAD")})


def project_member(ask: Ask) -> Reply:
    return _member(ask, lambda username: ask.host.project_level(username, ask.project))


def group_member(ask: Ask) -> Reply:
    return _member(ask, lambda username: ask.host.group_level(username, ask.group.path))


def _member(ask: Ask, level_of: Callable[[str], Level]) -> Reply:
    """A user by number, its highest level with inherited ones."""
    known = next((one for one in ask.host.accounts.values() if str(one.id) == ask.params["user"]), None)
    level = level_of(known.username) if known is not None else Level.NONE
    if known is None or level is Level.NONE:
        return replies.not_found()
    return replies.document(200, documents.member(known, level, ask.web))


def group(ask: Ask) -> Reply:
    return replies.document(200, documents.group(ask.host, ask.group, ask.web))


PROJECT = "/projects/{id}"
GROUP = "/groups/{id}"
FILE = f"{PROJECT}/repository/files/{{file}}"
MEMBER = "/members/all/{user}"
ROUTES = (
    Route("GET", "/projects", projects, READ_PROJECT, public=True),
    Route("POST", "/projects", create_project, CREATE_PROJECT),
    Route("GET", PROJECT, project, READ_PROJECT, place="project", public=True),
    Route("GET", f"{PROJECT}/hooks", hooks, READ_HOOK, place="project"),
    Route("POST", f"{PROJECT}/hooks", create_hook, CREATE_HOOK, place="project"),
    Route("GET", f"{PROJECT}/repository/branches", branches, READ_BRANCH, place="project", public=True),
    Route("GET", FILE, file, READ_CODE, REPOSITORY_SCOPES, place="project", public=True),
    Route("GET", PROJECT + MEMBER, project_member, READ_PROJECT_MEMBER, since=(12, 4), place="project"),
    Route("GET", f"{GROUP}/projects", group_projects, READ_GROUP, place="group", public=True),
    Route("GET", GROUP, group, READ_GROUP, place="group", public=True),
    Route("GET", GROUP + MEMBER, group_member, READ_GROUP_MEMBER, since=(12, 4), place="group"),
)
