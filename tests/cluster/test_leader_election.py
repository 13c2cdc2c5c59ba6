"""Who holds a Lease: one of several, and soon another one when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.certs.objects import HERE, Memory
from webhook.cluster.leader_election import Lease
from webhook.cluster.objects import LEASE, ApiObjects, Json, Resource
from webhook.cluster.requests import ApiError

DURATION = 1.0
"""Seconds; others read a whole number of them."""


class Worker:
    """Somebody who works while he holds the Lease."""

    def __init__(self, objects: ApiObjects, name: str, working: set[str]) -> None:
        self.name = name
        self.working = working
        self.most = 0
        self.changes: list[bool] = []
        self.troubles: list[str | None] = []
        self.lease = Lease(
            objects,
            HERE.namespace,
            HERE.lease,
            name,
            duration=DURATION,
            on_change=self.changes.append,
            on_error=lambda error: self.troubles.append(str(error) if error else None),
        )

    async def work(self) -> None:
        """Until cancelled."""
        self.working.add(self.name)
        self.most = max(self.most, len(self.working))
        try:
            await asyncio.Event().wait()
        finally:
            self.working.discard(self.name)


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[asyncio.Task[None]]:
    """As a process that ends in order."""
    task = asyncio.ensure_future(worker.lease.run(worker.work))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Waits for it."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - of an object that knows nothing of us
            await asyncio.sleep(0.01)


class Line(ApiObjects):
    """One client's way to what all share, which can be cut."""

    def __init__(self, objects: Memory) -> None:
        self._objects = objects
        self.cut = False

    async def read(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        """As the API server, if it can be reached."""
        self._check()
        return await self._objects.read(resource, namespace, name)

    async def create(self, resource: Resource, namespace: str | None, document: Json) -> Json:
        """Likewise."""
        self._check()
        return await self._objects.create(resource, namespace, document)

    async def replace(self, resource: Resource, document: Json) -> Json:
        """Likewise."""
        self._check()
        return await self._objects.replace(resource, document)

    def _check(self) -> None:
        if self.cut:
            raise ApiError("the API server cannot be reached")


async def test_one_of_several_works() -> None:
    """The others wait, and know who it is."""
    objects, working = Memory(), set[str]()
    first, second = Worker(objects, "first", working), Worker(objects, "second", working)
    async with running(first):
        await until(lambda: first.lease.held)
        async with running(second):
            await until(lambda: second.lease.holder == "first")
            await asyncio.sleep(DURATION * 2)
            assert working == {"first"}
            assert not second.lease.held
    assert first.changes == [True, False]


async def test_who_ends_lets_go() -> None:
    """Somebody else works at once, without the duration that a dead one's Lease takes to run out."""
    objects, working = Memory(), set[str]()
    first, second = Worker(objects, "first", working), Worker(objects, "second", working)
    async with running(second):
        await until(lambda: second.lease.held)
        second_lease = objects.get("leases", HERE.lease)["spec"]
        assert (second_lease["holderIdentity"], second_lease["leaseTransitions"]) == ("second", 0)
    assert objects.get("leases", HERE.lease)["spec"]["holderIdentity"] == ""
    async with running(first):
        await until(lambda: first.lease.held, DURATION / 2)
        assert objects.get("leases", HERE.lease)["spec"]["leaseTransitions"] == 1


async def test_a_dead_ones_lease_runs_out() -> None:
    """By our own clock, from when we first saw it: the times in it may be of any clock."""
    objects, working = Memory(), set[str]()
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 1, "renewTime": "2099-01-01T00:00:00.000000Z"}
    await objects.create(
        LEASE,
        HERE.namespace,
        {"metadata": {"name": HERE.lease, "namespace": HERE.namespace}, "spec": spec},
    )
    worker = Worker(objects, "alive", working)
    async with running(worker):
        await asyncio.sleep(DURATION * 0.7)
        assert not worker.lease.held
        await until(lambda: worker.lease.held, DURATION * 2)


async def test_who_is_cut_off_stops_before_others_begin() -> None:
    """At no time do two work, although the first can't tell that somebody took over."""
    objects, working = Memory(), set[str]()
    line = Line(objects)
    first, second = Worker(line, "first", working), Worker(objects, "second", working)
    async with running(first):
        await until(lambda: working == {"first"})
        async with running(second):
            await asyncio.sleep(DURATION / 2)
            line.cut = True
            await until(lambda: not working, DURATION)
            assert first.changes == [True, False]
            assert first.troubles
            await until(lambda: working == {"second"}, DURATION * 2)
            line.cut = False
            await until(lambda: first.lease.holder == "second", DURATION)
            assert (first.most, second.most) == (1, 1)


async def test_who_was_replaced_stops() -> None:
    """When the Lease says another name, somebody has taken it, whatever the clocks say."""
    objects, working = Memory(), set[str]()
    worker = Worker(objects, "first", working)
    async with running(worker):
        await until(lambda: worker.lease.held)
        lease = objects.get("leases", HERE.lease)
        lease["spec"]["holderIdentity"] = "second"
        lease["metadata"]["resourceVersion"] = "999"
        await until(lambda: not working, DURATION)
        assert worker.lease.holder == "second"


async def test_work_that_is_done_ends_it() -> None:
    """And the Lease is free."""
    objects = Memory()
    lease = Lease(objects, HERE.namespace, HERE.lease, "first", duration=DURATION)
    done: list[bool] = []

    async def work() -> None:
        done.append(True)

    await asyncio.wait_for(lease.run(work), 5)
    assert done == [True]
    assert objects.get("leases", HERE.lease)["spec"]["holderIdentity"] == ""


async def test_work_that_fails_ends_it_with_its_error() -> None:
    """A mistake is not hidden, and the Lease is free."""
    objects = Memory()
    lease = Lease(objects, HERE.namespace, HERE.lease, "first", duration=DURATION)

    async def work() -> None:
        raise LookupError("a mistake")

    try:
        await asyncio.wait_for(lease.run(work), 5)
    except LookupError:
        pass
    else:
        raise AssertionError("the mistake was hidden")
    assert objects.get("leases", HERE.lease)["spec"]["holderIdentity"] == ""


async def test_without_an_api_server_it_waits() -> None:
    """It says so each time, and goes on when it is back."""
    line, working = Line(Memory()), set[str]()
    line.cut = True
    worker = Worker(line, "first", working)
    async with running(worker):
        await until(lambda: len(worker.troubles) > 1)
        line.cut = False
        await until(lambda: worker.lease.held)
        assert worker.troubles[-2:] == ["the API server cannot be reached", None]
