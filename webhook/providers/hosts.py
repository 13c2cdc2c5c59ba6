"""A Git host, and the kind of API that it speaks. Which hosts there are is `known_hosts`' matter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NewType

Kind = NewType("Kind", str)
"""The kind of a provider, as written in the configuration and in the label ``git-token-webhook/provider``.
Those that there are stand in `webhook.providers.PROVIDERS`."""


@dataclass(frozen=True, slots=True)
class Host:
    """A Git host whose kind is certain.

    Attributes:
        name: canonical, as in URLs of repositories, with ``:port`` where it isn't 443 (`git_url.parse_host`).
        kind: what API it speaks.
        api_url: where its API begins, without a slash at the end.
        ca_file: certificates that its TLS certificate is checked against, instead of the system's.
        declared: written into the configuration, so that it may have a private address.
    """

    name: str
    kind: Kind
    api_url: str
    ca_file: Path | None = None
    declared: bool = False

    @property
    def web_url(self) -> str:
        """Where people look at it in a browser."""
        return f"https://{self.name}"
