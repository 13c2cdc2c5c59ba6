"""What all end-to-end tests share: the cluster, the providers in it, and the installation by Kustomize."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, Place
from tests.e2e.installation import Installation, Providers
from tests.e2e.installing import OVERLAY, remove_all, wait_until_removed
from tests.support.go_programs import skip_or_fail

HERE = Path(__file__).parent

TEST_TIMEOUT_SECONDS = 900
"""For a kubelet that brings a changed ConfigMap within two minutes, several times in one test."""

ORDER = (
    "test_installation",
    "test_image",
    "test_rights",
    "test_availability",
    "test_audit",
    "test_uninstallation",
    "test_helm",
)
"""All but the last share one installation, since each costs half a minute; the last makes its own."""

HOW = (
    "End-to-end tests need a cluster that they may use as they like, with our image on it. "
    "As root on Linux: ./dev e2e --node. With Docker: ./dev e2e --kind. On the cluster of KUBECONFIG: ./dev e2e."
)


@pytest.hookimpl(tryfirst=True)  # before -m selects by the marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder as `e2e`, and puts them in order. The hook sees those of all folders."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("e2e")
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_SECONDS, func_only=True))
    items.sort(key=lambda item: ORDER.index(item.path.stem) if item.path.stem in ORDER else -1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster that KUBECONFIG names. Without one: skipped, but an error where CI is set."""
    if "KUBECONFIG" not in os.environ or not all(map(shutil.which, ("kubectl", "helm"))):
        skip_or_fail(HOW)
    cluster = Cluster()
    remove_all(cluster)  # of a run that was interrupted
    wait_until_removed(cluster)
    yield cluster
    remove_all(cluster)


@pytest.fixture(scope="session")
def providers(cluster: Cluster) -> Providers:
    """The simulated providers. They are there as long as an installation is."""
    return Providers(cluster)


@pytest.fixture(scope="session")
def before(cluster: Cluster) -> set[str]:
    """All that the cluster had before anything of ours came into it."""
    return cluster.everything()


@pytest.fixture(scope="session")
def documented(cluster: Cluster, providers: Providers, before: set[str]) -> Installation:
    """What the README's command makes, as it stands there."""
    cluster.kubectl("apply", "-k", "manifests/overlays/own-certificates")
    installation = Installation(cluster, providers)
    installation.kubectl("rollout", "status", "deployment/git-token-webhook", "--timeout=240s")
    return installation


@pytest.fixture(scope="session")
def installation(documented: Installation) -> Installation:
    """The same with the simulated providers: an overlay on top of the documented one."""
    documented.cluster.kubectl("apply", "-k", OVERLAY)
    documented.kubectl("rollout", "status", "deployment/simulator", "--timeout=120s")
    documented.kubectl("rollout", "status", "deployment/git-token-webhook", "--timeout=240s")
    documented.wait_until_complete()
    return documented


@pytest.fixture
def place(cluster: Cluster) -> Iterator[Place]:
    """A new namespace."""
    place = cluster.new_place()
    yield place
    cluster.kubectl("delete", "namespace", place.namespace, "--wait=false", "--ignore-not-found")
