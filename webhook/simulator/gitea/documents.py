"""The JSON documents of people, organisations, repositories and webhooks: the members that clients read."""

from __future__ import annotations

from typing import Any

from webhook.simulator.gitea.model import GiteaHost, Hook, Organization, Repository, Role, Token, User

Document = dict[str, Any]


def user(known: User, site: str) -> Document:
    return {
        "id": known.id,
        "login": known.login,
        "login_name": "",
        "full_name": known.full_name,
        "email": f"{known.login}@noreply.example.com",
        "html_url": f"{site}/{known.login}",
        "is_admin": known.admin,
        "visibility": "public",
    }


def organization(known: Organization) -> Document:
    return {"id": known.id, "name": known.name, "username": known.name, "visibility": "public"}


def repository(
    host: GiteaHost, known: Repository, viewer: User | None, site: str, token: Token | None = None
) -> Document:
    """A repository. ``permissions`` tells of the person, whatever scopes their token holds."""
    role = host.role(viewer, known, token)
    return {
        "id": known.id,
        "owner": {"login": known.owner},
        "name": known.name,
        "full_name": known.full_name,
        "private": known.private,
        "archived": known.archived,
        "mirror": known.mirror,
        "empty": known.empty,
        "default_branch": "main",
        "html_url": f"{site}/{known.full_name}",
        "clone_url": f"{site}/{known.full_name}.git",
        "permissions": {"admin": role >= Role.ADMIN, "push": role >= Role.WRITE, "pull": role >= Role.READ},
    }


def hook(known: Hook) -> Document:
    config = {"content_type": "json", "url": known.url}
    return {"id": known.id, "type": known.type, "config": config, "events": known.events, "active": True}
