"""Small real servers on loopback, each as well- or ill-behaved as a test needs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import trustme
from aiohttp import web

from webhook.providers import PROVIDERS
from webhook.providers.base import Api, RateLimit, Reply
from webhook.providers.findings import Answer, Question
from webhook.providers.hosts import Host, Kind

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
NAME = "git.acme.example"


class Authority:
    """A certificate authority and its file."""

    def __init__(self, directory: Path) -> None:
        self.ca = trustme.CA()
        self.file = directory / "ca.pem"
        self.file.write_bytes(self.ca.cert_pem.bytes())

    def server_context(self, certificate: trustme.LeafCert | None = None, alpn: str = "http/1.1") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (certificate or self.ca.issue_cert(NAME, "localhost", "127.0.0.1")).configure_cert(context)
        context.set_alpn_protocols([alpn])
        return context

    def host(self, port: int, *, name: str = NAME, path: str = "/api/v3", declared: bool = True) -> Host:
        """A host whose API is on loopback, and that trusts this authority alone."""
        return Host(f"{name}:{port}", Kind("github"), f"https://{name}:{port}{path}", self.file, declared)


async def loopback(name: str) -> list[str]:
    """Resolves every name to this machine."""
    return ["127.0.0.1"]


class Limiting:
    """A provider that only knows rate limits: those that a test gives it, by status."""

    profile = PROVIDERS[Kind("github")].profile

    def __init__(self, limits: dict[int, RateLimit] | None = None) -> None:
        self.limits = limits or {}

    async def inspect(self, question: Question, api: Api) -> Answer:
        raise NotImplementedError

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        return self.limits.get(reply.status)


@dataclass
class Site:
    """A server while it runs, and what it saw."""

    port: int = 0
    requests: list[str] = field(default_factory=list)
    peers: set[object] = field(default_factory=set)
    """Addresses that requests came from: one for each connection."""


@asynccontextmanager
async def https(handler: Handler, context: ssl.SSLContext) -> AsyncIterator[Site]:
    """An HTTP/1.1 server that behaves."""
    site = Site()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, web.Request)
        site.requests.append(f"{request.method} {request.path_qs}")
        site.peers.add(request.transport and request.transport.get_extra_info("peername"))
        return await handler(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        site.port = runner.addresses[0][1]
        yield site
    finally:
        await runner.cleanup()


@asynccontextmanager
async def conversing(converse: Converse, context: ssl.SSLContext | None) -> AsyncIterator[Site]:
    """A server that says on each connection what `converse` does, HTTP or not."""
    site = Site()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        site.peers.add(writer.get_extra_info("peername"))
        try:
            await converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)


def saying(data: bytes) -> Converse:
    """Reads one request and answers with these bytes."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()

    return converse


def http2(answer: Callable[[], Awaitable[None]], seen: list[dict[str, str]]) -> Converse:
    """Speaks HTTP/2: notes each request's headers, and answers ``{"http": 2}`` as soon as `answer` returns."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        state.initiate_connection()
        writer.write(state.data_to_send())

        async def respond(stream: int) -> None:
            await answer()
            state.send_headers(stream, [(":status", "200"), ("content-type", "application/json")])
            state.send_data(stream, b'{"http": 2}', end_stream=True)
            writer.write(state.data_to_send())

        async with asyncio.TaskGroup() as responses:
            while data := await reader.read(65536):
                for event in state.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        seen.append({str(name): str(value) for name, value in event.headers})
                        responses.create_task(respond(event.stream_id))
                writer.write(state.data_to_send())

    return converse


def proxying(seen: list[bytes], status: bytes = b"200 OK") -> Converse:
    """An HTTP proxy that tunnels every CONNECT to this machine, and notes all bytes that pass on their way out."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head)
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        if not status.startswith(b"200"):
            return
        port = int(head.split()[1].rpartition(b":")[2])
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, note: list[bytes] | None) -> None:
            while data := await source.read(65536):
                if note is not None:
                    note.append(data)
                target.write(data)
            target.transport.abort()

        try:
            await asyncio.gather(pump(reader, onward_writer, seen), pump(onward_reader, writer, None))
        finally:
            onward_writer.transport.abort()

    return converse
