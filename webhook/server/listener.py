"""One listening socket, from start to end: accept, shake hands, hand over to aiohttp.

A connection gets the TLS context that is in use at the moment it is accepted. That is why there is no `aiohttp` site
here, which keeps the context that it was made with: a change of certificate or client CA would have to close one
listener and open another, and lose what comes in between.
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
_ACCEPTED_AT_ONCE = 64  # so that a flood of connections leaves the loop time for requests
# No descriptors or memory left: what is waiting stays in the queue, and asking again at once would only burn CPU.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_EXHAUSTED_PAUSE = 1.0

# What OpenSSL calls the failures of a handshake that mean something to an operator.
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
    """Accepts connections for an aiohttp server, over TLS where it is given contexts."""

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
            context: what the next connection is served with.
            max_connections: beyond it, whoever has asked nothing for longest makes room for the next.
            on_failure: told in one word why a connection didn't come about.

        Raises:
            ConfigurationError: the address can't be listened on.
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
        """How many there are, those that are still shaking hands included."""
        # A handshake is over a moment before its task is.
        shaking = sum(protocol.transport is None for protocol in self._handshakes.values())
        return len(self._server.connections) + shaking

    @property
    def shaking_hands(self) -> bool:
        """Whether there are connections on which a request may follow at once."""
        return bool(self._handshakes)

    def start(self) -> None:
        """Accept connections from now on."""
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def stop(self) -> None:
        """Accept no more; what is in the queue already is still taken."""
        if self._socket.fileno() < 0:
            return
        with contextlib.suppress(OSError):
            self._accept()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def abort(self) -> None:
        """End what is still shaking hands."""
        for task in self._handshakes:
            task.cancel()

    def has_stirred(self, protocol: object, transport: asyncio.WriteTransport | None) -> None:
        """A request has begun to come on this connection, or was answered: it is the last one that is idle."""
        if transport is None or transport.is_closing():
            self._idle.remove(protocol)
        else:
            self._idle.add(protocol, transport)

    def was_asked(self, protocol: object) -> None:
        """A whole request has come on this connection, which can't be missed until it is answered."""
        self._idle.make_busy(protocol)

    def expect_probe(self, name: tuple[str, int]) -> None:
        """Don't report failures of the connection from this address: it is our own, to see whether we answer."""
        self._probes.append(name)

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_ACCEPTED_AT_ONCE):
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
        """Shake hands on an accepted connection; from then on it is aiohttp's."""
        loop = asyncio.get_running_loop()
        if not self._make_room():
            connection.close()
            return
        try:  # what uvloop returns is not `protocol` but one of its own
            if self._context is None:
                await loop.connect_accepted_socket(lambda: protocol, connection)
            else:
                await loop.connect_accepted_socket(
                    lambda: protocol, connection, ssl=self._context(), ssl_handshake_timeout=HANDSHAKE_TIMEOUT
                )
        except OSError as error:  # of which SSLError and TimeoutError are
            if peer not in self._probes:
                self._on_failure(_reason(error))
            return
        if protocol.transport is not None and not protocol.transport.is_closing():
            self._idle.add_new(protocol, protocol.transport)

    def _make_room(self) -> bool:
        """Whether there is room for one more connection, if need be by closing an idle one."""
        if self.connections <= self._max_connections:  # of which this one is one already
            return True
        self._on_failure(TOO_MANY)
        if (transport := self._idle.take()) is None:
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
        # Not `strerror`: `create_server` puts the address into it once more.
        number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
        reason = os.strerror(number) if number else "there is no such host"
        raise ConfigurationError(f"can't listen on {address}: {reason}") from None
    listening.setblocking(False)
    return listening


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return _REASONS.get(error.reason or "", "other")
    # asyncio aborts a handshake that takes too long; everything else is a peer that went away.
    return "timeout" if isinstance(error, ConnectionAbortedError | TimeoutError) else "disconnected"
