"""A semaphore that serves tenants in turn, however many requests one of them has waiting."""

from __future__ import annotations

import asyncio


class FairQueue:
    """A limited number of slots for requests to one host.

    When all slots are in use, tenants get free slots in turn: a tenant with a thousand waiting requests delays each
    other tenant by one request, and not by a thousand.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        # By tenant. The next tenant comes first, and so does its request that has waited longest.
        self._waiting: dict[str, dict[asyncio.Future[None], None]] = {}

    async def acquire(self, tenant: str, deadline: float) -> bool:
        """Wait for a slot, which the caller releases. Return False if `deadline` (of the loop's clock) passes first."""
        if self._free:  # then no request is waiting
            self._free -= 1
            return True
        slot = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, {})[slot] = None
        try:
            async with asyncio.timeout_at(deadline):
                await slot
        except BaseException as end:
            if slot.done() and not slot.cancelled():  # both at the same time
                self.release()
            else:
                self._leave(tenant, slot)
            if isinstance(end, TimeoutError):
                return False
            raise
        return True

    def _leave(self, tenant: str, slot: asyncio.Future[None]) -> None:
        """Remove a request that timed out; the next release may be a long time away."""
        queue = self._waiting.get(tenant, {})
        queue.pop(slot, None)
        if not queue:
            self._waiting.pop(tenant, None)

    def release(self) -> None:
        """Free a slot, or give it to the next waiting request."""
        while self._waiting:
            tenant = next(iter(self._waiting))
            queue = self._waiting.pop(tenant)
            while queue:
                slot = next(iter(queue))
                del queue[slot]
                if not slot.done():  # skip those that timed out
                    if queue:
                        self._waiting[tenant] = queue  # behind all others
                    slot.set_result(None)
                    return
        self._free += 1
