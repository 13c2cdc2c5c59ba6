"""GitLab's JSON documents: the members that clients of a token's owner read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from webhook.simulator.gitlab.model import Account, GitLabHost, Group, Hook, Level, Project, Token, TokenKind

Document = dict[str, Any]


def instant(moment: datetime) -> str:
    """``2026-11-21T12:00:00.000Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def user(known: Account, web: str) -> Document:
    """A user as it appears inside other documents."""
    return {
        "id": known.id,
        "username": known.username,
        "public_email": None,
        "name": known.name or known.username,
        "state": known.state,
        "locked": False,
        "avatar_url": None,
        "web_url": f"{web}/{known.username}",
    }


def own_user(known: Account, web: str) -> Document:
    """``GET /user``."""
    return {
        **user(known, web),
        "created_at": "2024-05-01T08:00:00.000Z",
        "bio": "",
        "bot": known.bot,
        "email": f"{known.username}@noreply.example.com",
        "can_create_group": not known.bot,
        "can_create_project": not known.bot,
        "two_factor_enabled": False,
        "external": False,
    }


def token(host: GitLabHost, known: Token, owner: Account, *, granular_scopes: bool) -> Document:
    """A personal access token about itself; newer versions tell more."""
    now = host.now()
    fine_grained = known.kind is TokenKind.FINE_GRAINED
    document: Document = {
        "id": known.id,
        "name": known.name,
        "revoked": known.revoked,
        "created_at": instant(known.created_at or now),
        "description": known.description,
        "scopes": known.scopes,
        "user_id": owner.id,
        "last_used_at": instant(now),
        "active": not known.revoked and not known.expired(now),
        "expires_at": known.expires_at.isoformat() if known.expires_at is not None else None,
    }
    if host.at_least(17, 10):
        document["last_used_ips"] = ["127.0.0.1"]
    if host.at_least(18, 10):
        document["granular"] = fine_grained
        if fine_grained and granular_scopes:
            document["granular_scopes"] = [scope.model_dump(mode="json") for scope in known.granular_scopes]
    return document


def oauth_token(known: Token, owner: Account, now: datetime) -> Document:
    """``GET /oauth/token/info`` (recorded)."""
    made = int((known.created_at or now).timestamp())
    left = None if known.expires_in is None else made + known.expires_in - int(now.timestamp())
    return {
        "resource_owner_id": owner.id,
        "scope": known.scopes,
        "expires_in": left,
        "application": {"uid": known.application},
        "created_at": made,
        "scopes": known.scopes,
        "expires_in_seconds": left,
    }


def _named(path: str) -> str:
    """``shared-configuration`` is called "Shared Configuration"."""
    return path.rpartition("/")[2].replace("-", " ").title()


def namespace(host: GitLabHost, path: str, web: str) -> Document:
    group = host.group(path)
    owner = host.account(path)
    return {
        "id": group.id if group is not None else owner.id if owner is not None else 0,
        "name": _named(path),
        "path": path.rpartition("/")[2],
        "kind": "group" if group is not None else "user",
        "full_path": path,
        "parent_id": _parent_id(host, path),
        "web_url": f"{web}/groups/{path}" if group is not None else f"{web}/{path}",
    }


def _parent_id(host: GitLabHost, path: str) -> int | None:
    above = next(host.lineage(path.rpartition("/")[0]), None)
    return above.id if above is not None else None


def access_levels(host: GitLabHost, username: str, known: Project) -> tuple[int | None, int | None]:
    """A user's level in the project itself and in the groups above it. It says nothing of the token."""
    own = known.members.get(username, Level.NONE)
    if known.namespace.lower() == username.lower():
        own = Level.OWNER
    inherited = host.group_level(username, known.namespace)
    return (int(own) or None), (int(inherited) or None)


def project(host: GitLabHost, known: Project, username: str | None, web: str) -> Document:
    """A project. ``permissions`` describes the user and not the token, and is absent for an anonymous caller."""
    document: Document = {
        "id": known.id,
        "description": None,
        "name": _named(known.path),
        "name_with_namespace": " / ".join(_named(part) for part in known.path.split("/")),
        "path": known.path.rpartition("/")[2],
        "path_with_namespace": known.path,
        "created_at": "2024-05-02T08:00:00.000Z",
        "default_branch": None if known.empty else known.default_branch,
        "ssh_url_to_repo": f"git@{host.name}:{known.path}.git",
        "http_url_to_repo": f"{web}/{known.path}.git",
        "web_url": f"{web}/{known.path}",
        "namespace": namespace(host, known.namespace, web),
        "empty_repo": known.empty,
        "archived": known.archived,
        "visibility": known.visibility,
        "repository_access_level": known.repository_access_level,
        "marked_for_deletion_on": known.marked_for_deletion_on and known.marked_for_deletion_on.isoformat(),
    }
    if username is not None:
        direct, inherited = access_levels(host, username, known)
        document["permissions"] = {"project_access": _access(direct), "group_access": _access(inherited)}
    return document


def _access(level: int | None) -> Document | None:
    return None if level is None else {"access_level": level, "notification_level": 3}


def group(host: GitLabHost, known: Group, web: str) -> Document:
    """A group; nothing in it says what its reader may do."""
    return {
        "id": known.id,
        "web_url": f"{web}/groups/{known.path}",
        "name": _named(known.path),
        "path": known.path.rpartition("/")[2],
        "description": "",
        "visibility": known.visibility,
        "full_name": " / ".join(_named(part) for part in known.path.split("/")),
        "full_path": known.path,
        "parent_id": _parent_id(host, known.path),
        "created_at": "2024-05-01T08:00:00.000Z",
    }


def member(known: Account, level: Level, web: str) -> Document:
    return {
        **user(known, web),
        "access_level": int(level),
        "created_at": "2024-05-02T08:00:00.000Z",
        "expires_at": None,
        "membership_state": "active",
    }


def group_association(host: GitLabHost, known: Group, username: str, web: str) -> Document:
    """A group in ``/personal_access_tokens/self/associations``."""
    return {
        "id": known.id,
        "web_url": f"{web}/groups/{known.path}",
        "name": _named(known.path),
        "parent_id": _parent_id(host, known.path),
        "organization_id": 1,
        "access_levels": int(host.group_level(username, known.path)) or None,
        "visibility": known.visibility,
    }


def project_association(host: GitLabHost, known: Project, username: str, web: str) -> Document:
    """A project there."""
    direct, inherited = access_levels(host, username, known)
    whole = project(host, known, None, web)
    kept = ("id", "description", "name", "name_with_namespace", "path", "path_with_namespace", "created_at")
    return {
        **{name: whole[name] for name in kept},
        "access_levels": {"project_access_level": direct, "group_access_level": inherited},
        "visibility": known.visibility,
        "web_url": whole["web_url"],
        "namespace": whole["namespace"],
    }


def hook(known: Hook, project_id: int) -> Document:
    return {"id": known.id, "url": known.url, "project_id": project_id, "push_events": True}
