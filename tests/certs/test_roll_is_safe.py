"""Whoever keeps the certificates may die after any step, or be two: what is served is trusted all the same."""

from __future__ import annotations

import asyncio
import base64
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.certs.objects import HERE, Clock, Memory
from webhook.certs.lifetimes import Lifetimes
from webhook.certs.names import CONFIGURATIONS
from webhook.certs.plan import BeginRoll, Rest, Step, next_step
from webhook.certs.report import Report
from webhook.certs.state import State, certificates, issued_by
from webhook.certs.steps import Certificates
from webhook.cluster.requests import Conflict

LIVES = Lifetimes(timedelta(days=12), timedelta(days=3), timedelta(minutes=5))
REPLICAS, API_SERVERS, KEEPERS = 3, 2, 2


class Cluster:
    """Servers that get the Secret whenever kubelet brings it, API servers that learn of a caBundle a little later, and
    keepers who look, think, and write when it may be too late."""

    def __init__(self) -> None:
        self.objects = Memory()
        self.clock = Clock()
        self.seen: dict[int, tuple[State, Step]] = {}
        self.served: dict[int, x509.Certificate] = {}
        self.trusted: dict[int, list[list[x509.Certificate]]] = {}
        self.learned: dict[int, datetime] = {}

    async def start(self) -> None:
        """Everything is right to begin with, and everybody knows it."""
        await self.objects.register()
        await self.keeper().settle(lambda _: None)
        for replica in range(REPLICAS):
            self.mount(replica)
        for server in range(API_SERVERS):
            self.learn(server)

    def keeper(self) -> Certificates:
        """A process that has just been started."""
        return Certificates(self.objects, HERE, LIVES, clock=self.clock)

    async def look(self, keeper: int) -> None:
        """See what is to be done."""
        state = await self.keeper().look()
        self.seen[keeper] = (state, next_step(state, LIVES, self.clock.now))

    async def write(self, keeper: int) -> None:
        """Do it, however long ago it was seen; and die."""
        if keeper not in self.seen:
            return
        state, step = self.seen.pop(keeper)
        if not isinstance(step, Rest):
            try:
                await self.keeper().take(state, step)
            except Conflict:
                return

    async def roll(self) -> None:
        """Somebody wants another CA."""
        state = await self.keeper().look()
        if state.ca is not None and state.ca.following is None:
            await self.keeper().take(state, BeginRoll("requested"))

    def mount(self, replica: int) -> None:
        """kubelet brings the Secret."""
        data = self.objects.get("secrets", HERE.tls_secret)["data"]
        self.served[replica] = x509.load_pem_x509_certificate(base64.b64decode(data["tls.crt"]))

    def learn(self, server: int) -> None:
        """An API server sees the configurations as they are now."""
        self.trusted[server] = [
            certificates(base64.b64decode(webhook["clientConfig"]["caBundle"]))
            for resource in CONFIGURATIONS
            for webhook in self.objects.get(resource.plural, HERE.name)["webhooks"]
            if webhook["clientConfig"]["service"]["name"] == HERE.name
        ]
        self.learned[server] = self.clock.now

    def go(self, by: timedelta) -> None:
        """Later. No API server is behind for longer than a CA is given to settle, and nobody serves what has ended."""
        self.clock.go(by)
        for server, learned in self.learned.items():
            if self.clock.now - learned >= LIVES.settle:
                self.learn(server)
        for replica, leaf in self.served.items():
            if leaf.not_valid_after_utc < self.clock.now:
                self.mount(replica)

    def check(self) -> None:
        """Every API server trusts whatever is served and has not ended."""
        for leaf in self.served.values():
            if leaf.not_valid_after_utc < self.clock.now:
                continue  # nobody has renewed it: that is another matter
            for bundles in self.trusted.values():
                for bundle in bundles:
                    assert any(issued_by(leaf, ca) and ca.not_valid_after_utc >= self.clock.now for ca in bundle)


keepers = st.integers(0, KEEPERS - 1)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("look"), keepers),
        st.tuples(st.just("write"), keepers),
        *[st.tuples(st.just("work"), st.sampled_from([1, 3, 8]))] * 3,  # so that whole rolls come about
        *[st.tuples(st.just("go"), st.sampled_from([299, 301]))] * 2,
        st.tuples(st.just("mount"), st.integers(0, REPLICAS - 1)),
        st.tuples(st.just("learn"), st.integers(0, API_SERVERS - 1)),
        st.tuples(st.just("go"), st.sampled_from([1, 60, 299, 301, 3600, 43200, 172800])),
        st.tuples(st.just("roll"), st.just(0)),
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(actions)
def test_what_is_served_is_trusted(steps: list[tuple[str, int]]) -> None:
    """Through renewals and rolls, whoever sees, writes, mounts and learns when; and in the end all comes to rest."""

    async def run() -> None:
        cluster = Cluster()
        await cluster.start()
        await cluster.roll()
        for what, value in steps:
            match what:
                case "look":
                    await cluster.look(value)
                case "write":
                    await cluster.write(value)
                case "work":  # most of the time nobody is in between
                    for _ in range(value):
                        await cluster.look(0)
                        await cluster.write(0)
                        cluster.check()
                case "mount":
                    cluster.mount(value)
                case "learn":
                    cluster.learn(value)
                case "roll":
                    await cluster.roll()
                case _:
                    cluster.go(timedelta(seconds=value))
            cluster.check()
        await cluster.keeper().settle(lambda _: None)
        assert Report(await cluster.keeper().look(), cluster.clock.now).problems() == []

    asyncio.run(run())


@pytest.mark.parametrize("steps", range(16))
async def test_dead_after_any_step_of_a_whole_roll(steps: int) -> None:
    """The next keeper goes on from there, and the roll ends as if nothing had happened."""
    cluster = Cluster()
    await cluster.start()
    old = cluster.trusted[0][0][0]
    await cluster.roll()

    async def step() -> None:
        await cluster.look(0)
        if isinstance(waits := cluster.seen[0][1], Rest):
            cluster.go(waits.until - cluster.clock.now + timedelta(seconds=1))
        await cluster.write(0)
        cluster.check()

    for _ in range(steps):
        await step()
    cluster.seen.clear()
    while old in (await cluster.keeper().look()).authorities:
        await step()
    assert Report(await cluster.keeper().look(), cluster.clock.now).problems() == []
