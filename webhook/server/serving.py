"""The server: the TLS port for the API server, the health port, reloading, start and shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import StreamReader, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage

from webhook.address import Address
from webhook.logs import Logger, loop_exception_handler
from webhook.metrics import Metrics
from webhook.server import tls
from webhook.server.file_watcher import INTERVAL, FileWatcher
from webhook.server.health import MAX_CONNECTIONS, Check, TlsProbe, health_app
from webhook.server.listener import TOO_MANY, Listener
from webhook.server.tls import ServingTls, TlsFiles

# Every interface, IPv4 and IPv6: the API server is another machine, and the kubelet connects to the pod's address.
LISTEN = Address("::", 9443)
HEALTH_LISTEN = Address("::", 8080)

# The API server closes idle connections after 90 s, and does not retry a call on a connection that the server closes at
# the same time (KUBERNETES.md §1.11), so our timeout must be longer. It also limits the time for the head of a request.
_KEEP_ALIVE = 120.0
_QUIET = 0.1  # seconds without a request after which no more are expected
_LOG_AGAIN = 60.0  # seconds between two lines about connections that fail for the same reason

_ADVICE = {
    "no-client-certificate": "the client sent no certificate, but --client-ca requires one",
    "client-not-trusted": "the client's certificate was not issued by the client CA",
    "not-trusted-by-client": "the client does not trust our certificate; the webhook's caBundle may be stale",
    "tls-too-old": "the client does not support TLS 1.2 or newer",
    "plain-http": "the client sent plain HTTP to the TLS port",
    "no-resources": "no file descriptors or memory are left",
    TOO_MANY: "the connection limit is reached; the connections that are idle for longest are closed",
}


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""Answers the requests on the TLS port."""


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """Addresses, files and limits of the server.

    Attributes:
        shutdown_delay: seconds to keep serving after the signal to stop, until the cluster sends no more requests here.
        shutdown_timeout: seconds that the last requests may take after that.
        max_connections: on the TLS port. One API server holds some sixty at most (KUBERNETES.md §1.11); each takes a
            quarter of a MiB for TLS, if its client makes it so.
        reload_interval: seconds between two polls of the TLS files.
    """

    tls: TlsFiles
    listen: Address = LISTEN
    health_listen: Address = HEALTH_LISTEN
    shutdown_delay: float = 5.0
    shutdown_timeout: float = 20.0
    max_connections: int = 512
    reload_interval: float = INTERVAL


