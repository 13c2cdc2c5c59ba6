"""Outages, rotations and rollouts: what happens to writes while something goes down, comes up or changes."""

import http.client
import json
from collections.abc import Iterator

import pytest

from tests.api_server.control_plane import wait_until
from tests.api_server.webhook_process import (
    Installation,
    Installer,
    Simulation,
    Stream,
    accepted,
    refused,
    runtime_secret,
    secret,
    serial_of,
    user_secret,
)
from webhook.simulator.faults import Hang, Outage

RUNTIME = "runtime-repo-creds-secret"


@pytest.fixture(scope="session")
def lenient(installer: Installer) -> Iterator[Installation]:
    """One that lets in what it could not verify."""
    settings = {"onUnverified": "warn", "limits": {"cacheTtl": "0s", "providerTimeout": "1s"}}
    with installer.installed(settings) as installation:
        yield installation


# --- The webhook is down ----------------------------------------------------------------------------------------------


def test_without_the_webhook_no_credential_is_stored(installer: Installer, github: Simulation) -> None:
    """What nobody checked is refused, all else is as ever; and when it is back, so are the writes."""
    with installer.installed() as installation:
        place = installation.new_namespace()
        accepted(place.create(user_secret(github.good_token())))
        installation.server.stop()
        message = refused(place.create(runtime_secret(github.good_token())))
        assert f'failed calling webhook "{installation.webhooks["validate"]}"' in message
        accepted(place.create(secret({"token": "nothing"}, name="plain")))
        accepted(place.kubectl("delete", "secret", "git-default-octocat"))


# --- The provider is down ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [Outage(), Hang()], ids=["503", "no answer"])
def test_what_the_provider_can_t_say_is_refused(
    forgetful: Installation, github: Simulation, effect: Outage | Hang
) -> None:
    """The message says that the token may be good, and that a retry may pass."""
    place, token = forgetful.new_namespace(), github.good_token()
    github.fail(token, effect)
    message = refused(place.create(runtime_secret(token)))
    assert "data.password: github.com " in message
    assert "so this token cannot be verified; a retry may pass." in message


def test_what_the_provider_can_t_say_can_be_let_in(lenient: Installation, github: Simulation) -> None:
    """`onUnverified: warn` stores it with a warning and a label, for an audit to find; weak ones stay refused."""
    place, token = lenient.new_namespace(), github.good_token()
    github.fail(token, Outage())
    assert "a retry may pass" in accepted(place.create(runtime_secret(token)))
    marks = place.marks(RUNTIME)
    assert marks["validation"] == "unverified"
    assert "validated-at" not in marks
    refused(place.patch(RUNTIME, {"stringData": {"password": github.weak_token()}}))


# --- The webhook changes while it is used -----------------------------------------------------------------------------


def test_a_changed_configuration_counts_without_a_restart(installer: Installer, github: Simulation) -> None:
    """The file is read again when it changes; one that is wrong changes nothing."""
    with installer.installed() as installation:
        place = installation.new_namespace()
        weak = runtime_secret(github.weak_token())
        refused(place.create(weak, "--dry-run=server"))
        installation.configure(mode="warn")
        wait_until(lambda: place.create(weak, "--dry-run=server").returncode == 0, 30)
        installation.configure(mode="nonsense")
        wait_until(lambda: "reload failed" in installation.log, 30, message="the wrong file to be reported")
        accepted(place.create(weak))


def test_a_certificate_is_swapped_under_a_stream_of_writes(installer: Installer, github: Simulation) -> None:
    """Not one write fails, on connections from before and on new ones, which get the new certificate."""
    with installer.installed(replicas=1) as installation:
        relay = installation.relay
        assert relay is not None
        place = installation.new_namespace()
        kept = installation.connect()
        old = serial_of(kept)
        with Stream(place, github.good_token(), writers=40) as stream:
            stream.wait_for(60)
            new = installation.new_certificate()
            wait_until(lambda: new_serial(installation) == new, 30, message="the new certificate")
            before = relay.total
            wait_until(lambda: relay.total > before, 30, message="a new connection of the API server")
            stream.wait_for(60)
        assert stream.failures == []
        assert old != new
        assert is_answered(kept)


def new_serial(installation: Installation) -> int:
    """That of the certificate that a connection gets now."""
    connection = installation.connect()
    try:
        return serial_of(connection)
    finally:
        connection.close()


def is_answered(connection: http.client.HTTPSConnection) -> bool:
    """Whether a review on this connection is answered; closes it."""
    headers = {"Content-Type": "application/json"}
    try:
        connection.request("POST", "/validate", body=json.dumps(review()), headers=headers)
        answer = connection.getresponse()
        return answer.status == http.client.OK and json.loads(answer.read())["response"]["allowed"] is True
    finally:
        connection.close()


def review() -> dict[str, object]:
    """What the API server sends about a Secret that is nobody's business here."""
    metadata = {"name": "plain", "namespace": "default"}
    request = {
        "uid": "1",
        "kind": {"group": "", "version": "v1", "kind": "Secret"},
        "resource": {"group": "", "version": "v1", "resource": "secrets"},
        "name": "plain",
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {"username": "admin"},
        "object": {"apiVersion": "v1", "kind": "Secret", "metadata": metadata},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def test_a_replica_ends_under_a_stream_of_writes(installer: Installer, github: Simulation) -> None:
    """After SIGTERM it tells that it is going, and serves on until everybody knows; the other takes over."""
    with installer.installed(replicas=2, shutdown_delay="3s") as installation:
        relay = installation.relay
        assert relay is not None
        place = installation.new_namespace()
        first, second = installation.servers
        with Stream(place, github.good_token()) as stream:
            stream.wait_for(60)
            assert relay.opened[0], "the replica that ends had no connection, so that its end shows nothing"
            first.terminate()
            wait_until(lambda: first.readiness() == 503, 2, interval=0.02, message="the replica to say that it goes")
            # Somebody who doesn't know yet, as there always is: nodes learn it one after the other.
            assert is_answered(installation.connect())
            assert first.wait() == 0
            stream.wait_for(100)
        assert stream.failures == []
        assert second.is_ready()
