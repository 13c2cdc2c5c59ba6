"""Writes that go on while something changes, and none of which may fail.

The API server keeps up to 25 connections to a webhook, and so hardly notices what becomes of new ones. Hence two kinds
of traffic: writers, and beside them a pod that opens a new connection to the Service for each review, as an API server
would that has just started.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.api_server.control_plane import wait_until
from tests.e2e import IMAGE
from tests.e2e.cluster import Cluster, Place
from tests.support.writes import Stream

WRITERS = 12
PAUSE_SECONDS = 0.2

_PROBER = "prober"
_CALL = """
import http.client, json, os, ssl, time

WRITTEN = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plain", "namespace": "default"}}
REVIEW = {
    "uid": "1", "operation": "CREATE", "name": "plain", "namespace": "default", "userInfo": {"username": "prober"},
    "kind": {"group": "", "version": "v1", "kind": "Secret"},
    "resource": {"group": "", "version": "v1", "resource": "secrets"}, "object": WRITTEN,
}
BODY = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": REVIEW})
HEADERS = {"Content-Type": "application/json", "Connection": "close"}
# Only whether somebody answers: that the certificate is the right one shows in what the API server makes of it.
TLS = ssl._create_unverified_context()
while True:
    began = time.monotonic()
    connection = http.client.HTTPSConnection(os.environ["SERVICE"], timeout=10, context=TLS)
    try:
        connection.request("POST", "/validate", BODY, HEADERS)
        answer = connection.getresponse()
        allowed = json.loads(answer.read())["response"]["allowed"]
        print("allowed" if allowed else f"failed: answered {answer.status}", flush=True)
    except Exception as error:
        print(f"failed: {time.strftime('%T')} after {time.monotonic() - began:.1f} s: {error!r}", flush=True)
    finally:
        connection.close()
    time.sleep(0.05)
"""


class Traffic:
    """Both kinds. What fails is told by whoever watches at that time."""

    def __init__(self, stream: Stream, place: Place) -> None:
        self._stream = stream
        self._place = place
        self._forgiven = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Fails at the end of the `with` statement if any write has failed since its beginning."""
        before = len(self.failures())
        self._forgiven = 0
        yield
        self.goes_on()
        failures = self.failures()[before:]
        assert len(failures) <= self._forgiven, "\n".join(failures)

    @contextmanager
    def may_fail(self) -> Iterator[None]:
        """What fails meanwhile counts as expected."""
        before = len(self.failures())
        yield
        self._forgiven += len(self.failures()) - before

    def goes_on(self, writes: int = 100) -> None:
        """Returns once so many more writes were answered."""
        self._stream.wait_for(writes)

    def connections(self) -> list[str]:
        """What became of each new connection."""
        return self._place.kubectl("logs", _PROBER).stdout.splitlines()

    def failures(self) -> list[str]:
        """All that failed so far."""
        return [*self._stream.failures, *(line for line in self.connections() if line != "allowed")]


@contextmanager
def traffic(cluster: Cluster, service: str, token: str) -> Iterator[Traffic]:
    """Writes with this token until the `with` statement ends.

    Args:
        service: the webhook's Service, by the name that pods know it by.
    """
    place = cluster.new_place()
    cluster.apply(_prober(place.namespace, service))
    with Stream(place, token, writers=WRITERS, pause=PAUSE_SECONDS) as stream:
        running = Traffic(stream, place)
        wait_until(lambda: "allowed" in running.connections(), 60, message="the first new connection")
        yield running
    cluster.kubectl("delete", "namespace", place.namespace, "--wait=false")


def _prober(namespace: str, service: str) -> dict[str, object]:
    container = {
        "name": _PROBER,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", _CALL],
        "env": [{"name": "SERVICE", "value": service}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    metadata = {"name": _PROBER, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
