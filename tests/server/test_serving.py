"""A real server on real sockets: health, reloading under load, stopping without losing anybody."""

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from webhook import logs
from webhook.address import Address
from webhook.certs.issue import KeyPair, issue_ca, issue_client_certificate, issue_serving_certificate, write_key_pair
from webhook.errors import ConfigurationError
from webhook.metrics import Metrics
from webhook.server.health import Check, TlsProbe
from webhook.server.listener import Listener
from webhook.server.serving import HEALTH_LISTEN, LISTEN, Server, ServingOptions
from webhook.server.tls import TlsFiles, load

Scene = Callable[["Place"], Awaitable[None]]
ANYWHERE = Address("127.0.0.1", 0)
CA = issue_ca()


def make_leaf(ca: KeyPair = CA) -> KeyPair:
    return issue_serving_certificate(ca, ["localhost"], [ip_address("127.0.0.1")])


def trusting(*cas: KeyPair) -> ssl.SSLContext:
    return ssl.create_default_context(cadata="".join(ca.certificate.decode() for ca in cas or (CA,)))


@dataclass
class Place:
    """A server whose application says hello, at once or when it is released."""

    folder: Path
    options: ServingOptions
    metrics: Metrics = field(default_factory=Metrics)
    written: io.BytesIO = field(default_factory=io.BytesIO)
    checks: dict[str, Check] = field(default_factory=dict)
    details: dict[str, Check] = field(default_factory=dict)
    server: Server = field(init=False)
    running: asyncio.Task[None] = field(init=False)
    waiting: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        return await {"/": self.hello, "/slow": self.slow, "/echo": self.echo}[request.path](request)

    async def hello(self, _: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    async def slow(self, _: web.BaseRequest) -> web.Response:
        self.waiting += 1
        try:
            await self.released.wait()
        finally:
            self.waiting -= 1
        return web.Response(text="at last")

    async def echo(self, request: web.BaseRequest) -> web.Response:
        return web.Response(body=await request.read())

    async def start(self) -> None:
        log = logs.build_logger(self.written, level="debug")
        self.server = Server(
            self.answer, self.options, metrics=self.metrics, log=log, checks=self.checks, details=self.details
        )
        self.running = asyncio.create_task(self.server.run(handle_signals=False))
        await self.server.started.wait()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server.address.port}"

    @property
    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.written.getvalue().splitlines()]

    def sample(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"git_token_webhook_{name}", labels) or 0

    async def health(self, path: str, **headers: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{self.server.health_address}{path}", headers=headers) as response:
                return response.status, await response.text()

    async def get(self, path: str = "/", context: ssl.SSLContext | None = None) -> str:
        """One request on a connection of its own."""
        async with client(context) as session, session.get(self.url + path) as response:
            return await response.text()

    async def served(self, context: ssl.SSLContext | None = None) -> bytes:
        """The certificate that a new connection sees, DER."""
        context = context or unverified()
        _, writer = await asyncio.open_connection("127.0.0.1", self.server.address.port, ssl=context)
        certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return certificate


def client(context: ssl.SSLContext | None = None, **options: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context or trusting(), **options))


def unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ask_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """A request on a connection that neither side replaces by another, and the body of its answer."""
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(len("hello"))


