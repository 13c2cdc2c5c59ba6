"""Timeouts, concurrency limits and pauses for requests to providers."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

MAX_PAUSE = 3600.0
"""Seconds. GitHub's primary limit resets each hour; a longer wait is an error of the provider."""
MAX_HOST_PAUSE = 300.0
"""Seconds for which a whole host is paused at most, until a request shows whether the limit still holds."""
MAX_PAUSES = 10_000
MAX_REJECTED = 60
"""Different credentials of one tenant that a host may reject within `REJECTED_WITHIN`. With a few requests each, they
use only a part of GitHub's 900 requests a minute (docs.github.com: rate limits for the REST API)."""
REJECTED_WITHIN = 60.0
"""Seconds. A tenant that replaces many invalid tokens waits at most this long."""
MAX_REJECTIONS = 20_000
MAX_ACCEPTED = 10_000
ACCEPTED_FOR = 3600.0
"""Seconds for which a credential counts as accepted."""

current_tenant: ContextVar[str] = ContextVar("current_tenant", default="")
"""The tenant on whose behalf requests are sent. The caller of an inspection sets it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process for one host.

    Attributes:
        provider_timeout: seconds for one request, including its retry.
        concurrency: simultaneous requests to one host; further ones wait.
        response_bytes: maximum size of a decompressed response. The largest that providers request (a page of
            repositories) has about 600 KiB.
    """

    provider_timeout: float = 4.0
    concurrency: int = 64
    response_bytes: int = 1 << 20


