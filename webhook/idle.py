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
        self._forget_at = _FORGET_FROM

    def __len__(self) -> int:
        return len(self._silent) + len(self._asked)

    def add_new(self, protocol: object, transport: asyncio.WriteTransport) -> None:
        """A connection has come, and nothing was asked on it yet."""
        self._forget_ended()
        self._silent[protocol] = transport

    def add(self, protocol: object, transport: asyncio.WriteTransport) -> None:
        """A connection on which something was asked before is idle from now on."""
        self._forget_ended()
        self._asked[protocol] = transport

    def remove(self, protocol: object) -> None:
        """It isn't idle."""
        self._silent.pop(protocol, None)
        self._asked.pop(protocol, None)

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
