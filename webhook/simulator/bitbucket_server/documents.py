"""The JSON documents of people, projects, repositories and tokens: the members that clients read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from webhook.simulator.bitbucket_server.model import (
    BitbucketServerHost,
    Project,
    Repository,
    Token,
    TokenKind,
    User,
    Webhook,
)

Document = dict[str, Any]


def application_properties(host: BitbucketServerHost) -> Document:
    """The build number follows from the version, as in recordings: 7.11.2 is 7011002."""
    number = "".join(f"{part:03}" for part in host.release).lstrip("0")
    return {"version": host.version, "buildNumber": number, "buildDate": "1620268397452", "displayName": "Bitbucket"}


def user(host: BitbucketServerHost, known: User, base: str) -> Document:
    """A person, in documents of their own and inside others."""
    return {
        "name": known.name,
        "emailAddress": f"{known.slug}@example.com",
        "active": known.active,
        "displayName": known.display_name or known.name,
        "id": known.id,
        "slug": known.slug,
        "type": "NORMAL",
        "links": {"self": [{"href": f"{base}/users/{known.slug}"}]},
    }


def project(host: BitbucketServerHost, known: Project, base: str) -> Document:
    """A project; a personal one names its owner."""
    document: Document = {"key": known.key, "id": known.id, "name": known.name or known.key, "public": known.public}
    owner = host.user(known.key[1:]) if known.key.startswith("~") else None
    if owner is None:
        return {**document, "type": "NORMAL", "links": {"self": [{"href": f"{base}/projects/{known.key}"}]}}
    links = {"self": [{"href": f"{base}/users/{owner.slug}"}]}
    return {**document, "type": "PERSONAL", "owner": user(host, owner, base), "links": links}


def repository(host: BitbucketServerHost, known: Repository, base: str) -> Document:
    """A repository. Nothing in it tells what the caller may do."""
    document: Document = {
        "slug": known.slug,
        "id": known.id,
        "name": known.name,
        "scmId": "git",
        "state": "AVAILABLE",
        "statusMessage": "Available",
        "forkable": True,
        "public": known.public,
        "links": {
            "clone": [{"href": f"{base}/scm/{known.project.lower()}/{known.slug}.git", "name": "http"}],
            "self": [{"href": f"{base}/projects/{known.project}/repos/{known.slug}/browse"}],
        },
    }
    if host.release >= (8,):
        document["archived"] = known.archived
    inside = host.project(known.project)
    return document if inside is None else {**document, "project": project(host, inside, base)}


def webhook(known: Webhook) -> Document:
    return {
        "id": known.id,
        "name": known.name,
        "events": known.events,
        "configuration": {},
        "url": known.url,
        "active": True,
        "scopeType": "repository",
    }


def permitted(host: BitbucketServerHost, slug: str, permission: str, base: str) -> Document:
    """A line of who may do what."""
    known = host.user(slug) or User(slug=slug, id=0)
    return {"user": user(host, known, base), "permission": permission}


def token(host: BitbucketServerHost, known: Token, base: str) -> Document:
    """What there is to know of a token, except for the token: nothing in it tells which one a caller holds."""
    document: Document = {"id": known.number, "name": known.name, "permissions": known.permissions}
    if known.created_at is not None:
        document["createdDate"] = _milliseconds(known.created_at)
    if known.expires_at is not None:
        document["expiryDate"] = _milliseconds(known.expires_at)
    owner = host.user(known.owner) if known.kind is TokenKind.USER else None
    return document if owner is None else {**document, "user": user(host, owner, base)}


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
