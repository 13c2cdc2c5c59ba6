"""Which answers make a client print the token that it has just sent: measured for docs/reference/what-clients-print.md.

A stand-in webhook gives every answer there can be to every client; the table of that page has to be what comes of it.
Then the real webhook is tried in all situations in which it denies: none of its answers may print a token.
"""

import base64
import json
import os
import secrets
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from kubernetes.client import ApiClient, CoreV1Api

from tests.api_server.control_plane import ControlPlane, as_yaml, wait_until
from tests.api_server.test_argocd import ArgoCD, RpcError
from tests.api_server.webhook_process import Installation, Place, Simulation
from tests.third_party.tools import Tool
from webhook.simulator.faults import Outage

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "what-clients-print.md"
LABELS = {"argocd.argoproj.io/secret-type": "repo-creds"}
BEFORE = {"url": "https://github.com/acme", "type": "git", "username": "octocat"}


# --- Clients ----------------------------------------------------------------------------------------------------------


@dataclass
class Writer:
    """Somebody who writes a credential Secret, and everything that the client then shows."""

    place: Place
    helm: Path
    folder: Path
    user: str = "admin"
    annotations: Mapping[str, str] = field(default_factory=dict)

    def manifest(self, name: str, token: str) -> dict[str, Any]:
        data = {key: _encoded(text) for key, text in {**BEFORE, "password": token}.items()}
        metadata = {"name": name, "labels": LABELS, "annotations": dict(self.annotations)}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}

    def kubectl(self, *arguments: str, input: str | None = None, **environment: str) -> str:
        control_plane = self.place.control_plane
        config = f"--kubeconfig={control_plane.kubeconfig(self.user)}"
        command = [str(control_plane.binaries / "kubectl"), config, "-n", self.place.namespace, *arguments]
        return self._run(command, input, environment)

    def create(self, name: str, token: str) -> str:
        return self.kubectl("create", "-f", "-", input=as_yaml(self.manifest(name, token)))

    def apply(self, name: str, token: str) -> str:
        return self.kubectl("apply", "-f", "-", input=as_yaml(self.manifest(name, token)))

    def apply_server_side(self, name: str, token: str) -> str:
        arguments = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        return self.kubectl(*arguments, input=as_yaml(self.manifest(name, token)))

    def replace(self, name: str, token: str) -> str:
        return self.kubectl("replace", "-f", "-", input=as_yaml(self.manifest(name, token)))

    def patch(self, name: str, token: str) -> str:
        change = {"metadata": {"annotations": dict(self.annotations)}, "data": {"password": _encoded(token)}}
        return self.kubectl("patch", "secret", name, "--type=merge", "-p", json.dumps(change))

    def edit(self, name: str, token: str) -> str:
        """An editor that puts the token in, and leaves the file as it is when it is opened again."""
        editor = self.folder / "editor"
        # Below the annotations that are there: each Secret has our marks.
        added = [f"/^  annotations:/a\\\n    {name}: '{value}'\n" for name, value in self.annotations.items()]
        script = f"s/^  password: .*/  password: {_encoded(token)}/\n" + "".join(added)
        editor.with_suffix(".sed").write_text(script)
        editor.write_text(f'#!/bin/sh\nsed -i -f {editor}.sed "$1"\n')
        editor.chmod(0o700)
        return self.kubectl("edit", "secret", name, KUBE_EDITOR=str(editor), TMPDIR=str(self.folder))

    def helm_install(self, name: str, token: str) -> str:
        return self._helm("install", name, token)

    def helm_upgrade(self, name: str, token: str) -> str:
        return self._helm("upgrade", name, token)

    def argocd_add(self, name: str, token: str) -> str:
        return self._argocd(lambda argocd: argocd.add(f"https://github.com/{_owner(name)}", password=token))

    def argocd_update(self, name: str, token: str) -> str:
        return self._argocd(lambda argocd: argocd.update(f"https://github.com/{_owner(name)}", token))

    def _helm(self, verb: str, name: str, token: str) -> str:
        chart = self.folder / "chart"
        (chart / "templates").mkdir(parents=True, exist_ok=True)
        (chart / "Chart.yaml").write_text("apiVersion: v2\nname: credentials\nversion: 0.1.0\n")
        (chart / "templates" / "secret.yaml").write_text("{{ .Values.manifest | toYaml }}\n")
        values = yaml.safe_dump({"manifest": self.manifest(name, token)})
        environment = {"KUBECONFIG": str(self.place.control_plane.kubeconfig(self.user)), "HOME": str(self.folder)}
        command = [str(self.helm), verb, name, str(chart), "-n", self.place.namespace, "-f", "-"]
        return self._run(command, values, environment)

    def _argocd(self, work: Callable[[ArgoCD], None]) -> str:
        with ApiClient(self.place.client_configuration()) as client:
            try:
                work(ArgoCD(CoreV1Api(client), self.place.namespace))
            except RpcError as error:
                return str(error)
        return "done"

    def _run(self, command: list[str], input: str | None, environment: Mapping[str, str]) -> str:
        base = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder)}
        done = subprocess.run(
            command,
            env={**base, **environment},
            input=input or "",
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=90,
        )
        return done.stdout + done.stderr if done.returncode else "done"