async def connected(
    place: Place, stack: contextlib.AsyncExitStack
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A new connection, which ends with the test."""
    reader, writer = await asyncio.open_connection("127.0.0.1", place.server.address.port, ssl=unverified())
    stack.callback(writer.close)
    return reader, writer


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for is in the server's hands
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def listening(files: TlsFiles) -> AsyncIterator[Listener]:
    """Only a TLS port, without a server around it."""

    async def hello(_: web.BaseRequest) -> web.Response:
        return web.Response(text="hello")

    context = load(files).context
    low_level = web.Server(hello)
    listener = Listener(ANYWHERE, low_level, context=lambda: context, max_connections=10, on_failure=lambda _: None)
    listener.start()
    yield listener
    listener.stop()
    await low_level.shutdown(0.1)


@contextlib.asynccontextmanager
async def made(tmp_path: Path) -> AsyncIterator[Place]:
    """A server that isn't started yet, so that a test may change its options."""
    files = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    write_key_pair(make_leaf(), files.certificate, files.key)
    options = ServingOptions(files, ANYWHERE, ANYWHERE, 0.05, 2.0, reload_interval=0.02)
    place = Place(tmp_path, options)
    yield place
    if hasattr(place, "running"):
        place.server.stop()
        place.server.stop()
        await asyncio.wait_for(place.running, 5)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A server that isn't started yet, on asyncio's own loop."""
    async with made(tmp_path) as place:
        yield place


@pytest.fixture(params=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scene], None]:
    """Plays a scene with a server of four connections, on either event loop."""
    new_loop = pytest.importorskip(request.param).new_event_loop

    async def scene_with_server(scene: Scene) -> None:
        async with made(tmp_path) as place:
            place.options = replace(place.options, max_connections=4)
            await place.start()
            await scene(place)

    def played(scene: Scene) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(scene_with_server(scene))

    return played


class TestHealth:
    async def test_alive(self, place: Place) -> None:
        """It answers, so it lives."""
        await place.start()
        assert await place.health("/livez") == (200, "ok\n")

    async def test_ready(self, place: Place) -> None:
        """Every check is named, as Kubernetes' own servers do."""
        place.checks["configuration"] = lambda: None
        await place.start()
        assert await place.health("/readyz") == (
            200,
            "[+]shutdown ok\n[+]certificate ok\n[+]configuration ok\n[+]tls ok\nreadyz check passed\n",
        )

    async def test_a_check_that_fails(self, place: Place) -> None:
        """Says which one and why."""
        place.checks["configuration"] = lambda: "it can't be read"
        await place.start()
        status, text = await place.health("/readyz")
        assert status == 503
        assert "[-]configuration failed: it can't be read" in text
        assert "readyz check failed" in text

    async def test_a_detail_does_not_make_a_replica_unready(self, place: Place) -> None:
        """All replicas have the same problem, and none of them would be left."""
        place.details["api-server"] = lambda: "the API server rejects the credentials (401)"
        await place.start()
        status, text = await place.health("/readyz")
        assert status == 200
        assert "[!]api-server: the API server rejects the credentials (401)\nreadyz check passed" in text

    async def test_our_own_port_is_looked_at(self, place: Place) -> None:
        """A TLS port that nobody can reach is not ready, whatever the process thinks of itself."""
        await place.start()
        port = place.server.address.port
        for _ in range(2):
            assert (await place.health("/readyz"))[0] == 200
        listener = place.server._listener
        assert listener is not None
        listener.stop()
        async with asyncio.timeout(5):
            while (await place.health("/readyz"))[0] == 200:  # noqa: ASYNC110 - a look counts for two seconds
                await asyncio.sleep(0.1)
        assert "[-]tls failed: this server's TLS port cannot be reached" in (await place.health("/readyz"))[1]
        with contextlib.closing(socket.socket()) as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0

    async def test_another_certificate_than_ours(self, place: Place) -> None:
        """A port that serves something else isn't ready, although it answers."""
        async with listening(place.options.tls) as listener:
            leaf = load(place.options.tls).leaf
            assert await TlsProbe(lambda: listener, lambda: leaf).failure() is None
            other = TlsProbe(lambda: listener, lambda: b"another")
            assert await other.failure() == "this server's TLS port serves another certificate"

    async def test_ready_where_clients_must_show_certificates(self, place: Place) -> None:
        """Our own look needs none, and isn't counted as a failed connection."""
        client_ca = place.folder / "client-ca.crt"
        client_ca.write_bytes(CA.certificate)
        place.options = replace(place.options, tls=replace(place.options.tls, client_ca=client_ca))
        await place.start()
        assert (await place.health("/readyz"))[0] == 200
        await asyncio.sleep(0.1)
        assert place.sample("tls_handshake_failures_total", reason="no-client-certificate") == 0

    async def test_metrics(self, place: Place) -> None:
        """Prometheus finds them on the plain port, with what is going on."""
        await place.start()
        async with client() as session, session.get(place.url):
            _, text = await place.health("/metrics")
        assert "git_token_webhook_connections 1.0" in text
        assert "git_token_webhook_in_flight_requests 0.0" in text
        assert "git_token_webhook_certificate_expiry_timestamp_seconds 1" in text

    async def test_nothing_but_health_on_the_plain_port(self, place: Place) -> None:
        """No review goes over plain HTTP."""
        await place.start()
        assert (await place.health("/"))[0] == 404
        assert (await place.health("/validate"))[0] == 404


class TestServing:
    @pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "::1", ""])
    async def test_where_it_listens(self, place: Place, name: str) -> None:
        """On an address, a name, or everywhere, of which both ports are told."""
        if ":" in name and not socket.has_ipv6:
            pytest.skip("there is no IPv6 here")
        place.options = replace(place.options, listen=Address(name, 0))
        await place.start()
        port = place.server.address.port
        host = name or "127.0.0.1"
        _, writer = await asyncio.open_connection(host, port, ssl=unverified())
        writer.close()
        await writer.wait_closed()
        assert (await place.health("/readyz"))[0] == 200

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    async def test_both_ports_are_dual_stack_by_default(self, place: Place, host: str) -> None:
        """An API server and a kubelet that use IPv6 reach the server, as those that use IPv4 do."""
        if ":" in host and not socket.has_dualstack_ipv6():
            pytest.skip("there is no IPv6 here")
        assert (LISTEN.host, HEALTH_LISTEN.host) == ("::", "::")
        place.options = replace(
            place.options, listen=replace(LISTEN, port=0), health_listen=replace(HEALTH_LISTEN, port=0)
        )
        await place.start()
        for port in (place.server.address.port, place.server.health_address.port):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            await writer.wait_closed()

    async def test_a_port_that_is_taken(self, place: Place) -> None:
        """It says so, for people."""
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as other:
            place.options = replace(place.options, listen=Address("127.0.0.1", other.getsockname()[1]))
            server = Server(place.hello, place.options, metrics=place.metrics, log=logs.build_logger(place.written))
            with pytest.raises(ConfigurationError, match=r"cannot listen on 127\.0\.0\.1:\d+: Address already in use"):
                await server.run(handle_signals=False)

    async def test_files_that_can_not_be_used(self, place: Place) -> None:
        """A server that could serve nobody isn't made."""
        place.options.tls.key.write_bytes(make_leaf().key)
        with pytest.raises(ConfigurationError, match="is not the key of"):
            Server(place.hello, place.options, metrics=place.metrics, log=logs.build_logger(place.written))

    async def test_no_versions_in_answers(self, place: Place) -> None:
        """Nobody needs to know what is running here."""
        await place.start()
        async with client() as session, session.get(place.url) as response:
            assert "Server" not in response.headers

    async def test_no_versions_in_refusals(self, place: Place) -> None:
        """Nor in what is said to somebody who doesn't speak HTTP."""
        await place.start()
        async with contextlib.AsyncExitStack() as stack:
            reader, writer = await connected(place, stack)
            writer.write(b"what is running here\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.0 400")
        assert b"aiohttp" not in head

    async def test_a_connection_is_kept(self, place: Place) -> None:
        """Many requests, one handshake."""
        await place.start()
        async with client(limit=1) as session:
            for _ in range(5):
                async with session.get(place.url) as response:
                    assert "Connection" not in response.headers
            assert place.sample("connections") == 1

    async def test_plain_http(self, place: Place) -> None:
        """It is turned away, counted and explained."""
        await place.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", place.server.address.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
        await until(lambda: place.sample("tls_handshake_failures_total", reason="plain-http") == 1)
        assert "connection failed" in place.events

    async def test_a_client_that_does_not_trust_us(self, place: Place) -> None:
        """The usual sign of a stale caBundle is told, but not once for every call."""
        await place.start()
        context = trusting(issue_ca())

        def connect() -> None:  # as Go does, and asyncio doesn't, it tells the server why it goes
            with socket.create_connection(("127.0.0.1", place.server.address.port)) as connection:
                with pytest.raises(ssl.SSLCertVerificationError):
                    context.wrap_socket(connection, server_hostname="localhost")

        for _ in range(3):
            await asyncio.to_thread(connect)
        await until(lambda: place.sample("tls_handshake_failures_total", reason="not-trusted-by-client") == 3)
        assert place.events.count("connection failed") == 1

    async def test_a_probe_that_only_connects(self, place: Place) -> None:
        """Load balancers do that all the time; it is counted and not logged."""
        await place.start()
        _, writer = await asyncio.open_connection("127.0.0.1", place.server.address.port)
        writer.close()
        await until(lambda: place.sample("tls_handshake_failures_total", reason="disconnected") == 1)
        assert "connection failed" not in place.events

    async def test_those_that_have_ended_are_forgotten(self, place: Place) -> None:
        """Load balancers and our own look at the port come for months, ask nothing and go."""
        await place.start()
        for _ in range(200):
            _, writer = await asyncio.open_connection("127.0.0.1", place.server.address.port, ssl=unverified())
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        assert place.server._listener is not None
        assert len(place.server._listener._idle) < 100

    async def test_health_answers_however_many_say_nothing_there(self, place: Place) -> None:
        """Kubelet would end a process that it can't ask."""
        await place.start()
        port = place.server.health_address.port
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(300):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                stack.callback(writer.close)
            assert await place.health("/livez") == (200, "ok\n")

    async def test_a_client_that_hangs_up(self, place: Place) -> None:
        """Its request ends with it: nobody waits for the answer."""
        await place.start()
        asking = asyncio.create_task(place.get("/slow"))
        await until(lambda: place.waiting)
        asking.cancel()
        await until(lambda: not place.waiting)

    async def test_a_client_that_never_ends_its_head(self, place: Place) -> None:
        """It costs a connection and nobody else anything."""
        await place.start()
        _, writer = await asyncio.open_connection("127.0.0.1", place.server.address.port, ssl=unverified())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert await place.get() == "hello"
        writer.close()

    @pytest.mark.parametrize(
        "head",
        [
            b"\x00\x01\x02\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
            b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ],
    )
    async def test_what_is_no_http(self, place: Place, head: bytes) -> None:
        """It is refused with 400 or hung up on, and the next one is served."""
        await place.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", place.server.address.port, ssl=unverified())
        writer.write(head)
        answer = b""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(5):
                answer = await reader.read()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400") or answer.startswith(b"HTTP/1.0 400")
        writer.close()
        assert await place.get() == "hello"


