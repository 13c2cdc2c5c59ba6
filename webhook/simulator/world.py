"""Everything that exists in a simulation: the hosts and what they know. Built in Python, or loaded from YAML.

A world file can be written by hand: token values follow from their names, and Apps without a key get one. One that
``save`` wrote holds Apps' private keys, and is readable by its owner only.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import Field, model_validator

from webhook.simulator import bitbucket, bitbucket_server, gitea, github, gitlab
from webhook.simulator.bitbucket import BitbucketHost
from webhook.simulator.bitbucket_server import BitbucketServerHost
from webhook.simulator.gitea import GiteaHost
from webhook.simulator.github import App, GitHubHost
from webhook.simulator.gitlab import GitLabHost
from webhook.simulator.provider import Clock, HostModel, Model, Mutation

# One member for each provider.
AnyHost = Annotated[
    GitHubHost | GitLabHost | BitbucketHost | BitbucketServerHost | GiteaHost, Field(discriminator="kind")
]
AnyToken = github.Token | gitlab.Token | bitbucket.Token | bitbucket_server.Token | gitea.Token

Wanted = TypeVar("Wanted", bound=HostModel)


class World(Model):
    """The hosts, by the name that people use in URLs."""

    hosts: dict[str, AnyHost] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _keys_name_hosts(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("hosts"), dict):
            return data
        hosts = {
            name: {"kind": "github", "name": name, **host} if isinstance(host, dict) else host
            for name, host in data["hosts"].items()
        }
        return {**data, "hosts": hosts}

    @model_validator(mode="after")
    def _token_names_are_unique(self) -> World:
        names = [name for host in self.hosts.values() for name in host.named_tokens()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"tokens of several hosts share a name: {', '.join(twice)}")
        return self

    @classmethod
    def of(cls, *hosts: AnyHost) -> World:
        """A world of these hosts (and not of copies)."""
        return cls(hosts={host.name: host for host in hosts})

    def github(self, name: str = "github.com") -> GitHubHost:
        """A GitHub host by name."""
        return self._host(name, GitHubHost)

    def gitlab(self, name: str = "gitlab.com") -> GitLabHost:
        """A GitLab host by name."""
        return self._host(name, GitLabHost)

    def bitbucket(self, name: str = "bitbucket.org") -> BitbucketHost:
        """Bitbucket Cloud."""
        return self._host(name, BitbucketHost)

    def bitbucket_server(self, name: str = "bitbucket.acme.dev") -> BitbucketServerHost:
        """A Bitbucket Server or Data Center by name."""
        return self._host(name, BitbucketServerHost)

    def gitea(self, name: str = "gitea.acme.dev") -> GiteaHost:
        """A Gitea or Forgejo by name."""
        return self._host(name, GiteaHost)

    def _host(self, name: str, kind: type[Wanted]) -> Wanted:
        host = self.hosts[name]
        if not isinstance(host, kind):
            raise LookupError(f"{name} is no {kind.__name__} but of kind {host.kind}")
        return host

    def token(self, name: str) -> AnyToken:
        """A token by name, on whichever host."""
        for host in self.hosts.values():
            if name in host.tokens:
                return host.tokens[name]
        known = ", ".join(name for host in self.hosts.values() for name in host.tokens)
        raise LookupError(f"no token is named {name!r}; there are: {known}")

    def app(self, slug: str) -> App:
        """A GitHub App by its slug, on whichever host."""
        for host in self.hosts.values():
            if isinstance(host, GitHubHost) and slug in host.apps:
                return host.apps[slug]
        raise LookupError(f"no App has the slug {slug!r}")

    @property
    def mutations(self) -> list[Mutation]:
        """Everything that any request changed, oldest first."""
        return sorted((one for host in self.hosts.values() for one in host.mutations), key=lambda one: one.at)

    def use_clock(self, clock: Clock) -> None:
        """Tell another time on all hosts."""
        for host in self.hosts.values():
            host.use_clock(clock)

    def stop_clock(self, now: datetime) -> None:
        """Make it always the same time on all hosts."""
        self.use_clock(lambda: now)

    def copy_of(self) -> World:
        """An independent copy with the same clocks and no mutations."""
        copy = World.model_validate(self.model_dump(mode="python"))
        for name, host in copy.hosts.items():
            host.use_clock(self.hosts[name].clock)
        return copy

    def to_yaml(self) -> str:
        """The world as a file, private keys of Apps and given token values included."""
        document = self.model_dump(mode="json", exclude_defaults=True)
        for name, host in document.get("hosts", {}).items():
            host.setdefault("kind", self.hosts[name].kind)
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, text: str) -> World:
        """A world from a file's text."""
        return cls.model_validate(yaml.safe_load(text))

    def save(self, path: Path | str) -> None:
        """Write the world file, for its owner's eyes only."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self.to_yaml())

    @classmethod
    def load(cls, path: Path | str) -> World:
        """Read a world file."""
        return cls.from_yaml(Path(path).read_text())
