"""Which connection makes room for others."""

from __future__ import annotations

import asyncio

import pytest

from webhook.server.idle_connections import IdleConnections


class Transport(asyncio.Transport):
    """One that is open until somebody closes it."""

    def __init__(self) -> None:
        super().__init__()
        self._closing = False

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True


@pytest.fixture
def idle() -> IdleConnections:
    return IdleConnections()


def test_the_silent_ones_go_first_and_of_each_kind_who_was_idle_for_longest(idle: IdleConnections) -> None:
    """Whoever has asked may ask again; the one that did so a moment ago is the last to go."""
    transports = {name: Transport() for name in ("a", "b", "c", "d")}
    for name, transport in transports.items():
        idle.add_new(name, transport)
    idle.mark_idle("a", transports["a"])
    idle.mark_idle("b", transports["b"])
    idle.mark_busy("a")
    idle.mark_idle("a", transports["a"])
    assert [idle.evict() for _ in range(5)] == [*(transports[name] for name in ("c", "d", "b", "a")), None]


def test_who_waits_for_an_answer_stays(idle: IdleConnections) -> None:
    """Also where the first request was handled before we were told of its connection."""
    early, later = Transport(), Transport()
    idle.mark_idle("early", early)
    idle.mark_busy("early")
    idle.add_new("early", early)
    idle.add_new("later", later)
    idle.mark_busy("later")
    assert idle.evict() is None
    idle.mark_idle("early", early)
    assert idle.evict() is early


def test_who_has_asked_before_we_were_told_of_it_has_not_been_silent(idle: IdleConnections) -> None:
    """Its place is behind those that have said nothing."""
    early, silent = Transport(), Transport()
    idle.mark_idle("early", early)
    idle.add_new("early", early)
    idle.add_new("silent", silent)
    assert idle.evict() is silent
    assert len(idle) == 1


def test_those_that_have_ended_are_neither_taken_nor_kept(idle: IdleConnections) -> None:
    """Nobody tells when they end."""
    open_ = Transport()
    idle.mark_idle("open", open_)
    for number in range(1000):
        transport = Transport()
        idle.add_new(number, transport)
        transport.close()
    assert len(idle) < 100
    assert idle.evict() is open_
