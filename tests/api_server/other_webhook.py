"""A mutating webhook of somebody else's, that the API server calls after ours."""

import base64
import json
import secrets
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme

from tests.api_server.control_plane import wait_until
from tests.api_server.webhook_process import Place, secret

Operation = dict[str, Any]


@contextmanager
def later_webhook(place: Place, operations: Sequence[Operation]) -> Iterator[None]:
    """One that makes the same changes (RFC 6902) to each Secret that is created in a namespace. The API server calls
    webhooks in the order of their configurations' names, so that it comes after ours."""
    control_plane = place.control_plane
    service = control_plane.create_service(place.namespace, f"later-{secrets.token_hex(3)}")
    authority = trustme.CA()
    name = f"zz-{place.namespace}"
    reference = {"namespace": place.namespace, "name": service.name, "port": service.port, "path": "/"}
    hook = {
        "name": "later.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "clientConfig": {
            "service": reference,
            "caBundle": base64.b64encode(authority.cert_pem.bytes()).decode(),
        },
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}],
    }
    manifest = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [hook],
    }
    called = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = review.pop("request")
            called.set()
            answer = {"uid": request["uid"], "allowed": True}
            if request["name"] != "probe":
                patch = base64.b64encode(json.dumps(list(operations)).encode()).decode()
                answer |= {"patchType": "JSONPatch", "patch": patch}
            body = json.dumps({**review, "response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    def is_called() -> bool:
        place.create(secret({}, name="probe"), "--dry-run=server")
        return called.is_set()

    with ThreadingHTTPServer((service.ip, service.port), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(service.dns_name).configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            control_plane.kubectl("create", "-f", "-", input=json.dumps(manifest))
            wait_until(is_called, 30, message="the API server to call the other webhook")
            yield
        finally:
            control_plane.kubectl("delete", "mutatingwebhookconfiguration", name, check=False)
            server.shutdown()
            thread.join()
