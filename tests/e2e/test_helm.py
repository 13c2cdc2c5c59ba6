"""Installed, upgraded and uninstalled by the README's commands for Helm."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api_server.control_plane import wait_until
from tests.e2e.cluster import ROOT, Cluster, Place
from tests.e2e.installation import NAME, NAMESPACE, SERVICE, Installation, Providers
from tests.e2e.installing import remove_all, simulator, values_for_simulator, wait_until_removed
from tests.e2e.test_installation import RUNTIME, WEAK
from tests.e2e.traffic import traffic
from tests.support.writes import accepted, runtime_secret, user_secret

CHART = "manifests/chart"
PREVIOUS_VERSION = "0.0.9"


def install(cluster: Cluster, chart: str, values: dict[str, Any], *options: str) -> None:
    """`helm upgrade --install`, as the README has it."""
    command = ("helm", "upgrade", "--install", NAME, chart, "--namespace", NAMESPACE, "--values", "-", *options)
    cluster.command(*command, input=json.dumps(values))


@pytest.fixture(scope="module")
def previous(cluster: Cluster, providers: Providers, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The chart before this one, in warn mode. None was released yet, so it is this one under another version and with
    another pod template: an upgrade replaces every pod, whatever else the next release will change."""
    remove_all(cluster)
    wait_until_removed(cluster)
    chart = Path(shutil.copytree(ROOT / CHART, tmp_path_factory.mktemp("previous") / "chart"))
    description = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**description, "version": PREVIOUS_VERSION}))
    cluster.kubectl("apply", "-f", "manifests/base/namespace.yaml")
    cluster.apply(simulator(cluster))
    values = {**values_for_simulator(), "podAnnotations": {"release": "previous"}}
    install(cluster, str(chart), values, "--set", "config.mode=warn")
    installation = Installation(cluster, providers)
    installation.wait_until_complete()
    return installation


@pytest.fixture(scope="module")
def kept(previous: Installation) -> dict[str, Any]:
    """What an upgrade must leave as it is."""
    return what_is_kept(previous)


def what_is_kept(installation: Installation) -> dict[str, Any]:
    names = (f"{NAME}-keys", f"{NAME}-ca", f"{NAME}-tls")
    found: dict[str, Any] = {name: installation.cluster.get("-n", NAMESPACE, "secret", name)["data"] for name in names}
    return {**found, "caBundle": installation.trusted()}


def released(cluster: Cluster) -> tuple[str, str]:
    """Revision and chart of the release, as `helm list` shows them."""
    listed = cluster.command("helm", "list", "--namespace", NAMESPACE, "--output", "json").stdout
    (release,) = json.loads(listed)
    return str(release["revision"]), release["chart"]


@pytest.fixture(scope="module")
def upgraded(
    previous: Installation, kept: dict[str, Any], cluster: Cluster, providers: Providers
) -> Iterator[Installation]:
    """This chart over the previous one, under a stream of writes none of which fails."""
    before = previous.pod_names()
    with traffic(cluster, SERVICE, providers.good_token) as writes:
        with writes.watched():
            install(cluster, CHART, values_for_simulator())
            previous.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=240s")
            previous.wait_until_complete()
    assert not set(before) & set(previous.pod_names())
    yield previous


def test_warn_mode_lets_in_with_a_warning(previous: Installation, providers: Providers, place: Place) -> None:
    """`--set config.mode=warn`, for a first roll-out."""
    assert "a runtime token also needs admin:repo_hook" in accepted(place.create(runtime_secret(providers.weak_token)))
    assert place.marks(RUNTIME)["validation"] == "warned"
    assert released(previous.cluster) == ("1", f"{NAME}-{PREVIOUS_VERSION}")


def test_an_upgrade_enforces(upgraded: Installation, providers: Providers, place: Place) -> None:
    """No write failed meanwhile (see `upgraded`); a weak token is refused, and a good one stored."""
    revision, chart = released(upgraded.cluster)
    assert (revision, chart.startswith(NAME)) == ("2", True)
    assert PREVIOUS_VERSION not in chart
    refusal = ""

    def is_refused() -> bool:
        nonlocal refusal
        result = place.create(runtime_secret(providers.weak_token), "--dry-run=server")
        refusal = result.stderr
        return result.returncode != 0

    # The pods are new ones, but the ConfigMap that they were started with may be the old one for a moment.
    wait_until(is_refused, 150, message="enforcement")
    assert refusal.startswith(WEAK)
    accepted(place.create(runtime_secret(providers.good_token)))


def test_an_upgrade_keeps_keys_and_certificates(upgraded: Installation, kept: dict[str, Any]) -> None:
    """What was sealed opens, and what the API server trusts is served, before and after."""
    assert what_is_kept(upgraded) == kept


def test_uninstalled_nothing_acts_any_more(
    upgraded: Installation, cluster: Cluster, providers: Providers, place: Place
) -> None:
    """Secrets can be written. What is left is the namespace with the Secrets of keys and certificates, and the Lease by
    which the replicas agreed who keeps those."""
    accepted(place.create(user_secret(providers.good_token)))
    cluster.command("helm", "uninstall", NAME, "--namespace", NAMESPACE)
    accepted(place.create(runtime_secret(providers.weak_token)))
    accepted(place.patch("git-default-octocat", {"stringData": {"token": "anything"}}))
    left = {f"Secret {NAME}-{what} {NAMESPACE}" for what in ("keys", "ca", "tls")}
    left.add(f"Lease {NAME}-certificates {NAMESPACE}")

    def ours() -> set[str]:
        return {one for one in cluster.everything() if NAME in one.split()[1] and "simulator" not in one}

    wait_until(lambda: ours() == {f"Namespace {NAME}", *left}, 60, interval=1, message="the last pods to end")
