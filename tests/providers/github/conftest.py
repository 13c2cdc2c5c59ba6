"""GitHub, asked as in production: the real client over real TLS, against the simulator."""

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
from webhook.providers.findings import (
    Answer,
    Credential,
    Finding,
    GitHubAppCredential,
    Question,
    RepositoryNeed,
    TokenCredential,
)
from webhook.providers.github import GitHub
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Level, Requirement, Role
from webhook.providers.transport.client import ProviderClient
from webhook.simulator import Simulator, example_world
from webhook.simulator.github import GitHubHost

RUNTIME = PROVIDERS[Kind("github")].profile.defaults[Role.RUNTIME]
USER = PROVIDERS[Kind("github")].profile.defaults[Role.USER]


@dataclass
class Desk:
    """Asks one simulated GitHub about the credentials of its world."""

    simulator: Simulator
    client: ProviderClient
    ca_file: Path
    name: str = "github.com"
    clock_ahead: float = 0.0

    @property
    def world(self) -> GitHubHost:
        return self.simulator.world.github(self.name)

    @property
    def host(self) -> Host:
        return Host(self.name, Kind("github"), self.simulator.hosts[self.name].api_url, self.ca_file, declared=True)

    def credential(self, name: str) -> Credential:
        """A token of the world by its name, or an App's own credentials."""
        if name in self.world.tokens:
            return TokenCredential(SecretStr(self.world.tokens[name].value))
        app = self.world.apps[name]
        return GitHubAppCredential(str(app.id), SecretStr(app.private_key_pem))

    async def inspect(
        self,
        credential: str | Credential,
        path: str = "",
        *,
        needs: Requirement = RUNTIME,
        role: Role = Role.RUNTIME,
        reads: tuple[str, ...] = (),
        writes: tuple[str, ...] = (),
        perhaps: tuple[str, ...] = (),
        patience: float = 10,
        open_ended: bool = False,
    ) -> Answer:
        """Everything that is found out about a credential that is for `path` and must reach other repositories, too."""
        if isinstance(credential, str):
            credential = self.credential(credential)
        segments = tuple(path.split("/")) if path else ()
        others = [RepositoryNeed(tuple(name.split("/")), Level.WRITE) for name in writes]
        others += [RepositoryNeed(tuple(name.split("/")), Level.READ) for name in reads]
        others += [RepositoryNeed(tuple(name.split("/")), Level.READ, certain=False) for name in perhaps]
        question = Question(credential, self.host, segments, {role: needs}, tuple(others), open_ended)
        provider = GitHub(lambda: datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.clock_ahead, UTC))
        now = asyncio.get_running_loop().time()
        api = self.client.api(self.host, provider, b"digest", now + 10, now + patience)
        return await inspect_recorded(provider, question, api)

    async def find(self, credential: str | Credential, path: str = "", *, needs: Requirement = RUNTIME) -> Finding:
        """What that means for a runtime token."""
        return (await self.inspect(credential, path, needs=needs)).findings[Role.RUNTIME]

    def asked(self) -> list[str]:
        """The requests so far, in the order of method and path: those of one round have none of their own."""
        return sorted(f"{record.method} {record.path}" for record in self.simulator.journal.records)


@pytest.fixture
async def desk(server_context: ssl.SSLContext, ca_file: Path) -> AsyncIterator[Desk]:
    world = example_world(datetime.now(UTC))
    async with (
        Simulator(world, ssl_context=server_context) as simulator,
        ProviderClient(environment={"SSL_CERT_FILE": str(ca_file)}) as client,
    ):
        yield Desk(simulator, client, ca_file)
        assert not simulator.world.mutations  # no request of ours changes anything, ever
