"""One bench for all tests: it begins anew with each case, and its connections stay open."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
import trustme

from tests.providers.contract.bench import Bench
from tests.providers.contract.cases import SHORT_TIMEOUT
from webhook.providers.http import ProviderClient
from webhook.providers.limits import Courtesy, Limits
from webhook.simulator import Simulator, example_world


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(authority, tmp_path_factory)


@pytest.fixture(scope="session")
def foreign_ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that didn't sign the simulator's certificate."""
    return _written(trustme.CA(), tmp_path_factory)


def _written(authority: trustme.CA, folder: pytest.TempPathFactory) -> Path:
    file = folder.mktemp("authority") / "ca.pem"
    file.write_bytes(authority.cert_pem.bytes())
    return file


@asynccontextmanager
async def _bench(server_context: ssl.SSLContext, ca_file: Path, limits: Limits) -> AsyncIterator[Bench]:
    courtesy = Courtesy()
    world = example_world(datetime.now(UTC))
    async with (
        Simulator(world, ssl_context=server_context) as simulator,
        ProviderClient(limits, courtesy=courtesy, environment={}) as client,
    ):
        yield Bench(simulator, client, courtesy, ca_file)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bench(server_context: ssl.SSLContext, ca_file: Path) -> AsyncIterator[Bench]:
    """With the client as it is in production."""
    async with _bench(server_context, ca_file, Limits()) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hurried_bench(server_context: ssl.SSLContext, ca_file: Path) -> AsyncIterator[Bench]:
    """With a client that doesn't wait long."""
    async with _bench(server_context, ca_file, Limits(provider_timeout=SHORT_TIMEOUT)) as made:
        yield made
