"""Connections on which nobody waits for an answer: those that can be closed when others need their room."""

from __future__ import annotations

import asyncio

_FORGET_FROM = 64  # entries, below which nobody looks for those whose connection is gone


class IdleConnections:
    """Knows who can best be missed: first who has never asked anything, then who has asked nothing for longest.

    Nobody tells when a connection ends, so that those that have ended are looked for now and then.
    """

    def __init__(self) -> None:
        # By protocol, longest idle first.
        self._silent: dict[object, asyncio.WriteTransport] = {}
        self._asked: dict[object, asyncio.WriteTransport] = {}
        self._busy: set[object] = set()
        self._forget_at = _FORGET_FROM

    def __len__(self) -> int:
        return len(self._silent) + len(self._asked)

    def add_new(self, protocol: object, transport: asyncio.WriteTransport) -> None:
        """A connection has come. Its first request may have been quicker than this news."""
        if protocol not in self._asked and protocol not in self._busy:
            self._forget_ended()
            self._silent[protocol] = transport

    def add(self, protocol: object, transport: asyncio.WriteTransport) -> None:
        """Something was asked on this connection, or has begun to be, and nobody waits for an answer."""
        self.remove(protocol)
        self._forget_ended()
        self._asked[protocol] = transport

    def remove(self, protocol: object) -> None:
        """The connection has ended."""
        self._busy.discard(protocol)
        self._silent.pop(protocol, None)
        self._asked.pop(protocol, None)

    def make_busy(self, protocol: object) -> None:
        """Somebody waits for an answer, until `add` or `remove`."""
        self.remove(protocol)
        self._busy.add(protocol)

    def take(self) -> asyncio.WriteTransport | None:
        """The one that can best be missed, which counts as closed from now on."""
        for connections in (self._silent, self._asked):
            while connections:
                transport = connections.pop(next(iter(connections)))
                if not transport.is_closing():
                    return transport
        return None

    def _forget_ended(self) -> None:
        if len(self) < self._forget_at:
            return
        for connections in (self._silent, self._asked):
            ended = [protocol for protocol, transport in connections.items() if transport.is_closing()]
            for protocol in ended:
                del connections[protocol]
        self._forget_at = max(_FORGET_FROM, 2 * len(self))
