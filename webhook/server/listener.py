"""A listening socket: accept connections, do the TLS handshake, and hand them over to aiohttp.

A connection gets the TLS context that is current when it is accepted. An `aiohttp` site would keep its first context,
so a new certificate or client CA would need a new listener, and connections in between would be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable

from aiohttp import web

from webhook.address import Address
from webhook.errors import ConfigurationError
from webhook.server.idle_connections import IdleConnections

HANDSHAKE_TIMEOUT = 10.0
"""Seconds; the API server waits as long (KUBERNETES.md §5)."""
_BACKLOG = 1024
_MAX_ACCEPTS = 64  # at once, so that a flood of connections leaves time for requests
# No descriptors or memory left: connections stay in the queue, and an immediate retry would only use CPU.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_EXHAUSTED_PAUSE = 1.0

# OpenSSL's names of handshake failures that matter to an operator, and ours.
_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no-client-certificate",
    "CERTIFICATE_VERIFY_FAILED": "client-not-trusted",
    "TLSV1_ALERT_UNKNOWN_CA": "not-trusted-by-client",
    "SSLV3_ALERT_BAD_CERTIFICATE": "not-trusted-by-client",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "not-trusted-by-client",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "not-trusted-by-client",
    "UNSUPPORTED_PROTOCOL": "tls-too-old",
    "HTTP_REQUEST": "plain-http",
}
TOO_MANY = "too-many-connections"


class Listener:
    """Accepts connections for an aiohttp server, over TLS if `context` is given."""

    def __init__(
        self,
        address: Address,
        server: web.Server,
        *,
        context: Callable[[], ssl.SSLContext] | None = None,
        max_connections: int,
        on_failure: Callable[[str], None],
    ) -> None:
        """
        Args:
            context: returns the TLS context for the next connection.
            max_connections: beyond it, a new connection evicts the one that is idle for longest.
            on_failure: called with the reason, in one word, when a connection fails.

        Raises:
            ConfigurationError: cannot listen on the address.
        """
        self._server = server
        self._context = context
        self._max_connections = max_connections
        self._on_failure = on_failure
        self._socket = _listening_socket(address)
        self._handshakes: dict[asyncio.Task[None], web.RequestHandler] = {}
        self._idle = IdleConnections()
        self._probes: deque[tuple[str, int]] = deque(maxlen=8)
        name = self._socket.getsockname()
        self.address = Address(name[0], name[1])

    @property
    def connections(self) -> int:
        """The number of connections, including those in the TLS handshake."""
        # A handshake ends a moment before its task.
        shaking = sum(protocol.transport is None for protocol in self._handshakes.values())
        return len(self._server.connections) + shaking

    @property
    def in_handshake(self) -> bool:
        """Whether any connection is in the TLS handshake, so that a request may follow."""
        return bool(self._handshakes)

    def start(self) -> None:
        """Start accepting connections."""
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def stop(self) -> None:
        """Stop accepting connections. Those in the queue are still accepted."""
        if self._socket.fileno() < 0:
            return
        with contextlib.suppress(OSError):
            self._accept()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def abort(self) -> None:
        """Cancel all handshakes."""
        for task in self._handshakes:
            task.cancel()

    def mark_idle(self, protocol: object, transport: asyncio.WriteTransport | None) -> None:
        """A request has started on this connection, or was answered: it can be evicted after all other idle ones."""
        if transport is None or transport.is_closing():
            self._idle.remove(protocol)
        else:
            self._idle.mark_idle(protocol, transport)

    def mark_active(self, protocol: object) -> None:
        """A whole request has arrived on this connection: do not evict it until it is answered."""
        self._idle.mark_busy(protocol)

    def expect_probe(self, name: tuple[str, int]) -> None:
        """Do not report failures of the connection from this address: it is our own readiness probe."""
        self._probes.append(name)

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_MAX_ACCEPTS):
            try:
                connection, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._on_failure("no-resources")
                loop.remove_reader(self._socket)
                loop.call_later(_EXHAUSTED_PAUSE, self._resume)
                return
            connection.setblocking(False)
            protocol = self._server()
            task = loop.create_task(self._connect(protocol, connection, (peer[0], peer[1])))
            self._handshakes[task] = protocol
            task.add_done_callback(self._handshakes.pop)

    def _resume(self) -> None:
        if self._socket.fileno() >= 0:
            self.start()

    async def _connect(self, protocol: web.RequestHandler, connection: socket.socket, peer: tuple[str, int]) -> None:
        """Do the handshake of an accepted connection and hand it over to aiohttp."""
        loop = asyncio.get_running_loop()
        if not self._make_room():
            connection.close()
            return
        try:  # uvloop returns its own protocol instead of `protocol`
            if self._context is None:
                await loop.connect_accepted_socket(lambda: protocol, connection)
            else:
                await loop.connect_accepted_socket(
                    lambda: protocol, connection, ssl=self._context(), ssl_handshake_timeout=HANDSHAKE_TIMEOUT
                )
        except OSError as error:  # includes SSLError and TimeoutError
            if peer not in self._probes:
                self._on_failure(_reason(error))
            return
        if protocol.transport is not None and not protocol.transport.is_closing():
            self._idle.add_new(protocol, protocol.transport)

    def _make_room(self) -> bool:
        """Return whether another connection is allowed, closing an idle one if necessary."""
        if self.connections <= self._max_connections:  # includes this one
            return True
        self._on_failure(TOO_MANY)
        if (transport := self._idle.evict()) is None:
            return False
        transport.abort()
        return True


def _listening_socket(address: Address) -> socket.socket:
    try:
        every_interface = not address.host.strip(":")
        dual_stack = every_interface and socket.has_dualstack_ipv6()
        # Where the kernel has no IPv6, every interface is every IPv4 one.
        any_host = "::" if dual_stack else "0.0.0.0"  # noqa: S104 - what an empty host asks for
        host = any_host if every_interface else address.host
        found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, name = found[0]
        listening = socket.create_server(
            (str(name[0]), address.port), family=family, backlog=_BACKLOG, dualstack_ipv6=dual_stack
        )
    except (OSError, UnicodeError) as error:
        # Not `strerror`, because `create_server` adds the address to it.
        number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
        reason = os.strerror(number) if number else "the host name cannot be resolved"
        raise ConfigurationError(f"cannot listen on {address}: {reason}") from None
    listening.setblocking(False)
    return listening


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return _REASONS.get(error.reason or "", "other")
    # asyncio aborts a handshake that takes too long; other errors mean that the peer closed the connection.
    return "timeout" if isinstance(error, ConnectionAbortedError | TimeoutError) else "disconnected"
