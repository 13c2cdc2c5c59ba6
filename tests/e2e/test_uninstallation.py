"""Taken away by the README's command for it, `kubectl delete -k` of what was applied."""

from tests.api_server.control_plane import wait_until
from tests.e2e.cluster import Cluster, Place
from tests.e2e.installation import Installation, Providers
from tests.e2e.installing import OVERLAY
from tests.support.writes import accepted, runtime_secret, user_secret


def test_nothing_is_left_and_secrets_can_be_written(
    installation: Installation, cluster: Cluster, providers: Providers, before: set[str], place: Place
) -> None:
    """No object of any kind is left that wasn't there before; what was refused is stored, what was marked changes."""
    accepted(place.create(user_secret(providers.good_token)))
    cluster.kubectl("delete", "-k", OVERLAY)
    accepted(place.create(runtime_secret(providers.weak_token)))
    accepted(place.patch("git-default-octocat", {"stringData": {"token": "anything"}}))
    cluster.kubectl("delete", "namespace", *cluster.test_namespaces, "--ignore-not-found")
    wait_until(
        lambda: not cluster.everything() - before, 60, interval=1, message="the last of what was installed to go"
    )
