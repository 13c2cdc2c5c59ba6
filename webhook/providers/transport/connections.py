"""The connection pool of one host.

It uses httpcore's connections without httpcore's pool. That pool scans all connections and requests on every change,
queues every request behind the first connection until the protocol is known, and has its own queue in addition to ours
(`Connections.slot`), which waits with a deadline.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import httpcore

from webhook.providers.base import ProviderUnavailable
from webhook.providers.transport.fair_queue import FairQueue
from webhook.providers.transport.trust import Trust

KEEPALIVE = 30.0
"""Seconds that an unused connection is kept. NAT gateways drop idle ones after 4 minutes or more."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of an API.

    Attributes:
        host: a name, or an address without brackets.
        authority: the value of the ``Host`` header.
        prefix: the base path, without a trailing slash.
    """

    host: str
    port: int
    authority: str
    prefix: str


class Exchange:
    """One response, whose body has not been read yet."""

    def __init__(self, response: httpcore.Response) -> None:
        self.response = response
        self.complete = False

    async def read(self, sink: Callable[[bytes], None]) -> None:
        """Pass the body to `sink`, chunk by chunk."""
        async for chunk in self.response.aiter_stream():
            sink(chunk)
        self.complete = True


class _Connection:
    """One connection; requests share it when it uses HTTP/2."""

    def __init__(
        self, http: httpcore.AsyncHTTP11Connection | httpcore.AsyncHTTP2Connection, context: ssl.SSLContext
    ) -> None:
        self._http = http
        self._users = 0
        self._distrusted = False
        self._closed = False
        self.context = context
        self.is_shared = isinstance(http, httpcore.AsyncHTTP2Connection)

    @property
    def is_usable(self) -> bool:
        """Whether another request can be sent over it."""
        return not self._distrusted and self._http.is_available() and not self._http.has_expired()

    @asynccontextmanager
    async def response(self, request: httpcore.Request) -> AsyncIterator[httpcore.Response]:
        self._users += 1
        try:
            response = await self._http.handle_async_request(request)
            try:
                yield response
            finally:
                with anyio.CancelScope(shield=True):
                    await response.aclose()
        finally:
            self._users -= 1
            if self._distrusted and not self._users:
                await self.aclose()

    async def distrust(self) -> None:
        """Stop using it for new requests; it closes when its current requests end."""
        self._distrusted = True
        if not self._users:
            await self.aclose()

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            with anyio.CancelScope(shield=True):
                await self._http.aclose()


class Connections:
    """Sends requests to one endpoint, a limited number at a time, over HTTP/2 where the server offers it.

    Requests must be cancelled by an anyio scope and not by `asyncio.Task.cancel`, which ignores the shields around
    httpcore's cleanup and leaks sockets.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        trust: Trust,
        backend: httpcore.AsyncNetworkBackend,
        *,
        concurrency: int,
    ) -> None:
        self.endpoint = endpoint
        self._trust = trust
        self._backend = backend
        self._queue = FairQueue(concurrency)
        self._users = 0
        self._context: ssl.SSLContext | None = None
        self._idle: list[_Connection] = []  # HTTP/1.1, the most recently used last
        self._shared: _Connection | None = None
        self._speaks_http2: bool | None = None
        self._opening = asyncio.Lock()

    @property
    def in_use(self) -> bool:
        """Whether a request is in progress or waiting."""
        return self._users > 0

    @asynccontextmanager
    async def slot(self, tenant: str, deadline: float) -> AsyncIterator[None]:
        """Wait until fewer requests than the limit are in progress.

        Args:
            tenant: the tenant that the request is for (see `FairQueue`).

        Raises:
            ProviderUnavailable: `deadline` (of the loop's clock) passed first.
        """
        self._users += 1
        try:
            if not await self._queue.acquire(tenant, deadline):
                clause = "was not asked in time, because too many other requests to it are in progress"
                raise ProviderUnavailable(clause, transient=True)
            try:
                yield
            finally:
                self._queue.release()
        finally:
            self._users -= 1

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None,
        *,
        from_root: bool = False,
        forgiving_cancellation: bool = False,
    ) -> AsyncIterator[Exchange]:
        """Send one request.

        If it fails, or the body is not read completely, the connection is not used again. A connection whose peer is
        gone looks like a slow one, and over HTTP/2 an unread body fills the flow-control window of all requests.

        Args:
            from_root: the path is absolute and not relative to the prefix of the endpoint.
            forgiving_cancellation: a cancellation does not mean that the connection is bad.

        Raises:
            ProviderUnavailable: no address of the host is allowed.
            Exception: any exception of httpcore.
        """
        endpoint = self.endpoint
        target = path if from_root else endpoint.prefix + path
        request = httpcore.Request(
            method,
            httpcore.URL(scheme="https", host=endpoint.host, port=endpoint.port, target=target),
            headers=[("Host", endpoint.authority), *headers.items()],
            content=content,
        )
        connection = await self._connection()
        exchange: Exchange | None = None
        forgiven = False
        try:
            async with connection.response(request) as response:
                exchange = Exchange(response)
                yield exchange
        except asyncio.CancelledError:
            forgiven = forgiving_cancellation and exchange is None
            raise
        finally:
            complete = exchange is not None and exchange.complete
            if complete and not connection.is_shared:
                await self._keep(connection)
            elif not (connection is self._shared and (complete or forgiven)):
                await connection.distrust()

    async def _connection(self) -> _Connection:
        """Return a connection for the next request: an idle, a shared or a new one."""
        context = self._trust.context()
        if context is not self._context:  # the authorities changed, so earlier verifications may not hold
            await self._drop_all()
            self._context = context
        while self._idle:
            if (kept := self._idle.pop()).is_usable:
                return kept
            await kept.aclose()
        if (shared := self._usable_shared()) is not None:
            return shared
        if self._is_known_to_speak_http1():
            return await self._open(context)
        # One at a time, so that a hundred requests to an HTTP/2 host do not open a hundred connections.
        async with self._opening:
            if (shared := self._usable_shared()) is not None:
                return shared
            if not self._is_known_to_speak_http1():
                return await self._open(context)
        return await self._open(context)

    def _is_known_to_speak_http1(self) -> bool:
        return self._speaks_http2 is False

    def _usable_shared(self) -> _Connection | None:
        return self._shared if self._shared is not None and self._shared.is_usable else None

    async def _open(self, context: ssl.SSLContext) -> _Connection:
        endpoint = self.endpoint
        stream = await self._backend.connect_tcp(endpoint.host, endpoint.port)
        try:
            stream = await stream.start_tls(context, endpoint.host)
        except BaseException:
            # httpcore closes the stream when the handshake fails, but not when it is cancelled.
            with anyio.CancelScope(shield=True):
                await stream.aclose()
            raise
        tls: ssl.SSLObject | None = stream.get_extra_info("ssl_object")
        self._speaks_http2 = tls is not None and tls.selected_alpn_protocol() == "h2"
        origin = httpcore.Origin(b"https", endpoint.host.encode("ascii"), endpoint.port)
        if not self._speaks_http2:
            return _Connection(httpcore.AsyncHTTP11Connection(origin, stream, KEEPALIVE), context)
        connection = _Connection(httpcore.AsyncHTTP2Connection(origin, stream, KEEPALIVE), context)
        if context is self._context:
            former, self._shared = self._shared, connection
            if former is not None:
                await former.distrust()
        return connection

    async def _keep(self, connection: _Connection) -> None:
        """Keep `connection` for the next request, and close connections that were idle for too long."""
        if connection.is_usable and connection.context is self._context:
            self._idle.append(connection)
        else:
            await connection.aclose()
        while self._idle and not self._idle[0].is_usable:
            await self._idle.pop(0).aclose()

    async def _drop_all(self) -> None:
        idle, self._idle = self._idle, []
        shared, self._shared = self._shared, None
        await _distrust([*idle, *([shared] if shared is not None else [])])

    async def aclose(self) -> None:
        """Close all idle connections; the others close when their requests end."""
        await self._drop_all()


async def _distrust(connections: Iterable[_Connection]) -> None:
    for connection in connections:
        await connection.distrust()