class Server:
    """Serves a handler over TLS, and health and metrics on a second port, from `run` until `stop`."""

    def __init__(
        self,
        handler: Handler,
        options: ServingOptions,
        *,
        metrics: Metrics,
        log: Logger,
        checks: Mapping[str, Check] | None = None,
        details: Mapping[str, Check] | None = None,
        watchers: Sequence[FileWatcher] = (),
        on_start: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            handler: answers the API server's requests.
            checks: readiness checks besides the built-in ones, by name.
            details: what /readyz lists without failing, by name.
            watchers: watchers of files besides the TLS files.
            on_start: called when the configuration is known to work, before the ports open.

        Raises:
            ConfigurationError: the TLS files cannot be used.
        """
        self._options = options
        self._metrics = metrics
        self._log = log
        self._on_start = on_start
        watcher = FileWatcher(
            "certificate",
            lambda: options.tls.paths,
            self._load_tls,
            metrics=metrics,
            log=log,
            interval=options.reload_interval,
        )
        self._watchers = (watcher, *watchers)
        self._load_tls()
        self._handler = handler
        own_checks = {"shutdown": self._shutdown_reason, "certificate": lambda: self._tls.invalid_reason()}
        probe = TlsProbe(lambda: self._listener, lambda: self._tls.leaf)
        health = health_app({**own_checks, **(checks or {})}, probe, metrics, details)
        self._health_runner = web.AppRunner(health, access_log=None, shutdown_timeout=0.1)
        self._listener: Listener | None = None
        self._health_listener: Listener | None = None
        self._in_flight = 0
        self._last_logged: dict[str, float] = {}
        self._stopping = asyncio.Event()
        self._at_once = asyncio.Event()
        self.started = asyncio.Event()
        """Set as soon as both ports accept connections."""
        metrics.observe_server(
            in_flight=lambda: self._in_flight,
            connections=lambda: self._listener.connections if self._listener else 0,
        )

    @property
    def address(self) -> Address:
        """The address of the TLS port, once started."""
        if self._listener is None:
            raise RuntimeError("the server hasn't started")
        return self._listener.address

    @property
    def tls(self) -> ServingTls:
        """The certificate and context in use."""
        return self._tls

    @property
    def health_address(self) -> Address:
        """The address of the health port, once started."""
        if self._health_listener is None:
            raise RuntimeError("the server hasn't started")
        return self._health_listener.address

    def stop(self) -> None:
        """Stop gracefully; called again, stop at once."""
        if self._stopping.is_set():
            self._at_once.set()
        else:
            self._log.info("stopping", delay=self._options.shutdown_delay, in_flight=self._in_flight)
        self._stopping.set()

    async def run(self, *, handle_signals: bool = True) -> None:
        """Serve until SIGTERM, SIGINT or `stop`; stop at once after a second one.

        Raises:
            ConfigurationError: cannot listen on an address.
        """
        asyncio.get_running_loop().set_exception_handler(loop_exception_handler(self._log))
        async with contextlib.AsyncExitStack() as stack:
            if handle_signals:
                stack.enter_context(self._signals())
            # The health port opens first and closes last, because it is probed during start and shutdown, too.
            health = await stack.enter_async_context(_set_up(self._health_runner))
            server = await stack.enter_async_context(_set_up(self._runner()))
            self._health_listener = Listener(
                self._options.health_listen, health, max_connections=MAX_CONNECTIONS, on_failure=self._failed
            )
            stack.callback(self._health_listener.stop)
            self._listener = Listener(
                self._options.listen,
                server,
                context=lambda: self._tls.context,
                max_connections=self._options.max_connections,
                on_failure=self._failed,
            )
            stack.callback(self._listener.stop)
            self._on_start()
            for watcher in self._watchers:
                await stack.enter_async_context(in_background(watcher.run()))
            self._health_listener.start()
            self._listener.start()
            self.started.set()
            self._log.info("serving", listen=str(self.address), health=str(self.health_address))
            await self._stopping.wait()
            await self._drain(self._listener)
        self._log.info("stopped")

    # --- certificates ---

    def _load_tls(self) -> None:
        self._tls: ServingTls = tls.load(self._options.tls)
        self._metrics.certificate_expires(self._tls.not_after)

    def _failed(self, reason: str) -> None:
        """Count a failed connection, and log it at most once a minute if an operator can act on it."""
        self._metrics.handshake_failed(reason)
        now = asyncio.get_running_loop().time()
        if reason in _ADVICE and now - self._last_logged.get(reason, -_LOG_AGAIN) >= _LOG_AGAIN:
            self._last_logged[reason] = now
            self._log.warning("connection failed", reason=reason, detail=_ADVICE[reason])

    # --- requests ---

    def _runner(self) -> web.ServerRunner:
        """Return a runner without aiohttp's router and middlewares, which take a tenth of the time of a review."""
        server = web.Server(
            self._handle,
            request_factory=lambda *parts: _Request(self._stopping, *parts),
            access_log=None,  # decisions are logged instead
            keepalive_timeout=_KEEP_ALIVE,
            handler_cancellation=True,  # cancel a review when its client disconnects
            auto_decompress=False,  # no decompression bombs
        )
        return web.ServerRunner(server, shutdown_timeout=0.1)  # `_drain` has waited already

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        listener = self._listener
        if listener is None:
            raise RuntimeError("a request arrived before the port was open")
        protocol, transport = request.protocol, request.transport  # the request drops them when its client disconnects
        answered = False

        def arrived() -> None:
            if not answered:
                listener.mark_active(protocol)

        if not request.content.is_eof():
            # A client that holds back the rest of a request counts as idle.
            listener.mark_idle(protocol, transport)
        request.content.on_eof(arrived)
        self._in_flight += 1
        try:
            return await self._handler(request)
        finally:
            self._in_flight -= 1
            answered = True
            listener.mark_idle(protocol, transport)

    # --- stopping ---

    def _shutdown_reason(self) -> str | None:
        return "this server is shutting down" if self._stopping.is_set() else None

    async def _drain(self, listener: Listener) -> None:
        """Keep serving for the shutdown delay, then finish the requests in progress."""
        await self._unless_at_once(self._options.shutdown_delay)
        listener.stop()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._options.shutdown_timeout
        quiet_since = loop.time()
        while loop.time() < end and not self._at_once.is_set():
            if self._in_flight or listener.in_handshake:
                quiet_since = loop.time()
            elif loop.time() - quiet_since >= _QUIET:
                break
            await self._unless_at_once(_QUIET / 4)
        if self._in_flight:
            self._log.warning("stopping with requests unanswered", in_flight=self._in_flight)
        listener.abort()

    async def _unless_at_once(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._at_once.wait()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


class _Request(web.BaseRequest):
    """A request whose response headers are adjusted before they are sent."""

    def __init__(
        self,
        stopping: asyncio.Event,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> None:
        super().__init__(message, payload, protocol, writer, task, asyncio.get_running_loop())
        self._stopping = stopping

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall(hdrs.SERVER, None)  # it discloses versions
        if self._stopping.is_set():
            # A close after a response is the only one that a client cannot mistake for a lost request.
            response.force_close()
            response.headers[hdrs.CONNECTION] = "close"


@contextlib.asynccontextmanager
async def _set_up(runner: web.BaseRunner) -> AsyncIterator[web.Server]:
    try:
        await runner.setup()
        if runner.server is None:
            raise RuntimeError("aiohttp has made no server")
        yield runner.server
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` in a task until the `with` statement ends."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
