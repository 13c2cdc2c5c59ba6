"""A cluster in memory and simulated providers for the commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_server.webhook_process import Simulation
from tests.support.memory_cluster import MemoryCluster
from webhook.simulator.cluster import Grant, User

READER = User("reader", (Grant(("get", "list"), ("secrets",)),))
TEAM_READER = User("team-reader", (Grant(("list",), ("namespaces",)), Grant(("get", "list"), ("secrets",), "team")))


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """The simulated providers. Each test creates its own tokens."""
    with Simulation(tmp_path_factory.mktemp("providers")) as simulation:
        yield simulation


@pytest.fixture
def cluster(github: Simulation, tmp_path: Path) -> Iterator[MemoryCluster]:
    """A cluster with the namespaces `team` and `other`, and a configuration with the simulated providers."""
    with MemoryCluster(tmp_path, (READER, TEAM_READER)) as running:
        running.configure(providers=github.settings())
        for name in ("team", "other"):
            running.call(running.server.put("namespaces", {"metadata": {"name": name}}))
        yield running
