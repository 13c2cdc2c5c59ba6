"""What there is for a caller: repositories, projects, people and the server itself."""

from __future__ import annotations

from webhook.simulator.bitbucket_server import access, documents, replies
from webhook.simulator.bitbucket_server.model import Level, Project, Repository
from webhook.simulator.bitbucket_server.routing import Ask, Route
from webhook.simulator.exchange import Reply

PROJECT_PERMISSIONS = ("PROJECT_VIEW", "PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN")
REPOSITORY_PERMISSIONS = ("REPO_READ", "REPO_WRITE", "REPO_ADMIN")


def application_properties(ask: Ask) -> Reply:
    """Open to all; who signed in is in the headers."""
    return Reply.json(200, documents.application_properties(ask.host))


def repositories(ask: Ask) -> Reply:
    """Those on which the caller has ``?permission=``; for an anonymous caller the public ones, or none."""
    wanted = ask.query("permission") or "REPO_READ"
    if wanted not in REPOSITORY_PERMISSIONS:
        return replies.invalid(permission=f"'{wanted}' is not a valid repository permission.")
    capped, level = not ask.host.filter_ignores_tokens, Level.of(wanted)
    found = [
        one
        for one in ask.host.repositories.values()
        if access.repository_level(ask.host, ask.caller, one, capped=capped) >= level and _chosen(ask, one)
    ]
    return ask.page([documents.repository(ask.host, one, ask.base) for one in found])


def _chosen(ask: Ask, repository: Repository) -> bool:
    """``name`` and ``projectname`` are parts of names, not of slugs or keys. A version ignores what it doesn't know."""
    project = ask.host.project(repository.project)
    if not _contains(repository.name, ask.query("name")):
        return False
    if project is not None and not _contains(project.name or project.key, ask.query("projectname")):
        return False
    visibility = ask.query("visibility")
    if visibility and repository.public != (visibility == "public"):
        return False
    if ask.host.release < (8,):  # projectkey and archived came with 8.0
        return True
    archived = ask.query("archived") or "ACTIVE"
    if archived != "ALL" and repository.archived != (archived == "ARCHIVED"):
        return False
    key = ask.query("projectkey").lower()
    return not key or key == repository.project.lower()


def _contains(name: str, part: str) -> bool:
    return part.lower() in name.lower()


def projects(ask: Ask) -> Reply:
    """Those on which the caller has ``?permission=``; without it, those that the caller sees."""
    wanted = ask.query("permission") or "PROJECT_VIEW"
    if wanted not in PROJECT_PERMISSIONS:
        return replies.invalid(permission=f"'{wanted}' is not a valid project permission.")
    found = [
        one
        for one in ask.host.projects.values()
        if _contains(one.name or one.key, ask.query("name")) and _has(ask, one, wanted)
    ]
    return ask.page([documents.project(ask.host, one, ask.base) for one in found])


def _has(ask: Ask, project: Project, wanted: str) -> bool:
    if wanted == "PROJECT_VIEW":
        return access.views(ask.host, ask.caller, project)
    capped = not ask.host.filter_ignores_tokens
    return access.project_level(ask.host, ask.caller, project, capped=capped) >= Level.of(wanted)


def user(ask: Ask) -> Reply:
    """Every signed-in caller may search for users."""
    if ask.caller.anonymous:
        return replies.not_permitted()
    known = ask.host.user(ask.params["user"])
    if known is None:
        return replies.no_such_user(ask.params["user"])
    return Reply.json(200, documents.user(ask.host, known, ask.base))


API = "/rest/api/VERSION"
ROUTES = (
    Route("GET", f"{API}/application-properties", application_properties),
    Route("GET", f"{API}/repos", repositories),
    Route("GET", f"{API}/projects", projects),
    Route("GET", f"{API}/users/{{user}}", user),
)
