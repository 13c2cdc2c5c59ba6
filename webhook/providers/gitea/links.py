"""Links to the pages for tokens and collaborators."""

from __future__ import annotations

from urllib.parse import urlsplit

from webhook.providers.gitea.profile import API
from webhook.providers.hosts import Host
from webhook.text import join


def new_token(host: Host, *scopes: str) -> str:
    """Return how to make a token with these scopes. The page takes no scopes from a link."""
    return f"Make one with {join(scopes)} under Settings, then Applications: {tokens_page(host)}"


def tokens_page(host: Host) -> str:
    """Return the page of a user's own tokens."""
    return f"{_web_url(host)}/user/settings/applications"


def collaborators(host: Host, name: str) -> str:
    """Return the page for the collaborators of a repository."""
    return f"{_web_url(host)}/{name}/settings/collaboration"


def root(host: Host) -> str:
    """Return the path that Gitea is installed at; empty for the root."""
    return urlsplit(host.api_url).path.rstrip("/").removesuffix(API)


def _web_url(host: Host) -> str:
    return f"{host.web_url}{root(host)}"