class TestMakingRoom:
    """Where there are as many connections as allowed."""

    def test_silent_connections_make_room(self, play: Callable[[Scene], None]) -> None:
        """Whoever holds connections open without asking anything can't keep others out."""

        async def scene(place: Place) -> None:
            async with contextlib.AsyncExitStack() as stack:
                asked = await connected(place, stack)
                assert await ask_on(*asked) == b"hello"
                for _ in range(6):
                    await connected(place, stack)
                assert await place.get() == "hello"
                assert place.sample("connections") <= 4
                assert place.sample("tls_handshake_failures_total", reason="too-many-connections") >= 3
                assert await ask_on(*asked) == b"hello"  # so it is still there

        play(scene)

    def test_connections_that_ask_no_more_make_room(self, play: Callable[[Scene], None]) -> None:
        """Whoever has asked once can't keep others out either; who has been idle for longest goes first, at once."""

        async def scene(place: Place) -> None:
            async with contextlib.AsyncExitStack() as stack:
                connections = [await connected(place, stack) for _ in range(4)]
                for connection in (*connections, connections[0]):
                    assert await ask_on(*connection) == b"hello"
                for _ in range(2):
                    assert await ask_on(*await connected(place, stack)) == b"hello"
                assert place.sample("connections") <= 4
                closed = [reader.at_eof() or reader.exception() is not None for reader, _ in connections]
                assert closed == [False, True, True, False]
                assert await ask_on(*connections[0]) == b"hello"

        play(scene)

    def test_requests_that_never_end_make_room(self, play: Callable[[Scene], None]) -> None:
        """A head without its body is no reason to turn others away; a request that is being answered is."""

        async def scene(place: Place) -> None:
            async with contextlib.AsyncExitStack() as stack:
                _, slow = await connected(place, stack)
                slow.write(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await until(lambda: place.waiting)
                for _ in range(3):
                    _, writer = await connected(place, stack)
                    writer.write(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhell")
                await until(lambda: place.sample("in_flight_requests") == 4)
                for _ in range(5):
                    assert await ask_on(*await connected(place, stack)) == b"hello"
                assert place.waiting == 1

        play(scene)


class TestReloading:
    async def test_a_new_certificate(self, place: Place) -> None:
        """New connections see it, the metric tells of it, and /readyz agrees."""
        await place.start()
        new = make_leaf()
        write_key_pair(new, place.options.tls.certificate, place.options.tls.key)
        await until(lambda: place.sample("reloads_total", what="certificate", result="success"))
        assert await place.served() == ssl.PEM_cert_to_DER_cert(new.certificate.decode())
        assert (await place.health("/readyz"))[0] == 200

    async def test_a_certificate_of_another_ca(self, place: Place) -> None:
        """Open connections go on, new ones need the new CA: publish both before the change."""
        await place.start()
        other = issue_ca()
        async with client(limit=1) as session:
            await (await session.get(place.url)).text()
            write_key_pair(make_leaf(other), place.options.tls.certificate, place.options.tls.key)
            await until(lambda: place.sample("reloads_total", what="certificate", result="success"))
            async with session.get(place.url) as response:
                assert await response.text() == "hello"
        assert await place.get(context=trusting(other)) == "hello"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await place.get()

    @pytest.mark.parametrize("case", ["mismatched", "empty", "half", "missing", "expired"])
    async def test_a_bad_one(self, place: Place, case: str) -> None:
        """It is reported and the old one stays, for connections old and new; a good one ends it."""
        await place.start()
        before = await place.served()
        files = place.options.tls
        new = make_leaf()
        match case:
            case "mismatched":
                files.key.write_bytes(new.key)
            case "empty":
                files.certificate.write_bytes(b"")
            case "half":
                files.certificate.write_bytes(new.certificate[:100])
            case "missing":
                files.certificate.unlink()
            case "expired":
                old = issue_serving_certificate(CA, ["localhost"], lifetime=-timedelta(minutes=30))
                write_key_pair(old, files.certificate, files.key)
        await until(lambda: place.sample("reloads_total", what="certificate", result="failure"))
        assert await place.served() == before
        assert await place.get() == "hello"
        assert (await place.health("/readyz"))[0] == 200
        write_key_pair(new, files.certificate, files.key)
        await until(lambda: place.sample("reloads_total", what="certificate", result="success"))
        assert await place.served() == ssl.PEM_cert_to_DER_cert(new.certificate.decode())

    async def test_a_new_client_ca(self, place: Place) -> None:
        """Who must have issued the clients' certificates changes as well."""
        old, new = issue_ca(), issue_ca()
        client_ca = place.folder / "client-ca.crt"
        client_ca.write_bytes(old.certificate)
        place.options = replace(place.options, tls=replace(place.options.tls, client_ca=client_ca))
        await place.start()

        def showing(ca: KeyPair) -> ssl.SSLContext:
            context = trusting()
            write_key_pair(issue_client_certificate(ca, "x"), place.folder / "c.crt", place.folder / "c.key")
            context.load_cert_chain(place.folder / "c.crt", place.folder / "c.key")
            return context

        with_old, with_new = showing(old), showing(new)
        assert await place.get(context=with_old) == "hello"
        client_ca.write_bytes(new.certificate)
        await until(lambda: place.sample("reloads_total", what="certificate", result="success"))
        assert await place.get(context=with_new) == "hello"
        with pytest.raises(aiohttp.ClientError):
            await place.get(context=with_old)
        assert place.sample("tls_handshake_failures_total", reason="client-not-trusted") >= 1

    async def test_no_request_fails(self, place: Place) -> None:
        """Through a dozen changes, good and bad, on kept connections and on new ones, every request is answered."""
        await place.start()
        answered = await under_load(place, lambda: swap_certificates(place, times=12))
        assert answered > 10
        assert place.sample("reloads_total", what="certificate", result="success") >= 5


async def swap_certificates(place: Place, times: int) -> None:
    for number in range(times):
        seen = sum(place.sample("reloads_total", what="certificate", result=r) for r in ("success", "failure"))
        leaf = make_leaf()
        if number % 3 == 2:
            place.options.tls.key.write_bytes(leaf.key)
        else:
            write_key_pair(leaf, place.options.tls.certificate, place.options.tls.key)

        def reloaded(seen: float = seen) -> bool:
            return seen < sum(
                place.sample("reloads_total", what="certificate", result=r) for r in ("success", "failure")
            )

        await until(reloaded)


async def under_load(place: Place, work: Callable[[], Any]) -> int:
    """How many requests were answered while `work` was done; each must be."""
    context = trusting()
    answered = 0
    done = asyncio.Event()

    async def ask(**options: Any) -> None:
        nonlocal answered
        async with client(context, **options) as session:
            while not done.is_set():
                async with session.get(place.url) as response:
                    assert await response.text() == "hello"
                answered += 1

    async with asyncio.TaskGroup() as group:
        for force_close in (True, True, False, False):
            group.create_task(ask(force_close=force_close))
        await work()
        done.set()
    return answered


class TestStopping:
    async def test_not_ready_at_once(self, place: Place) -> None:
        """The cluster learns first that nobody should come here any more; until it did, everybody is served."""
        place.options = replace(place.options, shutdown_delay=0.5)
        await place.start()
        place.server.stop()
        status, text = await place.health("/readyz")
        assert (status, "[-]shutdown failed: this server is shutting down" in text) == (503, True)
        assert (await place.health("/livez"))[0] == 200
        assert await place.get() == "hello"

    async def test_connections_are_asked_to_close(self, place: Place) -> None:
        """After an answer is the one moment at which no client can lose a request by it."""
        place.options = replace(place.options, shutdown_delay=0.5)
        await place.start()
        async with client(limit=1) as session:
            async with session.get(place.url) as response:
                assert "Connection" not in response.headers
            place.server.stop()
            async with session.get(place.url) as response:
                assert response.headers["Connection"] == "close"
            await until(lambda: place.sample("connections") == 0, 0.4)

    async def test_connections_are_closed(self, place: Place) -> None:
        """Also where the client wouldn't close it."""
        place.options = replace(place.options, shutdown_delay=60)
        await place.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", place.server.address.port, ssl=unverified())
        place.server.stop()
        assert await ask_on(reader, writer) == b"hello"
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()

    async def test_what_is_in_the_queue_is_taken(self, place: Place) -> None:
        """A connection that the kernel has accepted before the end is still served."""
        async with listening(place.options.tls) as listener:
            connection = socket.create_connection(("127.0.0.1", listener.address.port))
            listener.stop()  # the loop hasn't had a chance to see the connection
            connection.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=connection, ssl=unverified(), server_hostname="")
            assert await ask_on(reader, writer) == b"hello"
            writer.close()
            await writer.wait_closed()

    async def test_what_was_begun_is_finished(self, place: Place) -> None:
        """A request that is being answered when the time to stop comes gets its answer."""
        place.options = replace(place.options, shutdown_timeout=60)
        await place.start()
        asking = asyncio.create_task(place.get("/slow"))
        await until(lambda: place.waiting)
        place.server.stop()
        await asyncio.sleep(1)
        assert not place.running.done()
        place.released.set()
        assert await asking == "at last"
        await asyncio.wait_for(place.running, 2)

    async def test_not_for_ever(self, place: Place) -> None:
        """A request that never ends doesn't keep the process from ending."""
        place.options = replace(place.options, shutdown_timeout=0.2)
        await place.start()
        asking = asyncio.create_task(place.get("/slow"))
        await until(lambda: place.waiting)
        place.server.stop()
        await asyncio.wait_for(place.running, 2)
        with pytest.raises(aiohttp.ClientError):
            await asking
        assert "stopping with requests unanswered" in place.events

    async def test_a_second_time(self, place: Place) -> None:
        """Whoever asks twice waits for nothing."""
        place.options = replace(place.options, shutdown_delay=60, shutdown_timeout=60)
        await place.start()
        asking = asyncio.create_task(place.get("/slow"))
        await until(lambda: place.waiting)
        place.server.stop()
        place.server.stop()
        await asyncio.wait_for(place.running, 2)
        with pytest.raises(aiohttp.ClientError):
            await asking

    async def test_the_port_is_free_afterwards(self, place: Place) -> None:
        """Nothing is left behind."""
        await place.start()
        port = place.server.address.port
        place.server.stop()
        await asyncio.wait_for(place.running, 2)
        socket.create_server(("127.0.0.1", port)).close()

    async def test_no_request_fails(self, place: Place) -> None:
        """While clients still come, during the delay, all of them are served."""
        place.options = replace(place.options, shutdown_delay=60)
        await place.start()

        async def stop() -> None:
            place.server.stop()
            await asyncio.sleep(0.5)

        assert await under_load(place, stop) > 3


PROGRAM = """
import asyncio, sys
from pathlib import Path
from aiohttp import web
from webhook import logs
from webhook.server.listener import Address
from webhook.metrics import Metrics
from webhook.server.serving import Server, ServingOptions
from webhook.server.tls import TlsFiles, load

async def hello(_):
    await asyncio.sleep(0.05)
    return web.Response(text="hello")

async def main():
    folder = Path(sys.argv[1])
    log = logs.build_logger(sys.stdout.buffer)
    logs.install(log)
    files = TlsFiles(folder / "tls.crt", folder / "tls.key")
    options = ServingOptions(files, Address("127.0.0.1", 0), Address("127.0.0.1", 0), float(sys.argv[2]), 5.0)
    await Server(hello, options, metrics=Metrics(), log=log).run()

LOOP
"""


class TestSignals:
    """A process of its own, on both event loops."""

    @contextlib.asynccontextmanager
    async def process(self, folder: Path, loop: str, delay: float) -> AsyncIterator[tuple[Any, int]]:
        write_key_pair(make_leaf(), folder / "tls.crt", folder / "tls.key")
        run = "import uvloop; uvloop.run(main())" if loop == "uvloop" else "asyncio.run(main())"
        program = textwrap.dedent(PROGRAM).replace("LOOP", run)
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-c", program, str(folder), str(delay)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            assert started.stdout is not None
            line = json.loads(await started.stdout.readline())
            yield started, int(line["listen"].rpartition(":")[2])
        finally:
            if started.returncode is None:
                started.kill()
            await started.communicate()

    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_a_signal_under_load(self, tmp_path: Path, loop: str, number: signal.Signals) -> None:
        """Every request that was accepted is answered, the process ends by itself, and says nothing but log lines."""
        async with self.process(tmp_path, loop, delay=0.4) as (process, port):
            context = trusting()
            outcomes: list[str] = []

            async def ask(force_close: bool) -> None:
                async with client(context, force_close=force_close) as session:
                    while True:
                        try:
                            async with session.get(f"https://localhost:{port}/") as response:
                                outcomes.append(await response.text())
                        except aiohttp.ClientConnectorError:  # nobody listens any more: no request was taken
                            return

            asking = [asyncio.create_task(ask(force_close)) for force_close in (True, False) * 4]
            await until(lambda: len(outcomes) > 10)
            process.send_signal(number)
            output, errors = await asyncio.wait_for(process.communicate(), 10)
            await asyncio.gather(*asking)
            assert process.returncode == 0
            assert errors == b""
            assert set(outcomes) == {"hello"}
            events = [json.loads(line)["event"] for line in output.splitlines()]
            assert events == ["stopping", "stopped"]

    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    async def test_a_second_signal(self, tmp_path: Path, loop: str) -> None:
        """It ends at once."""
        async with self.process(tmp_path, loop, delay=60) as (process, _):
            process.send_signal(signal.SIGTERM)
            assert json.loads(await process.stdout.readline())["event"] == "stopping"
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 5) == 0


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("0.0.0.0:9443", Address("0.0.0.0", 9443)),  # noqa: S104 - only read
            ("[::]:9443", Address("::", 9443)),
            ("localhost:0", Address("localhost", 0)),
            (":8080", Address("", 8080)),
        ],
    )
    def test_addresses(self, text: str, address: Address) -> None:
        """As people write them, and as they are shown again."""
        assert Address.parse(text) == address
        assert str(address) == text

    @pytest.mark.parametrize("text", ["", "9443", "localhost", "::9443", "a:b", "a:-1", "a:65536", "a:９", "[::]9443"])
    def test_what_is_no_address(self, text: str) -> None:
        """The text shows how to write one."""
        with pytest.raises(ConfigurationError, match=r"is not an address to listen on; write HOST:PORT"):
            Address.parse(text)
