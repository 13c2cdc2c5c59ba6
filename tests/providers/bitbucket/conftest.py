"""Bitbucket Cloud, asked as in production: the real client over real TLS, against the simulator."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from webhook.providers.bitbucket import Bitbucket
from webhook.providers.bitbucket.profile import PROFILE
from webhook.providers.evidence import inspect_recorded
from webhook.providers.findings import Answer, Finding, GitAuth, Question, RepositoryNeed, TokenCredential
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Level, Requirement, Role
from webhook.providers.transport.client import ProviderClient
from webhook.simulator import Simulator, example_world
from webhook.simulator.bitbucket import BitbucketHost, Token, TokenKind

RUNTIME = PROFILE.defaults[Role.RUNTIME]
USUAL = "(usual)"
"""Stands for the username that works: the owner's e-mail address, or x-token-auth."""


def need(name: str, access: Level = Level.READ) -> RepositoryNeed:
    """A repository that a runtime token must reach besides the one of its URL."""
    return RepositoryNeed(tuple(name.split("/")), access)


@dataclass
class Harness:
    """Asks the simulated Bitbucket about the credentials of its world."""

    simulator: Simulator
    client: ProviderClient
    ca_file: Path
    name: str = "bitbucket.org"

    @property
    def world(self) -> BitbucketHost:
        return self.simulator.world.bitbucket(self.name)

    @property
    def host(self) -> Host:
        return Host(self.name, Kind("bitbucket"), self.simulator.hosts[self.name].api_url, self.ca_file, declared=True)

    def credential(self, name: str, username: str | None = USUAL) -> TokenCredential:
        """A token of the world by its name, without the world's prefix."""
        token = self.world.tokens[f"bitbucket-{name}"]
        if username == USUAL:
            is_api_token = token.kind is TokenKind.API_TOKEN
            username = self.world.accounts[token.owner or ""].email if is_api_token else "x-token-auth"
        return TokenCredential(SecretStr(token.value), username)

    def make(self, *scopes: str, kind: TokenKind = TokenKind.API_TOKEN, owner: str = "ada", bound_to: str = "") -> None:
        """Put a token called ``made`` into the world, with these scopes."""
        whose = {"bound_to": bound_to} if bound_to else {"owner": owner}
        self.world.add(Token.model_validate({"name": "bitbucket-made", "kind": kind, "scopes": scopes, **whose}))

    async def inspect(
        self,
        credential: str | TokenCredential,
        path: str = "",
        *,
        username: str | None = USUAL,
        needs: Requirement = RUNTIME,
        roles: Sequence[Role] = (Role.RUNTIME,),
        repositories: Sequence[RepositoryNeed] = (),
        patience: float = 10,
        git_auth: GitAuth | None = None,
        open_ended: bool = False,
    ) -> Answer:
        """Everything that is found out about a credential that is for `path`."""
        if isinstance(credential, str):
            credential = self.credential(credential, username)
        segments = tuple(path.split("/")) if path else ()
        requirements = dict.fromkeys(roles, needs)
        credential = replace(credential, git_auth=git_auth)
        question = Question(credential, self.host, segments, requirements, tuple(repositories), open_ended)
        provider = Bitbucket(lambda: datetime.now(UTC))
        now = asyncio.get_running_loop().time()
        return await inspect_recorded(
            provider, question, self.client.api(self.host, provider, b"digest", now + 10, needed_by=now + patience)
        )

    async def find(
        self,
        credential: str | TokenCredential,
        path: str = "",
        *,
        username: str | None = USUAL,
        needs: Requirement = RUNTIME,
        repositories: Sequence[RepositoryNeed] = (),
    ) -> Finding:
        """What that means for a runtime token."""
        answer = await self.inspect(credential, path, username=username, needs=needs, repositories=repositories)
        return answer.findings[Role.RUNTIME]

    def asked(self) -> list[str]:
        """The requests so far, in the order of method and path: those of one round have none of their own."""
        return sorted(f"{record.method} {record.path}" for record in self.simulator.journal.records)


@pytest.fixture
async def harness(server_context: ssl.SSLContext, ca_file: Path) -> AsyncIterator[Harness]:
    world = example_world(datetime.now(UTC))
    async with (
        Simulator(world, ssl_context=server_context) as simulator,
        ProviderClient(environment={"SSL_CERT_FILE": str(ca_file)}) as client,
    ):
        yield Harness(simulator, client, ca_file)
        assert not simulator.world.mutations  # no request of ours changes anything, ever
        removed = {"/2.0/repositories", "/2.0/workspaces"}
        paths = {record.path for record in simulator.journal.records}
        assert not removed & paths and not any(path.startswith("/2.0/user/permissions") for path in paths)