Client = Callable[[Writer, str, str], str]
NEW: dict[str, Client] = {
    "create": Writer.create,
    "apply, new": Writer.apply,
    "Helm install": Writer.helm_install,
    "Argo CD add": Writer.argocd_add,
}
CHANGES: dict[str, tuple[Client, Client]] = {
    "apply": (Writer.apply, Writer.apply),
    "apply --server-side": (Writer.apply_server_side, Writer.apply_server_side),
    "replace": (Writer.create, Writer.replace),
    "patch": (Writer.create, Writer.patch),
    "edit": (Writer.create, Writer.edit),
    "Helm upgrade": (Writer.helm_install, Writer.helm_upgrade),
    "Argo CD update": (Writer.argocd_add, Writer.argocd_update),
}
"""How each Secret is made first, and how it is changed then."""
CLIENTS = [*NEW, *CHANGES]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _owner(name: str) -> str:
    """An owner for each Secret that Argo CD makes, which it finds by its URL."""
    return name.replace("argocd", "")


def _name(client: str) -> str:
    return "w-" + "".join(letter for letter in client.lower() if letter.isalnum())


def shows(output: str, token: str) -> bool:
    """Whether a token stands in what a client printed, in whichever form."""
    return token in output or _encoded(token).rstrip("=") in output or _encoded(token)[:20] in output


def prepare(writer: Writer, token: str) -> None:
    """The Secrets that are changed later."""
    for client, (first, _) in CHANGES.items():
        assert first(writer, _name(client), token) == "done", client


def outputs(writer: Writer, token: str) -> dict[str, str]:
    """What each client prints that tries to write a token, by its name."""
    found = {name: client(writer, _name(name), token) for name, client in NEW.items()}
    return found | {name: change(writer, _name(name), token) for name, (_, change) in CHANGES.items()}


# --- A stand-in webhook that answers whatever it is told --------------------------------------------------------------

Answer = tuple[int, dict[str, Any] | str, dict[str, str]]
CAUSE = {"reason": "FieldValueInvalid", "message": "It can't do its job.", "field": "data.password"}


def denial(code: int, reason: str, *causes: dict[str, str]) -> Answer:
    status: dict[str, Any] = {"status": "Failure", "message": "It can't do its job.", "reason": reason, "code": code}
    if causes:
        status["details"] = {"name": "x", "kind": "Secret", "causes": list(causes)}
    return 200, {"allowed": False, "status": status}, {}


ANSWERS: dict[str, Answer | None] = {
    "denied, 422 `Invalid` with causes": denial(422, "Invalid", CAUSE),
    "denied, 422 `Invalid` without causes": denial(422, "Invalid"),
    "denied, 400 `BadRequest`": denial(400, "BadRequest"),
    "denied, 400 `BadRequest` with causes": denial(400, "BadRequest", CAUSE),
    "denied, 403 `Forbidden`": denial(403, "Forbidden"),
    "denied, 403 `Forbidden` with causes": denial(403, "Forbidden", CAUSE),
    "denied, 500 `InternalError`": denial(500, "InternalError", CAUSE),
    "HTTP 400": (400, "bad review", {}),
    "HTTP 408": (408, "too slow", {}),
    "HTTP 413": (413, "too large", {}),
    "HTTP 500": (500, "an error", {}),
    "HTTP 503": (503, "no room", {}),
    "HTTP 503 with `Retry-After`": (503, "no room", {"Retry-After": "1"}),
    "no AdmissionReview": (200, "{}", {}),
    "no answer in time": None,
    "connection closed": (0, "", {}),
}


