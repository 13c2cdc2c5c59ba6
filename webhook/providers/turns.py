"""Who sends the next request to a host: everybody in turn, however many requests one of them has waiting."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """A limited number of turns at one host.

    Where more are wanted than there are, those who want them take them one after the other: a tenant with a thousand
    requests waiting makes each of the others wait for one of them, and not for a thousand.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}  # by tenant; whose turn is next comes first

    async def take(self, tenant: str, deadline: float) -> bool:
        """Wait for a turn, which is to be given back; False where `deadline` (of the loop's clock) came first."""
        if self._free:  # so nobody is waiting
            self._free -= 1
            return True
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except BaseException as end:
            if turn.done() and not turn.cancelled():  # both at the same moment
                self.give_back()
            if isinstance(end, TimeoutError):
                return False
            raise
        return True

    def give_back(self) -> None:
        """End a turn, which is the next one's from now on."""
        while self._waiting:
            tenant = next(iter(self._waiting))
            queue = self._waiting.pop(tenant)
            while queue:
                turn = queue.popleft()
                if not turn.done():  # unlike those whose time is over
                    if queue:
                        self._waiting[tenant] = queue  # behind all others
                    turn.set_result(None)
                    return
        self._free += 1