class _Digests:
    """Keyed digests for the keys of a mapping: of fixed length, and useless outside this process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, *parts: str | bytes | None) -> bytes:
        encoded = repr(parts).encode()
        return hashlib.blake2b(encoded, key=self._key, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class _Report:
    """A rate limit that may apply to the whole host, and the credential that received it.

    Attributes:
        account: a digest; None where it is unknown.
        until: when the limit ends.
    """

    tenant: str
    credential: bytes
    account: bytes | None
    until: float

    def is_independent(self, other: _Report) -> bool:
        """Whether the two reports come from different accounts, as far as is known.

        Credentials of one tenant may belong to one person, and two credentials may belong to one account. Without
        tenants (an audit) only the operator sends requests, so another credential is enough.
        """
        if self.credential == other.credential or (self.tenant and self.tenant == other.tenant):
            return False
        return self.account is None or self.account != other.account


class Pauses:
    """The credentials that hosts have rate-limited, and until when.

    A limit pauses the credential that received it. A limit for the webhook's address pauses the host once a second
    account has received it as well, so that no user can block a host for others with one token. Memory is bounded:
    expired pauses are dropped, and when there are too many, those that end first.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._digests = _Digests()
        self._ends: dict[bytes, float] = {}
        self._reports: OrderedDict[bytes, _Report] = OrderedDict()
        self._accounts: OrderedDict[bytes, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._ends) + len(self._reports) + len(self._accounts)

    def begin(
        self, host: str, credential: bytes, seconds: float, *, tenant: str = "", whole_host: bool = False
    ) -> float:
        """Pause requests to `host` with this credential, for at most `MAX_PAUSE`.

        Args:
            tenant: on whose behalf the credential was used.
            whole_host: the host says that the limit applies to the webhook's address.

        Returns:
            The duration of the pause in seconds.
        """
        # NaN is no valid duration, and min and max would keep it.
        seconds = MAX_PAUSE if math.isnan(seconds) else min(max(seconds, 1.0), MAX_PAUSE)
        now = self._clock()
        self._pause(self._digests.of(host, credential), now + seconds)
        if whole_host:
            self._record_host_limit(host, tenant, credential, now + seconds)
        return seconds

    def note_account(self, host: str, credential: bytes, account: str) -> None:
        """Remember the account of a credential."""
        key = self._digests.of(host, credential)
        self._accounts[key] = self._digests.of(host, account.lower())
        self._accounts.move_to_end(key)
        if len(self._accounts) > MAX_ACCEPTED:
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

    def _record_host_limit(self, host: str, tenant: str, credential: bytes, until: float) -> None:
        key, now = self._digests.of(host), self._clock()
        report = _Report(tenant, credential, self._accounts.get(self._digests.of(host, credential)), until)
        first = self._reports.pop(key, None)
        if first is None or first.until <= now:
            self._reports[key] = report
            if len(self._reports) > MAX_PAUSES:
                self._reports.popitem(last=False)
        elif first.is_independent(report):
            self._pause(key, min(first.until, until, now + MAX_HOST_PAUSE))
        else:
            self._reports[key] = first

    def _pause(self, key: bytes, end: float) -> None:
        now = self._clock()
        # In the order in which they began, so this inspects only one entry more than it drops.
        while self._ends and next(iter(self._ends.values())) <= now:
            del self._ends[next(iter(self._ends))]
        self._ends[key] = max(self._ends.get(key, 0.0), end)
        if len(self._ends) > MAX_PAUSES:
            kept = sorted((item for item in self._ends.items() if item[1] > now), key=lambda item: item[1])
            self._ends = dict(kept[-(MAX_PAUSES // 2) :])


class FailedLogins:
    """The credentials that hosts have accepted, and how many of each tenant they have rejected recently.

    A host that sees many failed logins from the webhook's address blocks the address, for an hour and longer
    (PROVIDERS.md: GitHub's "Max number of login attempt exceeded", GitLab's Rack::Attack). So when `MAX_REJECTED`
    credentials of a tenant are rejected within `REJECTED_WITHIN`, its credentials that were never accepted have to
    wait. Accepted credentials and other tenants are not affected. Records expire, and their number is bounded.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._digests = _Digests()
        self._accepted: OrderedDict[bytes, float] = OrderedDict()  # when; the oldest first
        # By tenant and credential, oldest first.
        self._rejected: OrderedDict[tuple[bytes, bytes], float] = OrderedDict()
        self._by_tenant: dict[bytes, OrderedDict[bytes, float]] = {}

    def __len__(self) -> int:
        return len(self._accepted) + len(self._rejected)

    def note(self, host: str, tenant: str, credential: bytes, status: int) -> None:
        """Record the status of a response. All but 2xx and 401 say nothing about the credential itself."""
        if not (200 <= status <= 299 or status == 401):
            return
        tenant_key, credential_key = self._digests.of(host, tenant), self._digests.of(host, credential)
        # Some credentials work with one of two schemes (Bitbucket: Basic, then Bearer), so the first request fails.
        # A credential counts once, however many requests of an inspection fail.
        self._forget(tenant_key, credential_key)
        self._accepted.pop(credential_key, None)
        if status == 401:
            self._reject(tenant_key, credential_key)
        else:
            self._accept(credential_key)

    def remaining(self, host: str, tenant: str, credential: bytes) -> float:
        """Seconds until this tenant's credential may be sent to `host`; 0 for now."""
        rejected = self._by_tenant.get(self._digests.of(host, tenant))
        if rejected is None or len(rejected) < MAX_REJECTED:
            return 0.0
        now = self._clock()
        if self._accepted.get(self._digests.of(host, credential), -math.inf) + ACCEPTED_FOR > now:
            return 0.0
        return max(0.0, next(iter(rejected.values())) + REJECTED_WITHIN - now)

    def longest(self) -> float:
        """Seconds until every tenant's credentials may be sent everywhere; 0 for now."""
        full = [next(iter(rejected.values())) for rejected in self._by_tenant.values() if len(rejected) >= MAX_REJECTED]
        return max(0.0, max(full) + REJECTED_WITHIN - self._clock()) if full else 0.0

    def _accept(self, credential_key: bytes) -> None:
        now = self._clock()
        self._accepted[credential_key] = now
        while len(self._accepted) > MAX_ACCEPTED or next(iter(self._accepted.values())) + ACCEPTED_FOR <= now:
            self._accepted.popitem(last=False)

    def _reject(self, tenant_key: bytes, credential_key: bytes) -> None:
        now = self._clock()
        self._rejected[tenant_key, credential_key] = now
        rejected = self._by_tenant.setdefault(tenant_key, OrderedDict())
        rejected[credential_key] = now
        if len(rejected) > MAX_REJECTED:
            self._forget(tenant_key, next(iter(rejected)))
        while len(self._rejected) > MAX_REJECTIONS or next(iter(self._rejected.values())) + REJECTED_WITHIN <= now:
            self._forget(*next(iter(self._rejected)))

    def _forget(self, tenant_key: bytes, credential_key: bytes) -> None:
        if self._rejected.pop((tenant_key, credential_key), None) is not None:
            rejected = self._by_tenant[tenant_key]
            del rejected[credential_key]
            if not rejected:
                del self._by_tenant[tenant_key]


class HostThrottle:
    """The rate limits and failed logins that this process has seen; it survives reloads of the configuration."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.pauses = Pauses(clock)
        self.failed_logins = FailedLogins(clock)
