"""One control plane for the whole run; for each test a namespace of its own.

The API server is shared, so a test that registers a webhook limits it to its namespace, by
`namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAMESPACE}}` (every namespace has that label by itself),
and allows 1-2 seconds, with `wait_until`, before a new webhook or role counts.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kubernetes.client import ApiClient, Configuration

from tests.api_server.binaries import find_or_build
from tests.api_server.control_plane import ControlPlane, ControlPlaneFailed, Manifest, as_yaml
from tests.api_server.webhook_process import forgetful as forgetful  # fixtures, which pytest finds here
from tests.api_server.webhook_process import github as github
from tests.api_server.webhook_process import installer as installer
from tests.api_server.webhook_process import place as place
from tests.api_server.webhook_process import webhook as webhook
from tests.support.go_programs import BinariesUnavailable, progress_of, skip_or_fail

Apply = Callable[[str | Manifest | Iterable[Manifest]], None]

USERS = {"alice": ["developers"], "bob": []}
"""Who can log in besides admin, with their groups. Tests bind roles to them in their own namespace only."""

LONGEST = ("test_certificates", "test_audit_watch", "test_audit")
"""Files of more than a minute. They come before the others: of several processes none is left with one at the end."""


@pytest.hookimpl(tryfirst=True)  # before -m selects by the marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder as `cluster`. The hook sees those of all folders."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("cluster")
    items.sort(key=lambda item: not (item.path.is_relative_to(here) and item.path.stem in LONGEST))


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """The running API server and etcd. Without the binaries for them: skipped, but an error where CI is set."""
    try:
        binaries = find_or_build(progress_of(request.config))
    except BinariesUnavailable as error:
        skip_or_fail(str(error))
    with ExitStack() as stack:
        try:
            running = stack.enter_context(ControlPlane(binaries, users=USERS))
        except ControlPlaneFailed as error:
            # Every test repeats what stopped this fixture: the log's tail is enough, without our own lines.
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        yield running


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """The name of a new namespace."""
    name = f"test-{secrets.token_hex(4)}"
    control_plane.kubectl("create", "namespace", name)
    yield name
    # The namespace itself stays: without a controller-manager it would never finish deleting. Its Secrets go, so that a
    # test that lists those of the whole cluster sees few of others. At best: a webhook of the test may still forbid it.
    control_plane.kubectl("delete", "secrets", "--all", "--wait=false", "-n", name, check=False)


@pytest.fixture
def apply(control_plane: ControlPlane, namespace: str) -> Iterator[Apply]:
    """Applies manifests as admin, and deletes them when the test ends: for webhook configurations and the like."""
    applied: list[str] = []

    def apply_for_this_test(manifests: str | Manifest | Iterable[Manifest]) -> None:
        text = as_yaml(manifests)
        applied.append(text)
        control_plane.apply(text)

    yield apply_for_this_test
    for text in reversed(applied):
        control_plane.delete(text)


@pytest.fixture(scope="session")
def client(control_plane: ControlPlane) -> Iterator[ApiClient]:
    """The official Python client, as admin."""
    configuration = Configuration(
        host=control_plane.server_url,
        api_key={"BearerToken": f"Bearer {control_plane.token()}"},
        ca_cert_data=control_plane.ca_pem.decode(),
        no_proxy="*",  # whatever the environment says: everything here is on loopback
    )
    with ApiClient(configuration) as api_client:
        yield api_client
