"""A Git host and the kind of its API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NewType

Kind = NewType("Kind", str)
"""The kind of a provider, as in the configuration and in the label ``git-token-webhook/provider``.

`webhook.providers.PROVIDERS` has all of them.
"""


@dataclass(frozen=True, slots=True)
class Host:
    """A known Git host.

    Attributes:
        name: the canonical name in URLs of repositories, with ``:port`` unless that is 443 (`urls.parse_host`).
        kind: the kind of its API.
        api_url: the base URL of its API, without a slash at the end.
        ca_file: CAs that verify its certificate, instead of those of the system.
        declared: the configuration declares it, so it may have a private address.
    """

    name: str
    kind: Kind
    api_url: str
    ca_file: Path | None = None
    declared: bool = False

    @property
    def web_url(self) -> str:
        """The URL of its web pages."""
        return f"https://{self.name}"
