"""Own certificates on a real API server: made from nothing, renewed and rolled under writes, and kept by somebody."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_server.control_plane import ControlPlane, wait_until
from tests.api_server.own_certificates import (
    CONFIGURATIONS,
    Lab,
    Line,
    kubeconfig_through,
    kubeconfig_without_rights,
    lab,
)
from tests.api_server.webhook_process import Simulation, Stream, accepted, refused, user_secret
from webhook.certs.issue import generate_certificates


@pytest.fixture
def here(control_plane: ControlPlane, github: Simulation, namespace: str, tmp_path: Path) -> Iterator[Lab]:
    """An installation of which nothing is there yet but its Service, its configurations and its rights."""
    with lab(control_plane, github, namespace, tmp_path) as made:
        yield made


def certificates_in(bundle: bytes) -> int:
    """How many CAs it holds."""
    return bundle.count(b"BEGIN CERTIFICATE")


# --- From nothing -----------------------------------------------------------------------------------------------------


def test_from_nothing_to_a_refused_token(here: Lab, github: Simulation) -> None:
    """The init container's command and the server's flags are all it takes; the mount comes later than the server."""
    (server,) = here.serve(1, delays=[2.0], ready=False)
    wait_until(lambda: "waiting for files" in server.log, 30, message="the server to wait for its files")
    made = here.ensure()
    assert made.returncode == 0, made.stdout
    assert "Created a CA, valid until" in made.stdout
    assert "are in place; the next change is due at" in made.stdout
    server.wait_until_ready()
    here.route()
    assert server.log.count("waiting for files") == 1
    place = here.new_namespace()
    wait_until(lambda: place.create(user_secret("x"), "--dry-run=server").returncode != 0, 10)
    accepted(place.create(user_secret(github.good_token())))
    assert "user token" in refused(place.create(user_secret(github.token("read:org"), name="git-default-weak")))
    checked = here.check()
    assert checked.returncode == 0, checked.stdout


def test_many_replicas_begin_at_once(here: Lab) -> None:
    """Each runs `certs ensure`, and all end with the same CA, the same leaf, and nothing said of a failure."""
    running = [here.start("certs", "ensure", *here.flag) for _ in range(4)]
    ended = [one.wait() for one in running]
    assert [one.returncode for one in ended] == [0] * 4, "".join(one.stdout for one in ended)
    told = "".join(one.stdout for one in ended)
    assert told.count("Created a CA") == 1
    assert told.count("Issued a serving certificate") == 1
    assert here.check().returncode == 0
    again = here.ensure()
    assert again.stdout.count("\n") == 1, again.stdout


def test_a_secret_of_somebody_else_is_left_alone(here: Lab) -> None:
    """It may be a certificate that the company's own CA has issued: nothing is changed, and nothing published."""
    name = here.names.tls_secret
    generate_certificates(here.folder / "made", [here.names.server_name], [], 10)
    files = [f"--cert={here.folder / 'made' / 'tls.crt'}", f"--key={here.folder / 'made' / 'tls.key'}"]
    accepted(here.place.kubectl("create", "secret", "tls", name, *files))
    before = here.place.stored(name)
    ended = here.ensure()
    assert ended.returncode == 0
    assert ended.stdout == f"The Secret {name} is left alone: another program created it.\n"
    assert here.place.stored(name) == before
    assert here.bundle() == b""
    assert here.check().returncode == 1


def test_without_the_right_it_says_so(here: Lab) -> None:
    """Exit code 3: it could not finish."""
    path = kubeconfig_without_rights(here.control_plane, here.names.namespace, here.folder)
    ended = here.run("certs", "ensure", *here.flag, kubeconfig=path)
    assert ended.returncode == 3
    assert "are not ready: the API server answers 403." in ended.stdout


# --- Renewed and rolled -----------------------------------------------------------------------------------------------


@pytest.mark.timeout(240, func_only=True)
def test_leaf_and_ca_are_replaced_under_a_stream_of_writes(here: Lab, github: Simulation) -> None:
    """A whole life of a CA, and several of leaves, with two replicas of which one is always late: no write fails."""
    here.lifetimes = ("--ca-lifetime", "54s", "--leaf-lifetime", "15s", "--settle", "3s")
    assert here.ensure().returncode == 0
    first = here.bundle()
    here.serve(2, delays=[0.0, 2.5])
    here.route()
    place = here.new_namespace()
    most = 0
    serials: set[int] = set()
    with Stream(place, github.good_token(), writers=4, pause=0.05) as stream:
        deadline = time.monotonic() + 150
        while first in (bundle := here.bundle()):
            most = max(most, certificates_in(bundle))
            serials |= {here.serial(server) for server in here.servers}
            assert time.monotonic() < deadline, here.log
            time.sleep(0.3)
        stream.wait_for(50)
    assert stream.failures == []
    assert stream.written > 200
    assert most == 2
    assert len(serials) >= 4
    assert "not trusted" not in here.log
    assert here.check().returncode == 0


