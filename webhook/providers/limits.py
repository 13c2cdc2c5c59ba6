"""How much we ask of providers: how long, how many at once, and for how long not at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

LONGEST_PAUSE = 3600.0
"""Seconds. GitHub's primary limit starts anew each hour; a longer wait is an error of whoever asks for it."""
_MOST_PAUSES = 10_000

current_tenant: ContextVar[str] = ContextVar("current_tenant", default="")
"""On whose behalf requests are sent: whoever begins an inspection sets it. Tenants share what a host allows us."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may ask of one host.

    Attributes:
        provider_timeout: seconds that one request may take, a retry included.
        concurrency: requests under way at one host at the same time; the others wait.
        response_bytes: how large a response may be, decompressed. The largest that we ask for (a page of
            repositories) has about 600 KiB.
    """

    provider_timeout: float = 4.0
    concurrency: int = 64
    response_bytes: int = 1 << 20


class Pauses:
    """Who asked us to wait, and until when.

    A pause is about one credential at one host, or about everybody at that host. Memory is bounded: of too many
    pauses, those that end first are forgotten first, and the provider will say it again.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ends: dict[tuple[str, bytes | None], float] = {}

    def begin(self, host: str, credential: bytes | None, seconds: float) -> float:
        """Ask nothing of `host` with this credential (None: with any) for so long, `LONGEST_PAUSE` at most.

        Returns:
            How many seconds it will be.
        """
        # NaN is no wait that anybody could mean; min and max would let it through.
        seconds = LONGEST_PAUSE if math.isnan(seconds) else min(max(seconds, 1.0), LONGEST_PAUSE)
        key = (host, credential)
        self._ends[key] = max(self._ends.get(key, 0.0), self._clock() + seconds)
        if len(self._ends) > _MOST_PAUSES:
            self._forget()
        return seconds

    def remaining(self, host: str, credential: bytes) -> float:
        """Seconds until this credential may be asked about again at `host`; 0 for now."""
        if not self._ends:
            return 0.0
        now = self._clock()
        longest = 0.0
        for key in ((host, None), (host, credential)):
            if (end := self._ends.get(key)) is None:
                continue
            if end <= now:
                del self._ends[key]
            longest = max(longest, end - now)
        return longest

    def _forget(self) -> None:
        now = self._clock()
        kept = sorted((item for item in self._ends.items() if item[1] > now), key=lambda item: item[1])
        self._ends = dict(kept[-(_MOST_PAUSES // 2) :])
