"""Gitea, asked as in production: the real client over real TLS, against the simulator."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from webhook.providers import PROVIDERS
from webhook.providers.evidence import inspect_recorded
from webhook.providers.findings import Answer, Credential, Finding, Question, RepositoryNeed, TokenCredential
from webhook.providers.gitea import Gitea
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Requirement, Role
from webhook.providers.transport.client import ProviderClient
from webhook.review.messages import failure
from webhook.simulator import Simulator, example_world
from webhook.simulator.faults import AnyEffect
from webhook.simulator.gitea import GiteaHost, Token

KIND = Kind("gitea")
RUNTIME = PROVIDERS[KIND].profile.defaults[Role.RUNTIME]
USER = PROVIDERS[KIND].profile.defaults[Role.USER]
NAME = "gitea.acme.dev"
REPOSITORY = "acme/apps"
SECONDS = 10.0
LINK = "https://gitea.acme.dev/user/settings/applications"
WHOLE_ROUND = sorted(["GET /token", "GET /version", "GET /user", "POST /repos/-/-/hooks", "GET /repos/acme/apps"])


def needs(*scopes: str) -> Requirement:
    """A requirement as `scopes:` states it."""
    return Requirement(scopes=scopes)


@dataclass
class Harness:
    """Asks the simulated Gitea about the tokens of its world."""

    simulator: Simulator
    client: ProviderClient
    ca_file: Path

    @property
    def world(self) -> GiteaHost:
        return self.simulator.world.gitea(NAME)

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
        patience: float | None = None,
    ) -> Answer:
        """Everything that is found out about a token that is for `path`.

        Args:
            patience: seconds after which the answer is needed; `SECONDS` where absent.
        """
        return await self.ask_for(
            self.credential(name), path, roles=roles, repositories=repositories, host=host, patience=patience
        )

    async def ask_for(
        self,
        credential: Credential,
        path: str = REPOSITORY,
        *,
        roles: dict[Role, Requirement] | None = None,
        repositories: tuple[RepositoryNeed, ...] = (),
        host: Host | None = None,
        patience: float | None = None,
    ) -> Answer:
        """The same for any credential."""
        segments = tuple(path.split("/")) if path else ()
        wanted = roles if roles is not None else {Role.RUNTIME: RUNTIME}
        question = Question(credential, host or self.host, segments, wanted, repositories)
        provider = Gitea()
        now = asyncio.get_running_loop().time()
        needed_by = now + (SECONDS if patience is None else patience)
        return await inspect_recorded(
            provider, question, self.client.api(question.host, provider, b"digest", now + SECONDS, needed_by)
        )

    async def find(self, name: str, path: str = REPOSITORY, requirement: Requirement = RUNTIME) -> Finding:
        """What that means for a runtime token."""
        return (await self.inspect(name, path, roles={Role.RUNTIME: requirement})).findings[Role.RUNTIME]

    async def sentence(self, name: str, path: str = REPOSITORY, **more: Any) -> str:
        """What a person reads who stores that token."""
        answer = await self.inspect(name, path, **more)
        return failure(NAME, answer.facts, answer.findings, answer.remedy)

    def give(self, *scopes: str, owner: str = "octocat", name: str = "token") -> str:
        """Make a token in the world, and say its name."""
        self.world.add(Token.model_validate({"name": name, "owner": owner, "scopes": list(scopes)}))
        return name

    def fail(self, effect: AnyEffect, path: str, **more: Any) -> None:
        """Let an endpoint fail from now on."""
        self.simulator.faults.add(effect, host=NAME, path=f"/api/v1{path}", **more)

    def asked(self) -> list[str]:
        """The requests so far, in the order of their paths: those of one round have none of their own."""
        paths = [f"{record.method} {record.path}" for record in self.simulator.journal.records]
        return sorted(path.replace("/api/v1", "") for path in paths)


@pytest.fixture
async def harness(server_context: ssl.SSLContext, ca_file: Path) -> AsyncIterator[Harness]:
    world = example_world(datetime.now(UTC))
    async with (
        Simulator(world, ssl_context=server_context) as simulator,
        ProviderClient(environment={"SSL_CERT_FILE": str(ca_file)}) as client,
    ):
        yield Harness(simulator, client, ca_file)
        assert not simulator.world.mutations  # no request of ours changes anything, ever