def test_a_roll_by_hand_is_ended_by_the_servers(here: Lab, github: Simulation) -> None:
    """`certs rotate --ca` begins it, and says who goes on."""
    here.lifetimes = ("--settle", "2s")
    assert here.ensure().returncode == 0
    (server,) = here.serve(1)
    before = here.serial(server)
    begun = here.run("certs", "rotate", "--ca", *here.flag, *here.lifetimes)
    assert begun.returncode == 0, begun.stdout
    assert "Published 2 CAs" in begun.stdout
    assert "continues in 2s" in begun.stdout
    wait_until(lambda: here.serial(server) != before, 30, message="a certificate of the new CA")
    assert server.is_ready()
    assert certificates_in(here.bundle()) == 2


def test_a_roll_by_hand_to_its_end(here: Lab) -> None:
    """Without servers, `--wait` takes every step itself; without `--ca` it's the leaf alone."""
    assert here.ensure().returncode == 0
    ended = here.run("certs", "rotate", "--ca", "--wait", *here.flag, "--settle", "1s")
    assert ended.returncode == 0, ended.stdout
    assert "Issued a serving certificate" in ended.stdout
    bundle = here.bundle()
    assert "Issued a serving certificate" in here.run("certs", "rotate", *here.flag).stdout
    assert here.bundle() == bundle
    assert here.check().returncode == 0


# --- Kept -------------------------------------------------------------------------------------------------------------


