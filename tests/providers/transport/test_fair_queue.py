"""The order in which waiting requests of tenants get slots."""

from __future__ import annotations

import asyncio

from webhook.providers.transport.fair_queue import FairQueue


def soon(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def begun(queue: FairQueue, *tenants: str) -> tuple[list[asyncio.Task[None]], list[str]]:
    """Each of these waits for a turn; who has had one is written into the list."""
    order: list[str] = []

    async def one(tenant: str) -> None:
        assert await queue.acquire(tenant, soon())
        order.append(tenant)
        await asyncio.sleep(0)
        queue.release()

    tasks = [asyncio.create_task(one(tenant)) for tenant in tenants]
    await asyncio.sleep(0)
    return tasks, order


async def test_tenants_take_turns_round_robin() -> None:
    """Each has one before any has its second; within one, who came first is first."""
    queue = FairQueue(1)
    await queue.acquire("other", soon())
    tasks, order = await begun(queue, "a", "a", "a", "a", "b", "c", "b")
    queue.release()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c", "a", "b", "a", "a"]


async def test_no_more_than_the_limit() -> None:
    """The next one waits, until one is given back."""
    queue = FairQueue(2)
    assert await queue.acquire("a", soon())
    assert await queue.acquire("a", soon())
    assert not await queue.acquire("a", soon(0.01))
    queue.release()
    assert await queue.acquire("b", soon())


async def test_who_goes_away_takes_nobodys_turn() -> None:
    """Cancelled or out of time, before or in the very moment of the turn; none is lost."""
    queue = FairQueue(1)
    await queue.acquire("a", soon())
    leaving, _ = await begun(queue, "b", "b")
    late = asyncio.create_task(queue.acquire("c", soon(0)))
    staying, order = await begun(queue, "d")
    leaving[0].cancel()
    assert not await late
    queue.release()  # it is the second b's now, and he goes away before he knows of it
    leaving[1].cancel()
    await asyncio.gather(*staying)
    assert order == ["d"]
    assert await queue.acquire("e", soon(0.01))


async def test_requests_whose_time_is_over_are_forgotten() -> None:
    """A provider that never answers gives no turn back for a long time, while more and more requests come."""
    queue = FairQueue(1)
    await queue.acquire("a", soon())
    late = [queue.acquire(f"tenant-{number % 7}", soon(0.01)) for number in range(100)]
    assert not any(await asyncio.gather(*late))
    assert not queue._waiting
