"""Who sends the next request to a host: everybody in turn, however many requests one of them has waiting."""

from __future__ import annotations

import asyncio


class Turns:
    """A limited number of turns at one host.

    Where more are wanted than there are, those who want them take them one after the other: a tenant with a thousand
    requests waiting makes each of the others wait for one of them, and not for a thousand.
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        # By tenant; the tenant whose turn is next comes first, and so does its longest waiting request.
        self._waiting: dict[str, dict[asyncio.Future[None], None]] = {}

    async def take(self, tenant: str, deadline: float) -> bool:
        """Wait for a turn, which is to be given back; False where `deadline` (of the loop's clock) came first."""
        if self._free:  # so nobody is waiting
            self._free -= 1
            return True
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, {})[turn] = None
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except BaseException as end:
            if turn.done() and not turn.cancelled():  # both at the same moment
                self.give_back()
            else:
                self._leave(tenant, turn)
            if isinstance(end, TimeoutError):
                return False
            raise
        return True

    def _leave(self, tenant: str, turn: asyncio.Future[None]) -> None:
        """Forget a request whose time is over: nobody may come for a long time who gives a turn back."""
        queue = self._waiting.get(tenant, {})
        queue.pop(turn, None)
        if not queue:
            self._waiting.pop(tenant, None)

    def give_back(self) -> None:
        """End a turn, which is the next one's from now on."""
        while self._waiting:
            tenant = next(iter(self._waiting))
            queue = self._waiting.pop(tenant)
            while queue:
                turn = next(iter(queue))
                del queue[turn]
                if not turn.done():  # unlike those whose time is over
                    if queue:
                        self._waiting[tenant] = queue  # behind all others
                    turn.set_result(None)
                    return
        self._free += 1