def test_a_reset_bundle_is_put_right(here: Lab, github: Simulation) -> None:
    """As `helm upgrade --force` or a hand may leave it; the replicas stay ready, and writes soon pass again."""
    here.ensure()
    here.serve(2)
    here.route()
    place = here.new_namespace()
    wanted = here.bundle()
    for configuration in CONFIGURATIONS:
        change = [{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]
        arguments = ("patch", configuration, here.names.name, "--type=json", "-p", json.dumps(change))
        here.control_plane.kubectl(*arguments)
        wait_until(lambda: here.bundle(configuration) == wanted, 15, message="the caBundle to be back")  # noqa: B023
    wait_until(lambda: place.create(user_secret(github.good_token())).returncode == 0, 15)
    assert all(server.is_ready() for server in here.servers)
    assert here.log.count("Published the CA in the caBundle") == 2


def test_when_the_keeper_dies_another_one_keeps(here: Lab) -> None:
    """Killed, after the Lease has run out; told to stop, at once, since it lets go."""
    here.ensure()
    here.serve(3)
    first = here.keeper()
    holder = here.holder()
    first.kill()
    here.servers.remove(first)
    second = here.keeper()
    assert here.holder() not in (holder, "")
    begin = time.monotonic()
    second.terminate()
    assert second.wait() == 0
    here.servers.remove(second)
    third = here.keeper()
    assert third not in (first, second)
    assert time.monotonic() - begin < 10
    assert '"no longer maintaining certificates"' in second.log


def test_an_api_server_that_is_away_is_said_once(here: Lab) -> None:
    """What is served goes on and stays ready; when it is back, so is the keeping."""
    here.ensure()
    line = Line(int(here.control_plane.server_url.rpartition(":")[2]))
    here.stack.callback(line.close)
    (server,) = here.serve(1, kubeconfig=kubeconfig_through(line, here.kubeconfig, here.folder))
    here.keeper()
    line.down()
    trouble = "the certificates cannot be maintained"
    wait_until(lambda: trouble in server.log, 30, message="the trouble to be told")
    wait_until(lambda: "no longer maintaining certificates" in server.log, 30, message="the Lease to be lost")
    time.sleep(6)
    assert server.is_ready()
    assert server.log.count(trouble) == 1, server.log
    assert "git_token_webhook_certificates_troubled 1.0" in server.metrics
    line.up()
    here.keeper()
    wait_until(lambda: "certificates are maintained again" in server.log, 30, message="the end of it to be told")
    change = [{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]
    arguments = ("patch", CONFIGURATIONS[0], here.names.name, "--type=json", "-p", json.dumps(change))
    here.control_plane.kubectl(*arguments)
    wait_until(lambda: here.bundle(CONFIGURATIONS[0]), 15, message="the caBundle to be back")


def test_a_server_without_the_right_says_so_and_isn_t_ready(here: Lab) -> None:
    """Nobody knows whether it is trusted; the log says once what it may not do."""
    here.ensure()
    path = kubeconfig_without_rights(here.control_plane, here.names.namespace, here.folder)
    (server,) = here.serve(1, kubeconfig=path, ready=False)
    wait_until(lambda: server.readiness() is not None, 30, message="the server to start")
    wait_until(lambda: "the API server answers 403" in server.log, 30)
    time.sleep(3)
    assert server.readiness() == 503
    assert "the webhook configurations have not been read yet: the API server answers 403" in server.readiness_text()
    assert server.log.count("the certificates cannot be maintained") == 1


def test_a_server_that_nobody_trusts_isn_t_ready(here: Lab) -> None:
    """Until the CA that the API server trusts is the one that has issued what is served."""
    files = here.folder / "made"
    generate_certificates(files, here.names.dns_names, [], 10)
    generate_certificates(here.folder / "other", here.names.dns_names, [], 10)
    pair = [f"--cert={files / 'tls.crt'}", f"--key={files / 'tls.key'}"]
    accepted(here.place.kubectl("create", "secret", "tls", here.names.tls_secret, *pair))
    here.register(base64.b64encode((here.folder / "other" / "ca.crt").read_bytes()).decode())
    (server,) = here.serve(1, ready=False)
    wait_until(
        lambda: "does not trust this server's certificate" in server.log,
        30,
        message="a log line about the untrusted certificate",
    )
    assert server.readiness() == 503
    assert (
        "the API server does not trust this server's certificate by the caBundle of mutate." in server.readiness_text()
    )
    assert "no CA in it issued the certificate" in here.check().stdout
    here.register(base64.b64encode((files / "ca.crt").read_bytes()).decode())
    server.wait_until_ready()
    assert here.check().returncode == 0


# --- The key ring -----------------------------------------------------------------------------------------------------


def test_the_key_ring_is_made_once_and_rotated(here: Lab) -> None:
    """Several pods begin at once; an upgrade runs it again; a person adds a key, which waits until all can have it."""
    place = f"{here.names.namespace}/{here.names.name}-keys"
    running = [here.start("keys", "ensure", "--secret", place) for _ in range(4)]
    ended = [one.wait() for one in running]
    assert [one.returncode for one in ended] == [0] * 4, "".join(one.stdout for one in ended)
    assert "".join(one.stdout for one in ended).count("Created the Secret") == 1
    before = here.place.stored(f"{here.names.name}-keys")
    assert "exists already" in here.run("keys", "ensure", "--secret", place).stdout
    assert here.place.stored(f"{here.names.name}-keys") == before

    admin = here.control_plane.kubeconfig()
    assert here.run("keys", "rotate", "--secret", place).returncode == 3  # the server's own rights are not enough
    rotated = here.run("keys", "rotate", "--secret", place, kubeconfig=admin)
    assert rotated.returncode == 0, rotated.stdout
    after = here.place.stored(f"{here.names.name}-keys")["data"]
    assert len(after) == 2
    assert before["data"].items() <= after.items()
    listed = json.loads(here.run("keys", "list", "--secret", place, "-o", "json", kubeconfig=admin).stdout)
    assert [key["state"] for key in listed] == ["active", "waiting"]
    early = here.run("keys", "rotate", "--secret", place, kubeconfig=admin)
    assert early.returncode == 2
    assert "is not active before" in early.stdout


def test_what_is_shown(here: Lab) -> None:
    """For people and programs, before there is anything and after; `check` ends with 1 where something is wrong."""
    admin = here.control_plane.kubeconfig()
    empty = here.run("certs", "check", *here.flag, kubeconfig=admin)
    assert empty.returncode == 1
    assert f"The Secret {here.names.namespace}/{here.names.tls_secret} does not exist." in empty.stdout
    here.ensure()
    (server,) = here.serve(1)
    shown = here.run("certs", "show", *here.flag, "--connect", f"127.0.0.1:{server.listen[1]}", kubeconfig=admin)
    assert shown.returncode == 0
    assert "The API server trusts the certificate." in shown.stdout
    for row in (
        "CA, current",
        "leaf in the Secret",
        "leaf that is served",
        f"trusted by validate.{here.names.name}.svc",
    ):
        assert row in shown.stdout
    found = json.loads(here.run("certs", "show", *here.flag, "-o", "json", kubeconfig=admin).stdout)
    assert found["problems"] == []
    assert found["secret"]["names"] == here.names.dns_names
    soon = here.run("certs", "check", *here.flag, "--within", "91d", kubeconfig=admin)
    assert soon.returncode == 1
    assert "The certificate in the Secret" in soon.stdout
