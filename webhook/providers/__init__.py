"""Git providers: what each knows of its own API, behind one contract (`base`).

A new provider is a module or package here with a class that has `base.Provider`'s members, and one line in the
registry below. How it reaches its API (`http`) and what is sent where is not its matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name

from webhook.providers.base import Provider
from webhook.providers.hosts import Kind

_REGISTRY = (
    "webhook.providers.github:GitHub",
    "webhook.providers.gitlab:GitLab",
    "webhook.providers.bitbucket:Bitbucket",
    "webhook.providers.bitbucket_server:BitbucketServer",
    "webhook.providers.gitea:Gitea",
)


def _load() -> Mapping[Kind, Provider]:
    providers: list[Provider] = [resolve_name(name)() for name in _REGISTRY]
    return {provider.profile.kind: provider for provider in providers}


PROVIDERS = _load()
"""Whom to ask about a host, by its kind."""
