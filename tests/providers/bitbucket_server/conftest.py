"""Bitbucket Server, asked as in production: the real client over real TLS, against the simulator."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from webhook.providers import PROVIDERS
from webhook.providers.bitbucket_server import BitbucketServer
from webhook.providers.evidence import inspect_recorded
from webhook.providers.findings import Answer, Finding, GitAuth, Question, RepositoryNeed, TokenCredential
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Requirement, Role
from webhook.providers.transport.client import ProviderClient
from webhook.simulator import Simulator, example_world
from webhook.simulator.bitbucket_server import BitbucketServerHost

KIND = Kind("bitbucket-server")
RUNTIME = PROVIDERS[KIND].profile.defaults[Role.RUNTIME]
USER = PROVIDERS[KIND].profile.defaults[Role.USER]
NAME = "bitbucket.acme.dev"
JANE = "jane.doe_acme.dev"
REPOSITORY = "bitbucket/scm/acme/apps"
PROJECT = "bitbucket/scm/acme"
SERVER = "bitbucket"


def needs(*names: str) -> Requirement:
    """A requirement as `levels:` states it."""
    return Requirement(permissions=tuple(PROVIDERS[KIND].profile.vocabulary.level(name) for name in names))


@dataclass
class Harness:
    """Asks the simulated Bitbucket Server about the tokens of its world."""

    simulator: Simulator
    client: ProviderClient
    ca_file: Path

    @property
    def world(self) -> BitbucketServerHost:
        return self.simulator.world.bitbucket_server(NAME)

    @property
    def host(self) -> Host:
        return Host(NAME, KIND, self.simulator.hosts[NAME].api_url, self.ca_file, declared=True)

    def credential(self, name: str) -> TokenCredential:
        """A token of the world by its name; any other text is a token that the world doesn't know."""
        token = self.world.tokens.get(name)
        return TokenCredential(SecretStr(token.value if token is not None else name))

    async def inspect(
        self,
        name: str,
        path: str = REPOSITORY,
        *,
        roles: dict[Role, Requirement] | None = None,
        repositories: tuple[RepositoryNeed, ...] = (),
        host: Host | None = None,
        seconds: float = 10,
        patience: float | None = None,
        git_auth: GitAuth | None = None,
        open_ended: bool = False,
    ) -> Answer:
        """Everything that is found out about a token that is for `path`.

        Args:
            patience: seconds after which the answer is needed; `seconds` where absent.
        """
        segments = tuple(path.split("/")) if path else ()
        wanted = roles if roles is not None else {Role.RUNTIME: RUNTIME}
        credential = replace(self.credential(name), git_auth=git_auth)
        question = Question(credential, host or self.host, segments, wanted, repositories, open_ended)
        provider = BitbucketServer()
        now = asyncio.get_running_loop().time()
        needed_by = now + (seconds if patience is None else patience)
        return await inspect_recorded(
            provider, question, self.client.api(question.host, provider, b"digest", now + seconds, needed_by)
        )

    async def find(self, name: str, path: str = REPOSITORY, requirement: Requirement = RUNTIME) -> Finding:
        """What that means for a runtime token."""
        return (await self.inspect(name, path, roles={Role.RUNTIME: requirement})).findings[Role.RUNTIME]

    async def find_user(self, name: str, path: str = REPOSITORY, requirement: Requirement = USER) -> Finding:
        """What that means for a person's token."""
        return (await self.inspect(name, path, roles={Role.USER: requirement})).findings[Role.USER]

    def asked(self) -> list[str]:
        """The requests so far, in the order of their paths: those of one round have none of their own."""
        paths = [f"{record.method} {record.path}" for record in self.simulator.journal.records]
        return sorted(path.replace("/bitbucket/rest/api/1.0", "").replace("/bitbucket/scm", "scm") for path in paths)


@pytest.fixture
async def harness(server_context: ssl.SSLContext, ca_file: Path) -> AsyncIterator[Harness]:
    world = example_world(datetime.now(UTC))
    async with (
        Simulator(world, ssl_context=server_context) as simulator,
        ProviderClient(environment={"SSL_CERT_FILE": str(ca_file)}) as client,
    ):
        yield Harness(simulator, client, ca_file)
        assert not simulator.world.mutations  # no request of ours changes anything, ever
