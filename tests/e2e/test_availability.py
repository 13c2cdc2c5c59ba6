"""What happens to writes while replicas come and go, and while certificates change: none fails."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from kubernetes.client import ApiClient, CoreV1Api, V1ObjectMeta, V1Secret
from kubernetes.utils.quantity import parse_quantity

from tests.api_server.control_plane import wait_until
from tests.e2e.cluster import Cluster, Place
from tests.e2e.installation import ARRIVAL_SECONDS, CONFIGURATIONS, NAME, NAMESPACE, SERVICE, Installation, Providers
from tests.e2e.traffic import Traffic, traffic
from tests.support.writes import Completed, accepted

DEPLOYMENT = f"deployment/{NAME}"

SPREAD_SECONDS = 3.0
"""Until every API server has taken notice of a changed webhook configuration."""


@pytest.fixture(scope="module")
def writes(installation: Installation, providers: Providers) -> Iterator[Traffic]:
    """Writes that go on for as long as the tests of this file do."""
    with traffic(installation.cluster, SERVICE, providers.good_token) as running:
        yield running


@pytest.fixture(autouse=True)
def none_fails(installation: Installation, writes: Traffic) -> Iterator[None]:
    """Begins with two replicas, and ends by looking at all writes since."""
    installation.wait_until_complete()
    with writes.watched():
        yield


def evict(cluster: Cluster, pod: str) -> Completed:
    """As `kubectl drain` does it, for one pod."""
    metadata = {"name": pod, "namespace": NAMESPACE}
    body = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
    return cluster.kubectl("create", "--raw", path, "-f", "-", input=body, check=False)


# --- Replicas come and go ---------------------------------------------------------------------------------------------


def test_a_rolling_restart(installation: Installation) -> None:
    """Both replicas are replaced, one after the other."""
    before = installation.pod_names()
    installation.kubectl("rollout", "restart", DEPLOYMENT)
    installation.kubectl("rollout", "status", DEPLOYMENT, "--timeout=240s")
    installation.wait_until_complete()
    assert not set(before) & set(installation.pod_names())


def test_an_eviction(installation: Installation, cluster: Cluster) -> None:
    """Of two replicas one may be evicted; the other not before there are two again."""
    first, second = installation.pod_names()
    accepted(evict(cluster, first))
    refusal = evict(cluster, second)
    assert refusal.returncode != 0
    assert "disruption budget" in refusal.stderr
    installation.wait_until_complete()
    assert second in installation.pod_names()


def test_down_to_one_replica_and_up_again(installation: Installation) -> None:
    """The HorizontalPodAutoscaler holds two, so it is asked to make do with one."""

    def at_least(replicas: int) -> None:
        patch = json.dumps({"spec": {"minReplicas": replicas}})
        installation.kubectl("patch", "hpa", NAME, "--type=merge", "--patch", patch)

    at_least(1)
    try:
        installation.kubectl("scale", DEPLOYMENT, "--replicas=1")
        installation.wait_until_complete(1)
    finally:
        at_least(2)
    installation.wait_until_complete(2)


# --- Certificates change ----------------------------------------------------------------------------------------------


def served(installation: Installation, pod: str) -> int:
    """The serial number of the certificate that a pod serves to whoever connects now."""
    look = (
        "import ssl; from cryptography import x509; "
        "pem = ssl.get_server_certificate(('127.0.0.1', 9443)); "
        "print(x509.load_pem_x509_certificate(pem.encode()).serial_number)"
    )
    return int(installation.run_in(pod, "python", "-c", look))


def wait_until_served(installation: Installation, serial: int) -> None:
    """By all replicas."""

    def everywhere() -> bool:
        return {served(installation, pod) for pod in installation.pod_names()} == {serial}

    wait_until(everywhere, ARRIVAL_SECONDS, interval=1, message="the new certificate, everywhere")


def issuer_of(leaf: x509.Certificate) -> bytes | None:
    """Which key signed it: all our CAs have one name."""
    return leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier


def certificates(installation: Installation, *command: str) -> str:
    """`git-token-webhook certs …` in one of the pods, which has the rights for it."""
    return installation.run_in(installation.pod_names()[0], "git-token-webhook", "certs", *command)


def test_a_new_leaf(installation: Installation) -> None:
    """`certs rotate` makes it, the kubelet brings it, and both replicas serve it without a restart."""
    before, pods, trusted = installation.leaf(), installation.pod_names(), installation.trusted()
    certificates(installation, "rotate")
    after = installation.leaf()
    assert after.serial_number != before.serial_number
    wait_until_served(installation, after.serial_number)
    assert installation.trusted() == trusted
    assert (installation.pod_names(), set(installation.restarts().values())) == (pods, {0})


def test_a_new_ca(installation: Installation) -> None:
    """Both CAs are published before a leaf of the new one is served; nobody does anything but begin it."""
    before, pods = installation.leaf(), installation.pod_names()
    (old, _) = installation.trusted()
    issuer = issuer_of(before)
    certificates(installation, "rotate", "--ca")
    wait_until(lambda: all(len(one) > len(old) for one in installation.trusted()), 60, message="both CAs in caBundle")
    assert installation.leaf().serial_number == before.serial_number, "the leaf switched before both CAs were known"
    wait_until(lambda: issuer_of(installation.leaf()) != issuer, 120, interval=0.5, message="a leaf of the new CA")
    wait_until_served(installation, installation.leaf().serial_number)
    certificates(installation, "check")
    assert (installation.pod_names(), set(installation.restarts().values())) == (pods, {0})


def test_a_ca_bundle_that_somebody_took_out(installation: Installation, writes: Traffic) -> None:
    """It is back within seconds. Writes fail until then, whatever we do; those of a second later must not."""
    (before, _) = installation.trusted()
    patch = json.dumps([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}])
    with writes.may_fail():
        installation.cluster.kubectl("patch", CONFIGURATIONS[1], NAME, "--type=json", "--patch", patch)
        wait_until(lambda: installation.trusted() == [before, before], 30, message="caBundle to be back")
        time.sleep(SPREAD_SECONDS)


# --- Load -------------------------------------------------------------------------------------------------------------


def test_memory_stays_within_its_limit_under_load(
    installation: Installation, providers: Providers, place: Place
) -> None:
    """Secrets as large as they may be, many at once: the most that the kernel ever counted is well below the limit."""
    pods = installation.pod_names()
    files = {f"file-{number}": " " * 100_000 for number in range(9)}
    large = V1Secret(
        metadata=V1ObjectMeta(name="git-default-large"),
        string_data={"token": providers.good_token, "padding": json.dumps(files)},
    )
    with ApiClient(place.client_configuration()) as client, ThreadPoolExecutor(20) as pool:

        def write(_: int) -> None:
            CoreV1Api(client).create_namespaced_secret(place.namespace, large, dry_run="All")

        list(pool.map(write, range(60)))
    for pod in installation.pods():
        (container,) = (one for one in pod["spec"]["containers"] if one["name"] == NAME)
        most = int(installation.run_in(pod["metadata"]["name"], "python", "-c", _MOST_MEMORY))
        limit = parse_quantity(container["resources"]["limits"]["memory"])  # type: ignore[no-untyped-call]
        assert most < 0.8 * float(limit)
    assert (installation.pod_names(), set(installation.restarts().values())) == (pods, {0})


_MOST_MEMORY = """
import pathlib
new, old = pathlib.Path("/sys/fs/cgroup/memory.peak"), pathlib.Path("/sys/fs/cgroup/memory/memory.max_usage_in_bytes")
print((new if new.exists() else old).read_text())
"""
