"""How much we ask of providers: how long, how many at once, and for how long not at all."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

LONGEST_PAUSE = 3600.0
"""Seconds. GitHub's primary limit starts anew each hour; a longer wait is an error of the provider."""
LONGEST_HOST_PAUSE = 300.0
"""Seconds for which a whole host is paused at most, until a request shows whether the limit still holds."""
MOST_PAUSES = 10_000
MOST_REFUSED = 60
"""Different credentials of one tenant that a host may refuse in `REFUSED_WITHIN`: with a few requests each, of GitHub's
900 requests a minute (docs.github.com: rate limits for the REST API) a part that leaves room for everybody else's."""
REFUSED_WITHIN = 60.0
"""Seconds; a tenant that replaces many wrong tokens waits no longer than that."""
MOST_REFUSALS = 20_000
MOST_ACCEPTED = 10_000
ACCEPTED_FOR = 3600.0
"""Seconds for which a credential counts as accepted."""

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


class _Digests:
    """Digests of what keys a mapping: of one length whatever the input, and no use to anyone who reads them."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, *parts: str | bytes | None) -> bytes:
        encoded = repr(parts).encode()
        return hashlib.blake2b(encoded, key=self._key, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class _Witness:
    """Who heard a limit that may be about the whole host.

    Attributes:
        account: a digest; None where it isn't known.
        until: when the limit ends.
    """

    tenant: str
    credential: bytes
    account: bytes | None
    until: float

    def is_independent(self, other: _Witness) -> bool:
        """Whether the two can't be one account's limit, as far as is known.

        Credentials of one tenant may be one person's, and two credentials may be one account's. Without tenants (an
        audit) the operator alone asks, so another credential is enough.
        """
        if self.credential == other.credential or (self.tenant and self.tenant == other.tenant):
            return False
        return self.account is None or self.account != other.account


class Pauses:
    """Which credentials hosts have told to wait, and until when.

    A limit pauses the credential that heard it. A limit that is about our address pauses the host once a second
    account has heard it as well, so that nobody can stop a host for others with a token of theirs. Memory is bounded:
    expired pauses are dropped, and of too many those that end first.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._digests = _Digests()
        self._ends: dict[bytes, float] = {}
        self._witnesses: OrderedDict[bytes, _Witness] = OrderedDict()
        self._accounts: OrderedDict[bytes, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ends) + len(self._witnesses) + len(self._accounts)

    def begin(
        self, host: str, credential: bytes, seconds: float, *, tenant: str = "", whole_host: bool = False
    ) -> float:
        """Send nothing to `host` with this credential for so long, `LONGEST_PAUSE` at most.

        Args:
            tenant: on whose behalf the credential was used.
            whole_host: the host says that the limit is about our address.

        Returns:
            How many seconds it will be.
        """
        # NaN is no wait that anybody could mean; min and max would let it through.
        seconds = LONGEST_PAUSE if math.isnan(seconds) else min(max(seconds, 1.0), LONGEST_PAUSE)
        now = self._clock()
        self._pause(self._digests.of(host, credential), now + seconds)
        if whole_host:
            self._hear(host, tenant, credential, now + seconds)
        return seconds

    def note_account(self, host: str, credential: bytes, account: str) -> None:
        """Remember whose a credential is."""
        key = self._digests.of(host, credential)
        self._accounts[key] = self._digests.of(host, account.lower())
        self._accounts.move_to_end(key)
        if len(self._accounts) > MOST_ACCEPTED:
            self._accounts.popitem(last=False)

    def remaining(self, host: str, credential: bytes) -> float:
        """Seconds until this credential may be sent to `host` again; 0 for now."""
        if not self._ends:
            return 0.0
        now = self._clock()
        ends = (self._ends.get(key, now) for key in (self._digests.of(host), self._digests.of(host, credential)))
        return max(0.0, *(end - now for end in ends))

    def longest(self) -> float:
        """Seconds until every credential may be sent everywhere; 0 for now."""
        return max(0.0, max(self._ends.values(), default=0.0) - self._clock())

    def _hear(self, host: str, tenant: str, credential: bytes, until: float) -> None:
        key, now = self._digests.of(host), self._clock()
        heard = _Witness(tenant, credential, self._accounts.get(self._digests.of(host, credential)), until)
        first = self._witnesses.pop(key, None)
        if first is None or first.until <= now:
            self._witnesses[key] = heard
            if len(self._witnesses) > MOST_PAUSES:
                self._witnesses.popitem(last=False)
        elif first.is_independent(heard):
            self._pause(key, min(first.until, until, now + LONGEST_HOST_PAUSE))
        else:
            self._witnesses[key] = first

    def _pause(self, key: bytes, end: float) -> None:
        now = self._clock()
        # In the order in which they began, so that this looks at one more than it drops.
        while self._ends and next(iter(self._ends.values())) <= now:
            del self._ends[next(iter(self._ends))]
        self._ends[key] = max(self._ends.get(key, 0.0), end)
        if len(self._ends) > MOST_PAUSES:
            kept = sorted((item for item in self._ends.items() if item[1] > now), key=lambda item: item[1])
            self._ends = dict(kept[-(MOST_PAUSES // 2) :])


class FailedLogins:
    """Which credentials hosts have accepted, and how many of each tenant's they have refused lately.

    A host that sees many failed sign-ins from our address blocks everybody, for an hour and longer (PROVIDERS.md:
    GitHub's "Max number of login attempt exceeded", GitLab's Rack::Attack). So a tenant of whose credentials
    `MOST_REFUSED` were refused within `REFUSED_WITHIN` waits, with those that were never accepted. Credentials that
    once were accepted go on, and so does every other tenant. Records expire, and their number is bounded.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._digests = _Digests()
        self._accepted: OrderedDict[bytes, float] = OrderedDict()  # when; the oldest first
        self._refused: OrderedDict[tuple[bytes, bytes], float] = OrderedDict()  # by tenant and credential, oldest first
        self._by_tenant: dict[bytes, OrderedDict[bytes, float]] = {}

    def __len__(self) -> int:
        return len(self._accepted) + len(self._refused)

    def note(self, host: str, tenant: str, credential: bytes, status: int) -> None:
        """A host answered with this status. All but 2xx and 401 say nothing about the credential itself."""
        if not (200 <= status <= 299 or status == 401):
            return
        whose, which = self._digests.of(host, tenant), self._digests.of(host, credential)
        # Some credentials can sign in in one of two ways, and the first one failed (Bitbucket: Basic, then Bearer). One
        # credential counts once, however many of an inspection's requests it failed.
        self._forget(whose, which)
        self._accepted.pop(which, None)
        if status == 401:
            self._refuse(whose, which)
        else:
            self._accept(which)

    def remaining(self, host: str, tenant: str, credential: bytes) -> float:
        """Seconds until this tenant's credential may be sent to `host`; 0 for now."""
        refused = self._by_tenant.get(self._digests.of(host, tenant))
        if refused is None or len(refused) < MOST_REFUSED:
            return 0.0
        now = self._clock()
        if self._accepted.get(self._digests.of(host, credential), -math.inf) + ACCEPTED_FOR > now:
            return 0.0
        return max(0.0, next(iter(refused.values())) + REFUSED_WITHIN - now)

    def longest(self) -> float:
        """Seconds until every tenant's credentials may be sent everywhere; 0 for now."""
        full = [next(iter(refused.values())) for refused in self._by_tenant.values() if len(refused) >= MOST_REFUSED]
        return max(0.0, max(full) + REFUSED_WITHIN - self._clock()) if full else 0.0

    def _accept(self, which: bytes) -> None:
        now = self._clock()
        self._accepted[which] = now
        while len(self._accepted) > MOST_ACCEPTED or next(iter(self._accepted.values())) + ACCEPTED_FOR <= now:
            self._accepted.popitem(last=False)

    def _refuse(self, whose: bytes, which: bytes) -> None:
        now = self._clock()
        self._refused[whose, which] = now
        refused = self._by_tenant.setdefault(whose, OrderedDict())
        refused[which] = now
        if len(refused) > MOST_REFUSED:
            self._forget(whose, next(iter(refused)))
        while len(self._refused) > MOST_REFUSALS or next(iter(self._refused.values())) + REFUSED_WITHIN <= now:
            self._forget(*next(iter(self._refused)))

    def _forget(self, whose: bytes, which: bytes) -> None:
        if self._refused.pop((whose, which), None) is not None:
            refused = self._by_tenant[whose]
            del refused[which]
            if not refused:
                del self._by_tenant[whose]


class HostThrottle:
    """What hosts have told this process about asking less, for as long as it lives and across reloads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.pauses = Pauses(clock)
        self.failed_logins = FailedLogins(clock)
