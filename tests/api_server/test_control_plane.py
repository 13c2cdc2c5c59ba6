"""The harness itself: what the other tests of this folder rely on."""

import base64
import json
import os
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme
from kubernetes.client import ApiClient, CoreV1Api, V1ObjectMeta, V1Secret, VersionApi

from tests.api_server import control_plane as control_plane_module
from tests.api_server.binaries import find_or_build, pinned_version
from tests.api_server.conftest import Apply
from tests.api_server.control_plane import ControlPlane, ControlPlaneFailed, KubectlFailed, ServiceAddress, wait_until
from tests.support.go_programs import BinariesUnavailable

PLANTED = "planted-value-that-is-no-token"


def create_secret(control_plane: ControlPlane, namespace: str, *more: str, user: str = "admin") -> None:
    literal = f"--from-literal=token={PLANTED}"
    control_plane.kubectl("create", "secret", "generic", "one", "-n", namespace, literal, *more, user=user)


def executable(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_it_is_the_kubernetes_that_go_mod_pins(client: ApiClient) -> None:
    """The API server calls itself by the version in go.mod, also where its binary comes from KUBEBUILDER_ASSETS."""
    assert VersionApi(client).get_code().git_version == pinned_version()


def test_a_secret_round_trips_with_kubectl(control_plane: ControlPlane, namespace: str) -> None:
    """kubectl reads back, in base64, what it created."""
    create_secret(control_plane, namespace)
    shown = control_plane.kubectl("get", "secret", "one", "-n", namespace, "-o", "json").stdout
    assert base64.b64decode(json.loads(shown)["data"]["token"]).decode() == PLANTED


def test_a_secret_round_trips_with_the_python_client(client: ApiClient, namespace: str) -> None:
    """The official client reads back, in base64, what it created."""
    core = CoreV1Api(client)
    secret = V1Secret(metadata=V1ObjectMeta(name="one"), string_data={"token": PLANTED})
    core.create_namespaced_secret(namespace, secret)
    stored = core.read_namespaced_secret("one", namespace).data
    assert stored is not None
    assert base64.b64decode(stored["token"]).decode() == PLANTED


def test_a_user_without_rights_is_forbidden(control_plane: ControlPlane, namespace: str) -> None:
    """A known user to whom nothing is bound may not write a Secret."""
    with pytest.raises(KubectlFailed, match=r'User "alice" cannot create resource "secrets"'):
        create_secret(control_plane, namespace, user="alice")


def test_a_bound_role_counts_for_its_group(control_plane: ControlPlane, namespace: str) -> None:
    """Groups given in `users` are those that RBAC sees."""
    control_plane.kubectl("create", "role", "writer", "-n", namespace, "--verb=create", "--resource=secrets")
    control_plane.kubectl("create", "rolebinding", "writers", "-n", namespace, "--role=writer", "--group=developers")

    def may_create(user: str) -> bool:
        question = ("auth", "can-i", "create", "secrets", "-n", namespace)
        return control_plane.kubectl(*question, user=user, check=False).returncode == 0

    assert wait_until(lambda: may_create("alice"))
    assert not may_create("bob")


def test_the_audit_log_records_what_was_sent_in_a_secret(control_plane: ControlPlane, namespace: str) -> None:
    """The write of a Secret is logged with its body, so that tests can look for what leaks into the log beside it."""
    create_secret(control_plane, namespace)
    events = wait_until(lambda: control_plane.audit_events(namespace=namespace, resource="secrets"))
    sent = {"token": base64.b64encode(PLANTED.encode()).decode()}
    assert [(event["verb"], event["requestObject"]["data"]) for event in events] == [("create", sent)]


def test_the_audit_log_has_no_other_bodies(control_plane: ControlPlane, namespace: str) -> None:
    """Anything but a Secret is logged without its content."""
    control_plane.kubectl("create", "configmap", "one", "-n", namespace, "--from-literal=a=b")
    events = wait_until(lambda: control_plane.audit_events(namespace=namespace, resource="configmaps"))
    assert [event for event in events if "requestObject" in event] == []


def test_etcd_shows_what_is_stored(control_plane: ControlPlane, namespace: str) -> None:
    """The value of a Secret is found under its key in etcd, in plain."""
    create_secret(control_plane, namespace)
    assert PLANTED.encode() in control_plane.etcd_values()[f"/registry/secrets/{namespace}/one"]


def test_etcd_shows_what_was_stored_once(control_plane: ControlPlane, namespace: str) -> None:
    """A value is still found in the files of etcd after its Secret is deleted; one that never was there is not."""
    once = f"once-{namespace}"
    control_plane.kubectl("create", "secret", "generic", "one", "-n", namespace, f"--from-literal=token={once}")
    control_plane.kubectl("delete", "secret", "one", "-n", namespace)
    assert control_plane.etcd_values(f"/registry/secrets/{namespace}/") == {}
    assert control_plane.etcd_contains(once.encode())
    assert not control_plane.etcd_contains(f"never-{namespace}".encode())


@contextmanager
def listening_at(service: ServiceAddress, authority: trustme.CA, answer: str) -> Iterator[None]:
    """A webhook that denies everything with the message `answer`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            uid = review.pop("request")["uid"]
            review["response"] = {"uid": uid, "allowed": False, "status": {"code": 422, "message": answer}}
            body = json.dumps(review)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer((service.ip, service.port), Handler) as server:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(service.dns_name).configure_cert(tls)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_a_webhook_behind_a_service_is_called(control_plane: ControlPlane, namespace: str, apply: Apply) -> None:
    """The API server reaches, through a Service without nodes, a webhook that listens on the Service's address."""
    service = control_plane.create_service(namespace, "hook")
    authority = trustme.CA()
    reference = {"namespace": namespace, "name": service.name, "port": service.port, "path": "/validate"}
    bundle = base64.b64encode(authority.cert_pem.bytes()).decode()
    webhook = {
        "name": "hook.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"service": reference, "caBundle": bundle},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}],
    }
    with listening_at(service, authority, answer="denied by the test"):
        apply(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingWebhookConfiguration",
                "metadata": {"name": namespace},
                "webhooks": [webhook],
            }
        )

        def denial() -> str:
            command = ("create", "secret", "generic", "one", "-n", namespace, "--dry-run=server")
            return control_plane.kubectl(*command, check=False).stderr

        assert "denied by the test" in wait_until(denial)


