"""The JSON documents of accounts, repositories and Apps: the members that clients of a token's owner read."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from webhook.simulator.github.identity import Caller
from webhook.simulator.github.model import (
    Account,
    App,
    DeployKey,
    GitHubHost,
    Hook,
    Installation,
    Repository,
    Role,
    TokenKind,
)

Document = dict[str, Any]


def instant(moment: datetime) -> str:
    """``2026-11-21T12:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, number: int) -> str:
    """The old form of a global id, readable when decoded."""
    return base64.b64encode(f"0{len(kind)}:{kind}{number}".encode()).decode()


def account(host: GitHubHost, login: str, api: str) -> Document:
    """An account as it appears inside other documents."""
    known = host.account(login) or Account(login=login, id=0)
    return {
        "login": known.login,
        "id": known.id,
        "node_id": node_id(known.type, known.id),
        "url": f"{api}/users/{known.login}",
        "html_url": f"https://{host.name}/{known.login}",
        "type": known.type,
        "site_admin": False,
    }


def user(host: GitHubHost, person: Account, api: str) -> Document:
    """``GET /user``."""
    return {
        **account(host, person.login, api),
        "name": person.name,
        "company": None,
        "email": None,
        "public_repos": sum(1 for one in host.repositories.values() if one.owner == person.login and not one.private),
        "created_at": "2011-01-25T18:44:36Z",
        "updated_at": "2026-10-01T09:00:00Z",
    }


def organization(host: GitHubHost, known: Account, api: str) -> Document:
    """``GET /orgs/{org}``."""
    return {
        **account(host, known.login, api),
        "url": f"{api}/orgs/{known.login}",
        "name": known.name,
        "public_repos": sum(1 for one in host.repositories.values() if one.owner == known.login and not one.private),
        "created_at": "2015-03-02T10:00:00Z",
    }


def repository(host: GitHubHost, caller: Caller, known: Repository, api: str) -> Document:
    """A repository. ``permissions`` tells of the user and not of the token; of an installation all are false."""
    visibility = "private" if known.private else "public"
    document: Document = {
        "id": known.id,
        "node_id": node_id("Repository", known.id),
        "name": known.name,
        "full_name": known.full_name,
        "private": known.private,
        "owner": account(host, known.owner, api),
        "html_url": f"https://{host.name}/{known.full_name}",
        "description": None,
        "fork": False,
        "url": f"{api}/repos/{known.full_name}",
        "hooks_url": f"{api}/repos/{known.full_name}/hooks",
        "clone_url": f"https://{host.name}/{known.full_name}.git",
        "ssh_url": f"git@{host.name}:{known.full_name}.git",
        "size": 0 if known.empty else 108,
        "default_branch": known.default_branch,
        "archived": known.archived,
        "disabled": known.disabled,
        "visibility": visibility,
    }
    if caller.token is not None:
        by_token = caller.token.kind is TokenKind.INSTALLATION
        role = Role.NONE if by_token else host.role(caller.login, known)
        if not by_token and not known.private:
            role = max(role, Role.READ)
        document["permissions"] = {
            "admin": role >= Role.ADMIN,
            "maintain": role >= Role.MAINTAIN,
            "push": role >= Role.WRITE,
            "triage": role >= Role.TRIAGE,
            "pull": role >= Role.READ,
        }
    return document


def hook(known: Hook, api: str, full_name: str) -> Document:
    """A webhook; its secret is masked."""
    return {
        "type": "Repository",
        "id": known.id,
        "name": "web",
        "active": known.active,
        "events": known.events,
        "config": {"content_type": "json", "insecure_ssl": "0", "url": known.url},
        "url": f"{api}/repos/{full_name}/hooks/{known.id}",
    }


def deploy_key(known: DeployKey, api: str, full_name: str) -> Document:
    return {
        "id": known.id,
        "key": known.key,
        "url": f"{api}/repos/{full_name}/keys/{known.id}",
        "title": known.title,
        "verified": True,
        "read_only": known.read_only,
    }


def app(host: GitHubHost, known: App, api: str) -> Document:
    """``GET /app``."""
    return {
        "id": known.id,
        "client_id": known.client_id,
        "slug": known.slug,
        "node_id": node_id("Integration", known.id),
        "owner": account(host, known.owner, api),
        "name": known.slug.replace("-", " ").title(),
        "description": "",
        "html_url": f"https://{host.name}/apps/{known.slug}",
        "created_at": "2024-05-01T08:00:00Z",
        "permissions": known.permissions,
        "events": known.events,
        "installations_count": sum(1 for one in host.installations.values() if one.app_id == known.id),
    }


def installation(host: GitHubHost, known: Installation, api: str) -> Document:
    """An installation with the permissions it was granted, which may lag behind what its App asks for."""
    owner = host.account(known.account)
    of_app = host.app(known.app_id)
    return {
        "id": known.id,
        "account": account(host, known.account, api),
        "repository_selection": known.repository_selection,
        "access_tokens_url": f"{api}/app/installations/{known.id}/access_tokens",
        "repositories_url": f"{api}/installation/repositories",
        "html_url": f"https://{host.name}/organizations/{known.account}/settings/installations/{known.id}",
        "app_id": known.app_id,
        "app_slug": of_app.slug if of_app is not None else "",
        "target_id": owner.id if owner is not None else 0,
        "target_type": owner.type if owner is not None else "User",
        "permissions": known.permissions,
        "events": known.events,
        "created_at": "2024-05-02T08:00:00Z",
        "updated_at": "2024-05-02T08:00:00Z",
        "single_file_name": None,
        "suspended_by": None if known.suspended_by is None else account(host, known.suspended_by, api),
        "suspended_at": None if known.suspended_at is None else instant(known.suspended_at),
    }
