"""Mutual TLS with a real API server that was told which client certificate to show: nobody else is served."""

import http.client
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_server.control_plane import ControlPlane, wait_until
from tests.api_server.own_certificates import Lab, lab
from tests.api_server.webhook_process import ROOT, Simulation, accepted, user_secret

EXAMPLES = ROOT / "certs"


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    """A client CA and the API server's certificate, by the script of certs/, beside the examples of its configuration.

    The examples name the Service as it is called by default; here they stand for every Service.
    """
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: apt-get install openssl")
    folder = tmp_path / "clients"
    subprocess.run([EXAMPLES / "files" / "make-with-openssl", "--client", folder, "kube-apiserver"], check=True)
    for name in ("admission-configuration.yaml", "webhook-clients.yaml"):
        text = (EXAMPLES / "mutual-tls" / name).read_text()
        text = text.replace("/etc/kubernetes/admission", str(folder))
        (folder / name).write_text(text.replace("git-token-webhook.git-token-webhook.svc", '"*"'))
    return folder


@pytest.fixture
def showing(control_plane: ControlPlane, clients: Path) -> Iterator[ControlPlane]:
    """An API server that shows that certificate to webhooks."""
    flags = [f"--admission-control-config-file={clients / 'admission-configuration.yaml'}"]
    with ControlPlane(control_plane.binaries, flags=flags) as running:
        yield running


@pytest.fixture
def here(showing: ControlPlane, github: Simulation, tmp_path: Path) -> Iterator[Lab]:
    """An installation there."""
    showing.kubectl("create", "namespace", "platform")
    with lab(showing, github, "platform", tmp_path) as made:
        made.ensure()
        yield made


def status(here: Lab, certificate: Path | None) -> int | None:
    """What a client that shows this certificate is answered; None where its connection is refused."""
    context = ssl.create_default_context(cadata=here.bundle().decode())
    if certificate is not None:
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    connection = http.client.HTTPSConnection(here.names.server_name, timeout=5)
    try:
        plain = socket.create_connection(here.servers[0].listen, timeout=5)
        connection.sock = context.wrap_socket(plain, server_hostname=here.names.server_name)
        connection.request("POST", "/validate", body="{}", headers={"Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def test_only_the_api_server_is_served(here: Lab, github: Simulation, clients: Path, tmp_path: Path) -> None:
    """Others of the same CA are answered 403, those without a certificate not at all; kubelet and Prometheus ask as
    ever."""
    others = tmp_path / "others"
    script = EXAMPLES / "files" / "make-with-openssl"
    shutil.copytree(clients, others)
    subprocess.run([script, "--client", tmp_path / "stranger", "kube-apiserver"], check=True)
    _another_client(others)
    flags = ["--client-ca", str(clients / "client-ca.crt"), "--client-name", "kube-apiserver"]
    (server,) = here.serve(1, arguments=flags)
    here.route()
    place = here.new_namespace()

    def called() -> bool:
        place.create(user_secret(github.good_token(), name="git-default-probe"), "--dry-run=server")
        return 'stage="mutate"' in server.metrics and 'admission_decisions_total{operation="CREATE"' in server.metrics

    wait_until(called, 20, message="the API server to call")
    accepted(place.create(user_secret(github.good_token())))
    assert place.marks("git-default-octocat")["validation"] == "passed"

    assert status(here, clients / "client.crt") == http.client.BAD_REQUEST  # it is heard: an empty review is none
    assert status(here, others / "other.crt") == http.client.FORBIDDEN
    assert status(here, None) is None
    assert status(here, tmp_path / "stranger" / "client.crt") is None
    assert '"names":["somebody-else"]' in server.log.replace('": ', '":')
    assert server.is_ready()
    assert 'bad_reviews_total{reason="client-name"} 1.0' in server.metrics


def _another_client(folder: Path) -> None:
    """Another certificate of the same CA."""
    from webhook.certs.issue import KeyPair, issue_client_certificate, write_key_pair

    ca = KeyPair((folder / "client-ca.crt").read_bytes(), (folder / "client-ca.key").read_bytes())
    pair = issue_client_certificate(ca, "somebody-else")
    write_key_pair(pair, folder / "other.crt", folder / "other.key")


def test_an_api_server_that_shows_none_is_told(
    control_plane: ControlPlane, github: Simulation, namespace: str, tmp_path: Path, clients: Path
) -> None:
    """Its writes are refused as by any failure of the webhook, and the log says what is missing."""
    with lab(control_plane, github, namespace, tmp_path) as here:
        here.ensure()
        (server,) = here.serve(1, arguments=["--client-ca", str(clients / "client-ca.crt")])
        here.route()
        place = here.new_namespace()
        wait_until(lambda: place.create(user_secret(github.good_token()), "--dry-run=server").returncode != 0, 20)
        wait_until(lambda: "the client sent no certificate" in server.log, 10)
        assert server.is_ready()


def test_a_name_needs_a_ca() -> None:
    """Without one nobody's certificate is asked for."""
    from tests.api_server.own_certificates import Running

    flags = ["--tls-cert", "x", "--tls-key", "x", "--client-name", "kube-apiserver"]
    ended = Running(["serve", *flags], Path("/")).wait()
    assert ended.returncode == 2
    assert "--client-name needs --client-ca" in json.dumps(ended.stdout)
