"""Which Git hosts exist for us, of which kind they are, and where their API is.

A token is only ever sent to a host of this list: built in, or declared by the operator under ``providers:``.
A host is found by equality, never because its name contains another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """The kind of a provider, as written in the configuration and in the label ``git-token-webhook/provider``."""

    GITHUB = "github"
    GITLAB = "gitlab"
    BITBUCKET = "bitbucket"
    BITBUCKET_SERVER = "bitbucket-server"


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


def derived_api_url(name: str, kind: Kind) -> str:
    """Where the API of a host of this kind is, unless ``apiUrl`` says otherwise."""
    match kind:
        case Kind.GITHUB if name == "github.com":
            return "https://api.github.com"
        # GitHub Enterprise Cloud with data residency has no /api/v3 (GitHub docs: about data residency).
        case Kind.GITHUB if _GHE_COM.match(name):
            return f"https://api.{name}"
        case Kind.GITHUB:
            return f"https://{name}/api/v3"
        case Kind.GITLAB:
            return f"https://{name}/api/v4"
        case Kind.BITBUCKET if name == "bitbucket.org":
            return "https://api.bitbucket.org/2.0"
        case Kind.BITBUCKET:
            return f"https://{name}/2.0"
        case Kind.BITBUCKET_SERVER:
            return f"https://{name}"


# One label before .ghe.com is a tenant's host; api.TENANT.ghe.com and deeper names are not.
_GHE_COM = re.compile(r"[a-z0-9-]+\.ghe\.com\Z")
_BUILT_IN = {"github.com": Kind.GITHUB, "gitlab.com": Kind.GITLAB, "bitbucket.org": Kind.BITBUCKET}


class Hosts:
    """The hosts of one configuration: the built-in ones and the declared ones, which win."""

    def __init__(self, declared: Iterable[Host] = ()) -> None:
        self._hosts = {name: Host(name, kind, derived_api_url(name, kind)) for name, kind in _BUILT_IN.items()}
        self._hosts |= {host.name: host for host in declared}

    def find(self, name: str) -> Host | None:
        """The host of this canonical name, or None where its kind isn't certain."""
        if (host := self._hosts.get(name)) is not None:
            return host
        if _GHE_COM.match(name):
            return Host(name, Kind.GITHUB, derived_api_url(name, Kind.GITHUB))
        return None

    def of_kind(self, kind: Kind) -> list[Host]:
        """All built-in and declared hosts of a kind, declared ones last."""
        return [host for host in self._hosts.values() if host.kind is kind]
