"""One HTTPS server that plays every provider of every case. It tells the cases apart by the token of a request."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.field.case import Case

_NOT_FOUND: Mapping[str, Any] = {"status": 404, "body": {"message": "Not Found"}}


class FieldProvider:
    """Answers as the cases say.

    Attributes:
        port: where the providers are.
        other_port: a port that counts as another host, where no token may arrive.
        strays: the ids of cases whose token arrived there.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.strays: set[str] = set()
        self._owners: dict[str, Case] = {}
        self._servers = [_Server(context, self._answer), _Server(context, self._stray)]
        self.port, self.other_port = (server.server_port for server in self._servers)

    def add(self, case: Case) -> None:
        """Answer the requests of a case. Each token belongs to one case only."""
        for key in case.keys:
            assert self._owners.setdefault(key, case) is case, f"{case.id} shares a token with another case"

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve in threads until the block ends."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield
        finally:
            for server in self._servers:
                server.shutdown()
                server.server_close()

    def _stray(self, request: BaseHTTPRequestHandler) -> None:
        if case := self._owners.get(_request_key(request.headers.get("authorization") or "")):
            self.strays.add(case.id)
        _send(request, _NOT_FOUND)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        authorization = request.headers.get("authorization") or ""
        case = self._owners.get(_request_key(authorization))
        for answer in case.answers if case else []:
            match = re.fullmatch(answer["p"], request.path)
            method_fits = request.command in answer.get("m", request.command).split("|")
            if match and method_fits and re.match(answer.get("auth", ""), authorization):
                _send(request, answer, match)
                return
        _send(request, _NOT_FOUND)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, context: ssl.SSLContext, answer: Any) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                """Print nothing."""

            def do(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_HEAD = do_DELETE = do

        super().__init__(("127.0.0.1", 0), Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that stop waiting: some cases are about this."""


def _send(request: BaseHTTPRequestHandler, answer: Mapping[str, Any], match: re.Match[str] | None = None) -> None:
    time.sleep(answer.get("sleep", 0))
    body = answer.get("body")
    raw = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {name.lower(): str(value) for name, value in answer.get("headers", {}).items()}
    if raw:
        headers.setdefault("content-type", "text/html" if isinstance(body, str) else "application/json; charset=utf-8")
    request.send_response_only(answer.get("status", 200))
    for name, value in headers.items():
        # \1 keeps the rest of a path in a redirect, as providers do.
        request.send_header(name, match.expand(value) if match and name == "location" else value)
    request.send_header("content-length", str(len(raw)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(raw)


def _request_key(authorization: str) -> str:
    """The token of a request, or the App that signed it."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "basic":
        return base64.b64decode(rest).decode(errors="replace").partition(":")[2].strip()
    if rest.startswith("eyJ") and rest.count(".") == 2:
        claims = rest.split(".")[1]
        return f"app:{json.loads(base64.urlsafe_b64decode(claims + '=' * (-len(claims) % 4)))['iss']}"
    return rest.strip()
