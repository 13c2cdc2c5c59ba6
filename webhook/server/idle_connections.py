"""The idle connections of a listener, which can be closed when the connection limit is reached."""

from __future__ import annotations

import asyncio

_DROP_FROM = 64  # entries; closed connections are removed above this number


class IdleConnections:
    """Chooses the connection to evict: first one that never sent a request, then the one idle for longest.

    There is no callback for a closed connection, so closed ones are removed from time to time.
    """

    def __init__(self) -> None:
        # By protocol, longest idle first. The first mapping has connections without any request yet.
        self._unused: dict[object, asyncio.WriteTransport] = {}
        self._used: dict[object, asyncio.WriteTransport] = {}
        self._busy: set[object] = set()
        self._drop_at = _DROP_FROM

    def __len__(self) -> int:
        return len(self._unused) + len(self._used)

    def add_new(self, protocol: object, transport: asyncio.WriteTransport) -> None:
        """Add a new connection, unless its first request was faster than this call."""
        if protocol not in self._used and protocol not in self._busy:
            self._drop_closed()
            self._unused[protocol] = transport

    def mark_idle(self, protocol: object, transport: asyncio.WriteTransport) -> None:
        """A request has started or was answered on this connection, and none is being processed."""
        self.remove(protocol)
        self._drop_closed()
        self._used[protocol] = transport

    def remove(self, protocol: object) -> None:
        """Remove a closed connection."""
        self._busy.discard(protocol)
        self._unused.pop(protocol, None)
        self._used.pop(protocol, None)

    def mark_busy(self, protocol: object) -> None:
        """A request is being processed on this connection, until `mark_idle` or `remove`."""
        self.remove(protocol)
        self._busy.add(protocol)

    def evict(self) -> asyncio.WriteTransport | None:
        """Remove and return the connection to close; None if none is idle."""
        for connections in (self._unused, self._used):
            while connections:
                transport = connections.pop(next(iter(connections)))
                if not transport.is_closing():
                    return transport
        return None

    def _drop_closed(self) -> None:
        if len(self) < self._drop_at:
            return
        for connections in (self._unused, self._used):
            closed = [protocol for protocol, transport in connections.items() if transport.is_closing()]
            for protocol in closed:
                del connections[protocol]
        self._drop_at = max(_DROP_FROM, 2 * len(self))
