"""The JSON documents of accounts, workspaces and repositories: the members that clients of a token's owner read."""

from __future__ import annotations

from typing import Any

from webhook.simulator.bitbucket.model import Account, BitbucketHost, Hook, Permission, Repository, Workspace

Document = dict[str, Any]


def user(person: Account, api: str) -> Document:
    """``GET /user``; no e-mail."""
    return {
        "type": "user",
        "uuid": person.uuid,
        "account_id": person.account_id,
        "username": person.nickname,
        "nickname": person.nickname,
        "display_name": person.display_name or person.nickname,
        "account_status": "active",
        "links": {"self": {"href": f"{api}/users/{person.uuid}"}},
    }


def workspace(host: BitbucketHost, one: Workspace, api: str) -> Document:
    """``GET /workspaces/{workspace}``."""
    return {
        "type": "workspace",
        "uuid": one.uuid,
        "slug": one.slug,
        "name": one.name or one.slug,
        "is_private": True,
        "links": {
            "self": {"href": f"{api}/workspaces/{one.slug}"},
            "html": {"href": f"https://{host.name}/{one.slug}/"},
        },
    }


def workspace_access(host: BitbucketHost, one: Workspace, person: Account, api: str) -> Document:
    """An entry of ``GET /user/workspaces``, in either of the seen shapes."""
    role = one.members[person.nickname]
    rights = {"permission": role} if host.names_workspace_permission else {"administrator": role == "owner"}
    return {"type": "workspace_access", **rights, "workspace": workspace(host, one, api)}


def repository(host: BitbucketHost, one: Repository, api: str) -> Document:
    """``GET /repositories/{workspace}/{repository}``; nothing in it tells what the caller may do."""
    owner = host.workspaces.get(one.workspace) or Workspace(slug=one.workspace)
    return {
        **repository_name(one, api),
        "slug": one.slug,
        "is_private": one.private,
        "scm": "git",
        "workspace": workspace(host, owner, api),
        "project": {"type": "project", "key": one.project},
        "mainbranch": None if one.empty else {"type": "branch", "name": one.main_branch},
    }


def repository_name(one: Repository, api: str) -> Document:
    """A repository as it appears inside other documents."""
    return {
        "type": "repository",
        "uuid": one.uuid,
        "name": one.slug,
        "full_name": one.full_name,
        "links": {"self": {"href": f"{api}/repositories/{one.full_name}"}},
    }


def repository_permission(one: Repository, person: Account, level: Permission, api: str) -> Document:
    """An entry of ``GET /user/workspaces/{workspace}/permissions/repositories``."""
    return {
        "type": "repository_permission",
        "permission": level.name.lower(),
        "user": user(person, api),
        "repository": repository_name(one, api),
    }


def hook(one: Hook, subject: Repository, api: str) -> Document:
    """A repository webhook."""
    return {
        "type": "webhook_subscription",
        "uuid": one.uuid,
        "url": one.url,
        "description": one.description,
        "subject_type": "repository",
        "subject": repository_name(subject, api),
        "active": one.active,
        "events": one.events,
    }
