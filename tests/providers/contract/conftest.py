"""One bench for all tests: it begins anew with each case, and its connections stay open."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from tests.providers.contract.bench import Bench
from tests.providers.contract.cases import SHORT_TIMEOUT
from tests.providers.servers import Authority
from webhook.providers.transport.client import ProviderClient
from webhook.providers.transport.limits import HostThrottle, Limits
from webhook.simulator import Simulator, example_world


@pytest.fixture(scope="session")
def foreign_ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that didn't sign the simulator's certificate."""
    return Authority(tmp_path_factory.mktemp("foreign")).file


@asynccontextmanager
async def _bench(server_context: ssl.SSLContext, ca_file: Path, limits: Limits) -> AsyncIterator[Bench]:
    throttle = HostThrottle()
    world = example_world(datetime.now(UTC))
    async with (
        Simulator(world, ssl_context=server_context) as simulator,
        ProviderClient(limits, throttle=throttle, environment={}) as client,
    ):
        yield Bench(simulator, client, throttle, ca_file)


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
