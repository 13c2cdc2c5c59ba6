"""What all end-to-end tests share: the cluster, and one installation for the tests of a file."""

import os
import shutil
from pathlib import Path

import pytest

from ..go_programs import skip_or_fail
from .cluster import Cluster

HERE = Path(__file__).parent

TEST_TIMEOUT_SECONDS = 300

HOW = (
    "End-to-end tests need a cluster that they may use as they like, with our image on it. "
    "As root on Linux: ./dev e2e --node. With Docker: ./dev e2e --kind. On the cluster of KUBECONFIG: ./dev e2e."
)


@pytest.hookimpl(tryfirst=True)  # before -m selects by the marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder as `e2e`. The hook sees those of all folders."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("e2e")
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_SECONDS, func_only=True))


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster that KUBECONFIG names. Without one: skipped, but an error where CI is set."""
    lacking = [tool for tool in ("kubectl", "helm") if shutil.which(tool) is None]
    if "KUBECONFIG" not in os.environ or lacking:
        skip_or_fail(HOW)
    return Cluster()
