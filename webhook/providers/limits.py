"""How much we ask of providers: how long, how many at once, and for how long not at all."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

LONGEST_PAUSE = 3600.0
"""Seconds. GitHub's primary limit starts anew each hour; a longer wait is an error of whoever asks for it."""
_MOST_PAUSES = 10_000
MOST_REFUSED = 60
"""Different credentials of one tenant that a host may refuse in `REFUSED_WITHIN`: with a few requests each, of GitHub's
900 requests a minute (docs.github.com: rate limits for the REST API) a part that leaves room for everybody else's."""
REFUSED_WITHIN = 60.0
"""Seconds; whoever puts better tokens in place of many wrong ones waits no longer than that."""
_MOST_ACCEPTED = 10_000
_MOST_TENANTS = 10_000

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

    def longest(self) -> float:
        """Seconds until everybody may be asked about everything again; 0 for now."""
        return max(0.0, max(self._ends.values(), default=0.0) - self._clock())

    def _forget(self) -> None:
        now = self._clock()
        kept = sorted((item for item in self._ends.items() if item[1] > now), key=lambda item: item[1])
        self._ends = dict(kept[-(_MOST_PAUSES // 2) :])


class SignIns:
    """Which credentials hosts have accepted, and how many of each tenant's they have refused lately.

    A host that sees many failed sign-ins from our address turns away everybody, for an hour and longer (PROVIDERS.md:
    GitHub's "Max number of login attempt exceeded", GitLab's Rack::Attack). So a tenant of whose credentials
    `MOST_REFUSED` were refused within `REFUSED_WITHIN` waits, with those that were never accepted. Credentials that
    once were go on, and so does every other tenant. Memory is bounded: what was used least lately is forgotten first.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._accepted: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._refused: OrderedDict[tuple[str, str], OrderedDict[bytes, float]] = OrderedDict()

    def note(self, host: str, tenant: str, credential: bytes, status: int) -> None:
        """A host answered with this status. All but 2xx and 401 say nothing about the credential itself."""
        if 200 <= status <= 299:
            self._accept(host, tenant, credential)
        elif status == 401:
            self._accepted.pop((host, credential), None)
            # One credential counts once, however many of an inspection's requests it failed.
            refused = self._refused.setdefault((host, tenant), OrderedDict())
            refused[credential] = self._clock()
            refused.move_to_end(credential)
            if len(refused) > MOST_REFUSED:
                refused.popitem(last=False)
            self._refused.move_to_end((host, tenant))
            if len(self._refused) > _MOST_TENANTS:
                self._refused.popitem(last=False)

    def _accept(self, host: str, tenant: str, credential: bytes) -> None:
        self._accepted[host, credential] = None
        self._accepted.move_to_end((host, credential))
        if len(self._accepted) > _MOST_ACCEPTED:
            self._accepted.popitem(last=False)
        # Some can sign in in one of two ways, and the first one failed (Bitbucket: Basic, then Bearer).
        if refused := self._refused.get((host, tenant)):
            refused.pop(credential, None)

    def remaining(self, host: str, tenant: str, credential: bytes) -> float:
        """Seconds until this tenant's credential may be sent to `host`; 0 for now."""
        refused = self._refused.get((host, tenant))
        if refused is None or len(refused) < MOST_REFUSED or (host, credential) in self._accepted:
            return 0.0
        return max(0.0, next(iter(refused.values())) + REFUSED_WITHIN - self._clock())

    def longest(self) -> float:
        """Seconds until every tenant's credentials may be sent everywhere; 0 for now."""
        first = [next(iter(refused.values())) for refused in self._refused.values() if len(refused) >= MOST_REFUSED]
        return max(0.0, max(first, default=0.0) + REFUSED_WITHIN - self._clock()) if first else 0.0


class Courtesy:
    """What hosts have told this process about asking less, for as long as it lives and whatever is configured anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.pauses = Pauses(clock)
        self.sign_ins = SignIns(clock)