class StandIn:
    """A validating webhook of one namespace."""

    def __init__(self) -> None:
        self.answer: Answer | None = (200, {"allowed": True}, {})
        self.calls = 0
        self.ended = threading.Event()

    @contextmanager
    def registered(self, place: Place) -> Iterator["StandIn"]:
        """Once the API server calls it."""
        control_plane = place.control_plane
        service = control_plane.create_service(place.namespace, f"stand-in-{secrets.token_hex(3)}")
        authority = trustme.CA()
        name = f"stand-in-{place.namespace}"
        hook = {
            "name": "stand-in.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 1,
            "clientConfig": {
                "service": {"namespace": place.namespace, "name": service.name, "port": service.port, "path": "/"},
                "caBundle": base64.b64encode(authority.cert_pem.bytes()).decode(),
            },
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}},
            "objectSelector": {"matchLabels": LABELS},
            "rules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}
            ],
        }
        manifest = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [hook],
        }
        with ExitStack() as stack:
            server = stack.enter_context(ThreadingHTTPServer((service.ip, service.port), self._handler()))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(service.dns_name).configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            stack.callback(self.ended.set)
            control_plane.kubectl("create", "-f", "-", input=json.dumps(manifest))
            stack.callback(control_plane.kubectl, "delete", "validatingwebhookconfiguration", name, check=False)
            probe = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe", "labels": LABELS}}

            def called() -> bool:
                place.create(probe, "--dry-run=server")
                return self.calls > 0

            wait_until(called, 30, message="the API server to call the stand-in")
            yield self

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stand_in.calls += 1
                uid = review.pop("request")["uid"]
                self.close_connection = True
                if stand_in.answer is None:
                    stand_in.ended.wait(3)
                    return
                code, content, headers = stand_in.answer
                if not code:
                    return
                if isinstance(content, dict):
                    content = json.dumps({**review, "response": {"uid": uid, **content}})
                self.send_response(code)
                self.send_header("Content-Type", "application/json" if code == 200 else "text/plain")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Connection", "close")
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


@pytest.fixture(scope="module")
def helm(tool: Tool) -> Path:
    return tool("helm")


@pytest.mark.timeout(580, func_only=True)
def test_the_table_is_what_clients_print(
    control_plane: ControlPlane, namespace: str, helm: Path, tmp_path: Path
) -> None:
    """Each answer, given to each client; the page says which of them print the token."""
    writer = Writer(Place(control_plane, namespace), helm, tmp_path)
    sentinel = "sentinel" + secrets.token_hex(16)
    measured: dict[str, list[str]] = {}
    with StandIn().registered(writer.place) as stand_in:
        prepare(writer, "before" + secrets.token_hex(16))
        for title, answer in ANSWERS.items():
            stand_in.answer = answer
            printed = outputs(writer, sentinel)
            assert "done" not in printed.values(), title
            measured[title] = ["token" if shows(printed[client], sentinel) else "–" for client in CLIENTS]
    table = [" | ".join(("answer", *CLIENTS)), *(" | ".join((title, *row)) for title, row in measured.items())]
    expected = [line.strip("| ") for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    assert [line for line in expected if not line.startswith("---")] == table, "\n".join(f"| {row} |" for row in table)


# --- The real webhook -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def denying(webhook: Installation, helm: Path, github: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Writer:
    """A namespace with Secrets whose tokens are good."""
    writer = Writer(webhook.new_namespace(), helm, tmp_path_factory.mktemp("writer"))
    prepare(writer, github.good_token())
    return writer


def weak(github: Simulation) -> str:
    return github.weak_token()


def revoked(github: Simulation) -> str:
    token = github.good_token()
    github.revoke(token)
    return token


def unanswered(github: Simulation) -> str:
    token = github.good_token()
    github.fail(token, Outage())
    return token


def malformed(github: Simulation) -> str:
    return github.good_token() + "\n"


@pytest.mark.timeout(240, func_only=True)
@pytest.mark.parametrize("make", [weak, revoked, unanswered, malformed])
def test_no_denial_of_ours_prints_a_token(
    denying: Writer, github: Simulation, make: Callable[[Simulation], str]
) -> None:
    """Whichever way the token is written, and whatever is wrong with it."""
    token = make(github)
    for client, printed in outputs(denying, token).items():
        assert printed != "done", client
        assert not shows(printed, token.strip()), (client, printed)


@pytest.mark.timeout(240, func_only=True)
def test_nor_does_a_missing_right_to_skip(denying: Writer, github: Simulation) -> None:
    """A 403 would."""
    place = denying.place
    may = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}
    role = {"name": "alice", "namespace": place.namespace}
    group = "rbac.authorization.k8s.io"
    place.control_plane.apply(
        [
            {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": role, "rules": [may]},
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": role,
                "roleRef": {"apiGroup": group, "kind": "Role", "name": "alice"},
                "subjects": [{"apiGroup": group, "kind": "User", "name": "alice"}],
            },
        ]
    )
    wait_until(
        lambda: place.kubectl("auth", "can-i", "create", "secrets", user="alice").returncode == 0, message="the role"
    )
    skipping = {"git-token-webhook/skip-validation": "true"}
    alice = Writer(place, denying.helm, denying.folder, "alice", skipping)
    token = github.good_token()
    for client in ("create", "apply", "apply --server-side", "replace", "patch", "edit"):
        change = NEW.get(client) or CHANGES[client][1]
        printed = change(alice, _name(client), token)
        # `kubectl edit` shows the reason in the editor.
        assert ("is invalid" if client == "edit" else "skip") in printed, (client, printed)
        assert not shows(printed, token), (client, printed)
