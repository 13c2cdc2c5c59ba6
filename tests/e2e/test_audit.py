"""Switched off at three in the morning, back in the day, and what got in meanwhile: docs/how-to/outage.md."""

import json

from tests.api_server.control_plane import wait_until
from tests.e2e.cluster import Cluster, Place
from tests.e2e.installation import CONFIGURATIONS, NAME, Installation, Providers
from tests.e2e.installing import OVERLAY
from tests.e2e.test_installation import RUNTIME, WEAK
from tests.support.writes import accepted, runtime_secret, user_secret

USER = "git-default-octocat"


def test_what_got_in_while_it_was_off_is_found(
    installation: Installation, cluster: Cluster, providers: Providers, place: Place
) -> None:
    """Without the two configurations writes go through; applied again they enforce, and by then the audit has told what
    got in, as an Event beside the Secret."""
    installation.kubectl("rollout", "status", f"deployment/{NAME}-audit", "--timeout=120s")
    cluster.kubectl("delete", ",".join(CONFIGURATIONS), NAME)
    bad = user_secret(providers.token("no-scope-classic"), name=USER)
    wait_until(lambda: place.create(bad).returncode == 0, 10, message="writes to go through")
    cluster.kubectl("apply", "-k", OVERLAY)

    def told() -> list[str]:
        found = place.kubectl("get", "events", f"--field-selector=involvedObject.name={USER}", "-o", "json").stdout
        return [event["message"] for event in json.loads(found)["items"]]

    (message,) = wait_until(told, 60, message="the Event")
    assert "a user token needs repo" in message
    assert "The webhook has never checked it." in message
    weak = runtime_secret(providers.weak_token)
    wait_until(lambda: place.create(weak, "--dry-run=server").stderr.startswith(WEAK), 60, message="enforcement")
    accepted(place.create(runtime_secret(providers.good_token)))
    assert place.marks(RUNTIME)["validation"] == "passed"