def test_two_services_never_share_an_address(control_plane: ControlPlane, namespace: str) -> None:
    """Each Service gets an address of its own, so that tests can't reach each other's webhooks."""
    made = [control_plane.create_service(namespace, name) for name in ("one", "two")]
    assert made[0].ip != made[1].ip


def test_a_control_plane_that_does_not_start_says_why(tmp_path: Path) -> None:
    """The exception shows what a process logged before it died, at once."""
    executable(tmp_path / "etcd", "echo no space left; exit 3")
    with pytest.raises(ControlPlaneFailed, match=r"etcd ended with 3\.\nno space left"), ControlPlane(tmp_path):
        pass


def test_a_control_plane_that_does_not_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that never becomes ready is ended and its folder removed."""
    monkeypatch.setattr(control_plane_module, "START_TIMEOUT_SECONDS", 1.0)
    executable(tmp_path / "etcd", 'echo "pid $$ in $PWD."; exec sleep 60')
    with pytest.raises(ControlPlaneFailed, match="etcd is not ready after 1 s") as failure, ControlPlane(tmp_path):
        pass
    found = re.search(r"pid (\d+) in (\S+)\.", str(failure.value))
    assert found is not None
    with pytest.raises(ProcessLookupError):
        os.kill(int(found[1]), 0)
    assert not Path(found[2]).exists()


def test_provided_binaries_must_be_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A KUBEBUILDER_ASSETS that lacks binaries, or has them without the right to run them, is told which."""
    executable(tmp_path / "kubectl", "")
    (tmp_path / "etcd").touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(BinariesUnavailable, match="where kube-apiserver and etcd can't be found"):
        find_or_build()


def test_without_binaries_and_go_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to build with, the message names both ways to get the binaries."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.api_server.binaries.CACHE", tmp_path)
    with pytest.raises(BinariesUnavailable, match=r"(?s)no Go on PATH.*Install Go 1\.26.*KUBEBUILDER_ASSETS"):
        find_or_build()
