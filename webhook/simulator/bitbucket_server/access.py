"""What a caller may do: the lesser of what the token holds and of what its owner may do."""

from __future__ import annotations

from webhook.simulator.bitbucket_server.identity import Caller
from webhook.simulator.bitbucket_server.model import (
    BitbucketServerHost,
    Level,
    Project,
    Repository,
    TokenKind,
    User,
)


def project_level(host: BitbucketServerHost, caller: Caller, project: Project, *, capped: bool = True) -> Level:
    """On a project. Not ``capped``: as if the token held everything."""
    floor = Level.READ if project.public else Level.NONE
    token = caller.token
    if token is None or token.kind is TokenKind.REPOSITORY:
        return floor
    most = token.project_level if capped else Level.ADMIN
    if token.kind is TokenKind.PROJECT:
        return max(floor, most) if token.owner.lower() == project.key.lower() else floor
    return max(floor, min(most, _of_person(caller.user, project)))


def repository_level(
    host: BitbucketServerHost, caller: Caller, repository: Repository, *, capped: bool = True
) -> Level:
    """On a repository. Not ``capped``: as if the token held everything."""
    project = host.project(repository.project)
    floor = Level.READ if repository.public or (project is not None and project.public) else Level.NONE
    token = caller.token
    if token is None:
        return floor
    most = token.repository_level if capped else Level.ADMIN
    match token.kind:
        case TokenKind.PROJECT:
            return max(floor, most) if token.owner.lower() == repository.project.lower() else floor
        case TokenKind.REPOSITORY:
            return max(floor, most) if token.owner.lower() == repository.full_name.lower() else floor
        case TokenKind.USER:
            inherited = Level.NONE if project is None else _of_person(caller.user, project)
            granted = Level.of(repository.permissions.get(caller.user.slug)) if caller.user is not None else Level.NONE
            return max(floor, min(most, max(inherited, granted)))


def _of_person(user: User | None, project: Project) -> Level:
    """What a person may do with a project, whatever their token may."""
    if user is None:
        return Level.NONE
    if user.global_permission in ("ADMIN", "SYS_ADMIN") or project.key.lower() == f"~{user.slug}".lower():
        return Level.ADMIN
    return max(Level.of(project.permissions.get(user.slug)), Level.of(project.default_permission))


def views(host: BitbucketServerHost, caller: Caller, project: Project) -> bool:
    """Return whether a caller sees a project: by a right on it, or on any repository in it (``PROJECT_VIEW``)."""
    return project_level(host, caller, project) >= Level.READ or any(
        repository_level(host, caller, one) >= Level.READ
        for one in host.repositories.values()
        if one.project == project.key
    )
