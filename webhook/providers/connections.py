"""The connections to one host: shared, renewed when something about them changed, closed when idle."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType

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
    """One pool of connections, which may be retired: it gets no more requests and closes after the last."""

    def __init__(self, pool: httpcore.AsyncConnectionPool, context: ssl.SSLContext) -> None:
        self.connections = pool
        self.context = context
        self._users = 0
        self._retired = False

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[httpcore.AsyncConnectionPool]:
        self._users += 1
        try:
            yield self.connections
        finally:
            self._users -= 1
            await self._close_if_over()

    async def retire(self) -> None:
        self._retired = True
        await self._close_if_over()

    async def _close_if_over(self) -> None:
        if self._retired and not self._users:
            await self.connections.aclose()


class Connections:
    """Sends requests to one endpoint, a limited number at a time.

    HTTP/2 is used where it is offered. What the host speaks is learnt by its first answer: until then requests go
    one after the other, since httpcore would queue all of them behind a connection that may turn out to carry
    only one at a time.
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
        self._first_contact = asyncio.Lock()

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

        Where that fails or the body isn't read to its end, nothing more is sent over the same connections; they close
        when the other requests on them are over. A connection whose other end is gone looks no different from
        a slow one, and a body left unread goes on filling the window that all requests on an HTTP/2 connection share.

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
            scouting = await self._scouts()
            try:
                pool = await self._current()
                connections = await stack.enter_async_context(pool.in_use())
                stack.push_async_exit(partial(self._retire_after_failure, pool, forgiving_cancellation))
                request = connections.stream(method, url, headers=all_headers, content=content)
                exchange = Exchange(await stack.enter_async_context(request))
                self._speaks_http2 = exchange.response.extensions.get("http_version") == b"HTTP/2"
            finally:
                if scouting:
                    self._first_contact.release()
            yield exchange
            if not exchange.complete:
                await self._retire(pool)

    async def _retire_after_failure(
        self,
        pool: _Pool,
        forgiving_cancellation: bool,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None and not (forgiving_cancellation and isinstance(error, asyncio.CancelledError)):
            await self._retire(pool)

    async def _scouts(self) -> bool:
        """Whether this request is to find out what the host speaks, and then holds the lock."""
        if self._speaks_http2 is not None:
            return False
        await self._first_contact.acquire()
        if self._speaks_http2 is None:
            return True
        self._first_contact.release()
        return False

    async def _current(self) -> _Pool:
        """The pool to use: a new one where the trusted certificates changed, or HTTP/2 turned out not to be spoken."""
        offers_http2 = self._speaks_http2 is not False
        context = self._trust.context(http2=offers_http2)
        if self._pool is None or self._pool.context is not context:
            stale = self._pool
            connections = httpcore.AsyncConnectionPool(
                ssl_context=context,
                http2=offers_http2,
                max_connections=self._concurrency,
                keepalive_expiry=KEEPALIVE,
                network_backend=self._backend(),
            )
            current = self._pool = _Pool(connections, context)
            if stale is not None:
                await stale.retire()
            return current
        return self._pool

    async def _retire(self, pool: _Pool) -> None:
        if self._pool is pool:
            self._pool = None
        await pool.retire()

    async def aclose(self) -> None:
        """Close all connections, also those in use."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.connections.aclose()
