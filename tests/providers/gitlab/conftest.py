"""GitLab, asked as in production: the real client over real TLS, against the simulator."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from webhook.providers import PROVIDERS
from webhook.providers.evidence import inspect_recorded
from webhook.providers.findings import Answer, Finding, Question, RepositoryNeed, TokenCredential
from webhook.providers.gitlab import GitLab
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Level, Requirement, Role
from webhook.providers.transport.client import ProviderClient
from webhook.simulator import Simulator, example_world
from webhook.simulator.faults import AnyEffect
from webhook.simulator.gitlab import GitLabHost

RUNTIME = PROVIDERS[Kind("gitlab")].profile.defaults[Role.RUNTIME]
USER = PROVIDERS[Kind("gitlab")].profile.defaults[Role.USER]
PUSH = Requirement(granular=("Code: Push",))


def reads(*paths: str) -> tuple[RepositoryNeed, ...]:
    return tuple(RepositoryNeed(tuple(path.split("/")), Level.READ) for path in paths)


def writes(*paths: str) -> tuple[RepositoryNeed, ...]:
    return tuple(RepositoryNeed(tuple(path.split("/")), Level.WRITE) for path in paths)


@dataclass
class Desk:
    """Asks one simulated GitLab about the tokens of its world."""

    simulator: Simulator
    client: ProviderClient
    ca_file: Path
    name: str = "gitlab.com"
    api_suffix: str = ""
    seconds: float = 10.0

    @property
    def world(self) -> GitLabHost:
        return self.simulator.world.gitlab(self.name)

    @property
    def host(self) -> Host:
        api_url = self.simulator.hosts[self.name].api_url + self.api_suffix
        return Host(self.name, Kind("gitlab"), api_url, self.ca_file, declared=True)

    async def inspect(
        self,
        token: str,
        path: str = "",
        *,
        roles: dict[Role, Requirement] | None = None,
        repositories: tuple[RepositoryNeed, ...] = (),
        value: str | None = None,
        username: str | None = None,
    ) -> Answer:
        """Everything that is found out about a token that is for `path`: one of the world by its name, or any value."""
        secret = SecretStr(self.world.tokens[token].value if value is None else value)
        segments = tuple(path.split("/")) if path else ()
        needs = {Role.RUNTIME: RUNTIME} if roles is None else roles
        question = Question(TokenCredential(secret, username), self.host, segments, needs, repositories)
        provider = GitLab()
        now = asyncio.get_running_loop().time()
        api = self.client.api(self.host, provider, b"digest", now + 10, now + self.seconds)
        return await inspect_recorded(provider, question, api)

    async def runtime(
        self,
        token: str,
        path: str = "",
        needs: Requirement = RUNTIME,
        repositories: tuple[RepositoryNeed, ...] = (),
    ) -> Finding:
        """What is found of a runtime token."""
        answer = await self.inspect(token, path, roles={Role.RUNTIME: needs}, repositories=repositories)
        return answer.findings[Role.RUNTIME]

    async def user(self, token: str, path: str = "", needs: Requirement = USER) -> Finding:
        """What is found of a person's token."""
        return (await self.inspect(token, path, roles={Role.USER: needs})).findings[Role.USER]

    def spoil(self, path: str, effect: AnyEffect) -> None:
        """Let what the API answers to `path` (decoded, a regular expression) go wrong."""
        self.simulator.faults.add(effect, path=f"{self.world.path_prefix}/api/v4{path}")

    def asked(self) -> list[str]:
        """The requests so far, in the order of method and path: those of one round have none of their own."""
        prefix = f"{self.world.path_prefix}/api/v4"
        return sorted(f"{one.method} {one.path.removeprefix(prefix)}" for one in self.simulator.journal.records)


@pytest.fixture
async def desk(server_context: ssl.SSLContext, ca_file: Path) -> AsyncIterator[Desk]:
    world = example_world(datetime.now(UTC))
    async with (
        Simulator(world, ssl_context=server_context) as simulator,
        ProviderClient(environment={"SSL_CERT_FILE": str(ca_file)}) as client,
    ):
        yield Desk(simulator, client, ca_file)
        assert not simulator.world.mutations  # no request of ours changes anything, ever


@pytest.fixture
def own(desk: Desk) -> Desk:
    """The company's GitLab, below a path of its host."""
    desk.name = "gitlab.acme.dev"
    return desk


@pytest.fixture
def old(own: Desk) -> Desk:
    """The same before 15.5."""
    own.world.version = "15.3.0-ee"
    return own
