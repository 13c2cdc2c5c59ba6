"""The connections to one host: shared, renewed when something about them changed, closed when idle."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpcore

from webhook.providers.base import NoAnswer
from webhook.providers.trust import Trust

KEEPALIVE = 30.0
"""Seconds that an unused connection is kept. NAT gateways forget silent ones after 4 minutes and more."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an API begins.

    Attributes:
        host: a name, or an address without brackets.
        authority: the same as the ``Host`` header says it.
        prefix: the path before every path, without a slash at the end.
    """

    host: str
    port: int
    authority: str
    prefix: str


class Exchange:
    """One response whose body is still to be read."""

    def __init__(self, response: httpcore.Response) -> None:
        self.response = response
        self.complete = False

    async def read(self, sink: Callable[[bytes], None]) -> None:
        """Give the body to `sink`, piece by piece as it comes."""
        async for chunk in self.response.aiter_stream():
            sink(chunk)
        self.complete = True


class _Pool:
    """One pool of connections, which may be retired: it gets no more requests and closes after the last.

    It is introduced once it is known what the host speaks, so that requests needn't wait for each other. Until then
    httpcore would queue all of them behind one connection, which may turn out to carry only one at a time, or fail.

    Attributes:
        introduction: held by the request that finds out.
    """

    def __init__(self, connections: httpcore.AsyncConnectionPool, context: ssl.SSLContext, *, introduced: bool) -> None:
        self.connections = connections
        self.context = context
        self.introduction = asyncio.Lock()
        self._introduced = introduced
        self._users = 0
        self._last_used = time.monotonic()
        self._retired = False

    def is_introduced(self) -> bool:
        return self._introduced

    def introduce(self) -> None:
        self._introduced = True

    @property
    def is_stale(self) -> bool:
        """Whether nobody has used it for so long that the other end may have gone."""
        return not self._users and time.monotonic() - self._last_used > KEEPALIVE

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[httpcore.AsyncConnectionPool]:
        self._users += 1
        try:
            yield self.connections
        finally:
            self._users -= 1
            self._last_used = time.monotonic()
            await self._close_if_over()

    async def retire(self) -> None:
        self._retired = True
        await self._close_if_over()

    async def _close_if_over(self) -> None:
        if self._retired and not self._users:
            with anyio.CancelScope(shield=True):
                await self.connections.aclose()


class Connections:
    """Sends requests to one endpoint, a limited number at a time, by HTTP/2 where it is offered.

    Requests must be ended by an anyio scope and not by `asyncio.Task.cancel`, which breaks through the shields that
    httpcore has around its clean-up, and leaves sockets and requests behind.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        trust: Trust,
        backend: Callable[[], httpcore.AsyncNetworkBackend],
        *,
        concurrency: int,
    ) -> None:
        self._endpoint = endpoint
        self._trust = trust
        self._backend = backend
        self._concurrency = concurrency
        self._turns = asyncio.Semaphore(concurrency)
        self._users = 0
        self._pool: _Pool | None = None
        self._speaks_http2: bool | None = None

    @property
    def in_use(self) -> bool:
        """Whether anybody is sending a request or waiting for a turn."""
        return self._users > 0

    @asynccontextmanager
    async def turn(self, deadline: float) -> AsyncIterator[None]:
        """Wait until fewer requests than the limit are under way.

        Raises:
            NoAnswer: `deadline` (of the loop's clock) came first.
        """
        self._users += 1
        try:
            if not await self._took_turn(deadline):
                raise NoAnswer("was not asked in time, because too many other requests to it are under way")
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._users -= 1

    async def _took_turn(self, deadline: float) -> bool:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._turns.acquire()
        except TimeoutError:
            return False

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None,
        *,
        forgiving_cancellation: bool = False,
    ) -> AsyncIterator[Exchange]:
        """Send one request.

        Where that fails over HTTP/2, or the body isn't read to its end, nothing more is sent over the same connection;
        it closes when the other requests on it are over. A connection whose other end is gone looks no different
        from a slow one, and a body left unread goes on filling the window that all requests share. Over HTTP/1.1
        each request has a connection of its own, which httpcore closes.

        Args:
            forgiving_cancellation: a cancellation is no sign of a bad connection.

        Raises:
            NoAnswer: there is nobody who may be connected to.
            Exception: whatever httpcore raises.
        """
        url = httpcore.URL(
            scheme="https", host=self._endpoint.host, port=self._endpoint.port, target=self._endpoint.prefix + path
        )
        all_headers = [("Host", self._endpoint.authority), *headers.items()]
        async with AsyncExitStack() as stack:
            pool, extensions = await self._introduced_pool(stack)
            connections = await stack.enter_async_context(pool.in_use())
            exchange: Exchange | None = None
            try:
                async with connections.stream(
                    method, url, headers=all_headers, content=content, extensions=extensions
                ) as response:
                    exchange = Exchange(response)
                    yield exchange
            except BaseException as error:
                if not (forgiving_cancellation and isinstance(error, asyncio.CancelledError)):
                    await self._distrust(pool)
                raise
            if not exchange.complete:
                await self._distrust(pool)

    async def _introduced_pool(self, stack: AsyncExitStack) -> tuple[_Pool, dict[str, object]]:
        """The pool to use, and what httpcore is to tell us. The first request of a pool holds its lock until then."""
        pool = await self._current()
        if pool.is_introduced():
            return pool, {}
        await pool.introduction.acquire()
        held = ExitStack()  # its close() may be called twice
        held.callback(pool.introduction.release)
        stack.callback(held.close)
        if pool.is_introduced() or pool is not self._pool:
            held.close()
            return await self._introduced_pool(stack)

        async def notice(event: str, info: Mapping[str, Any]) -> None:
            if event == "connection.start_tls.complete":
                tls: ssl.SSLObject | None = info["return_value"].get_extra_info("ssl_object")
                self._speaks_http2 = tls is not None and tls.selected_alpn_protocol() == "h2"
                pool.introduce()
                held.close()

        return pool, {"trace": notice}

    async def _current(self) -> _Pool:
        """The pool to use.

        A new one where the trusted certificates changed, HTTP/2 turned out not to be spoken, or the old one lay idle.
        """
        offers_http2 = self._speaks_http2 is not False
        context = self._trust.context(http2=offers_http2)
        old = self._pool
        if old is not None and old.context is context and not old.is_stale:
            return old
        connections = httpcore.AsyncConnectionPool(
            ssl_context=context,
            http2=offers_http2,
            max_connections=self._concurrency,
            keepalive_expiry=KEEPALIVE,
            network_backend=self._backend(),
        )
        pool = self._pool = _Pool(connections, context, introduced=not offers_http2)
        if old is not None:
            await old.retire()
        return pool

    async def _distrust(self, pool: _Pool) -> None:
        if self._speaks_http2:
            if self._pool is pool:
                self._pool = None
            await pool.retire()

    async def aclose(self) -> None:
        """Close all connections, also those in use."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.connections.aclose()
