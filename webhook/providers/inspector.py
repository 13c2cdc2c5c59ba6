"""Inspections of credentials, cached, deduplicated and limited in time.

A Secret is checked in two calls (mutating, validating), which storage conflicts and replays repeat, and a GitOps tool
writes a hundred Secrets with one token at once. All of these together need one inspection.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from webhook.caches import ExpiringCache
from webhook.providers.base import Api, Provider, ProviderUnavailable
from webhook.providers.evidence import Recorder, counted, secret_of, source
from webhook.providers.findings import Answer, Credential, Finding, GitHubAppCredential, Outcome, Question, same_for_all
from webhook.providers.hosts import Host, Kind
from webhook.providers.requirements import Requirement

MAX_NEGATIVE_TTL = 10.0
"""Seconds for which a rejection is cached at most, because a user who fixes a token retries at once."""
SLOW = 1.0
"""Seconds after which an inspection without a conclusive answer counts as slow."""
SLOW_TTL = 3.0
"""Seconds for which the result of a slow inspection is remembered: /validate follows /mutate at once."""
_TYPICAL_ANSWER_BYTES = 4096
"""Bytes of the cache for each of its entries. An answer usually needs half of that."""
_GRACE = 0.25
"""Seconds for a provider to report the timeout itself, with a better message."""
_REPORT_BUG = "Report this to the maintainers of git-token-webhook."
_PACKAGE = Path(__file__).parents[1]


class ApiClient(Protocol):
    """Returns the API of a host; implemented by `transport.client.ProviderClient`."""

    def api(
        self, host: Host, provider: Provider, credential_digest: bytes, deadline: float, needed_by: float | None = None
    ) -> Api:
        """See `transport.client.ProviderClient.api`."""
        ...

    def note_account(self, host: Host, credential_digest: bytes, account: str) -> None:
        """See `transport.client.ProviderClient.note_account`."""
        ...


@dataclass(frozen=True, slots=True)
class Bug:
    """An exception that no provider should raise, without its content, which may be a credential.

    Attributes:
        exception: its class.
        where: the innermost file, line and function of this program.
    """

    exception: str
    where: str


@dataclass(frozen=True, slots=True)
class InspectionResult:
    """The result of `Inspector.inspect`.

    Attributes:
        checked_at: when the requests were sent (UTC).
        cached: the answer is from the cache.
        coalesced: the answer is from an inspection that another caller had started.
        seconds: how long this caller waited.
    """

    answer: Answer
    checked_at: datetime
    cached: bool = False
    coalesced: bool = False
    seconds: float = 0.0


class SupportsInspect(Protocol):
    """Answers questions; implemented by `Inspector`."""

    async def inspect(self, question: Question, *, deadline: float) -> InspectionResult:
        """See `Inspector.inspect`."""
        ...


@dataclass(frozen=True, slots=True)
class _CacheEntry:
    answer: Answer
    checked_at: datetime


class Inspector:
    """Inspects credentials at providers, with a cache of answers and one task for each question.

    Answers are only in memory, under digests with a key of this process. They contain no token, and no hash that
    could be compared with tokens.
    """

    def __init__(
        self,
        providers: Mapping[Kind, Provider],
        client: ApiClient,
        *,
        cache_ttl: float = 60.0,
        cache_entries: int = 4096,
        decision_timeout: float = 8.0,
        digest_key: bytes | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        on_error: Callable[[Bug], None] = lambda bug: None,
        lasting: bool = False,
        lifetime: Callable[[Answer], float] | None = None,
        evidence: bool = False,
        bodies: bool = True,
    ) -> None:
        """
        Args:
            providers: by kind of host.
            client: returns the API for each inspection.
            cache_ttl: seconds for which a sufficient answer is cached; 0 for no cache. A rejection is cached for a
                sixth of that, `MAX_NEGATIVE_TTL` at most; an inconclusive one only after a slow inspection, for
                `SLOW_TTL`.
            cache_entries: the number of cached answers; the least recently used ones are evicted first.
            decision_timeout: the time limit of one inspection in seconds.
            digest_key: the key of the digests; by default a new one.
            clock: the time of day, for timestamps and for the expiry of tokens.
            monotonic: the clock of the cache, in seconds.
            on_error: called with exceptions that providers should not raise.
            lasting: cache every answer while there is space, including denials and errors, until
                `forget_unverified`, for a report that asks every question once.
            lifetime: returns the seconds for which an answer is cached, instead of these rules.
            evidence: keep the evidence of each answer, see `Answer.evidence`.
            bodies: keep all of the responses' bodies that may be shown; without it, only the fields that counted.
        """
        self._providers = providers
        self._client = client
        self._ttl = cache_ttl
        self._decision_timeout = decision_timeout
        self._clock = clock
        self._monotonic = monotonic
        self._on_error = on_error
        self._own_lifetime = lifetime if not lasting else lambda answer: math.inf
        self._evidence = evidence
        self._bodies = bodies
        self._secret = digest_key or secrets.token_bytes(32)
        self._cache: ExpiringCache[_CacheEntry] = ExpiringCache(
            entries=cache_entries, size=cache_entries * _TYPICAL_ANSWER_BYTES, size_of=_size_of, clock=monotonic
        )
        self._in_flight: dict[bytes, asyncio.Task[_CacheEntry]] = {}
        self._closed = False

    async def inspect(self, question: Question, *, deadline: float) -> InspectionResult:
        """Return the provider's answer, or an unverified one with the reason.

        Args:
            deadline: when the answer is needed, by the running loop's `time()`. It ends this wait and not the
                inspection, which other callers may wait for.
        """
        key = self._key(question)
        if (entry := self._cache.get(key)) is not None:
            return InspectionResult(entry.answer, entry.checked_at, cached=True)
        provider = self._providers.get(question.host.kind)
        if provider is None:
            reason = f"is a {question.host.kind} host, which this version cannot check"
            answer = same_for_all(question, Finding(Outcome.UNSUPPORTED, reason=reason))
            return InspectionResult(answer, self._clock())

        started = self._monotonic()
        task = self._in_flight.get(key)
        coalesced = task is not None
        if task is None:
            if self._closed:
                return self._not_asked(question, "was not asked, because this process is shutting down")
            if deadline <= asyncio.get_running_loop().time():
                return self._not_asked(question, "was not asked, because no time was left")
            task = self._start(key, question, provider, deadline)
        # Neither this caller's end nor its cancellation reaches the task, as it would if it were awaited itself.
        await asyncio.wait({task}, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        seconds = self._monotonic() - started
        if not task.done():
            answer = _unverified(question, "did not answer in time", transient=True)
            return InspectionResult(answer, self._clock(), coalesced=coalesced, seconds=seconds)
        if task.cancelled():
            answer = _unverified(
                question, "was not asked completely, because this process is shutting down", transient=True
            )
            return InspectionResult(answer, self._clock(), coalesced=coalesced, seconds=seconds)
        entry = task.result()
        return InspectionResult(entry.answer, entry.checked_at, coalesced=coalesced, seconds=seconds)

    def digest(self, question: Question) -> bytes:
        """Return a keyed digest of a question's credential at its host, which identifies the credential."""
        return self._credential_digest(question)

    def forget_unverified(self) -> None:
        """Remove unverified answers from the cache."""
        self._cache.forget(lambda entry: is_inconclusive(entry.answer))

    async def aclose(self) -> None:
        """Cancel all inspections, and start no more."""
        self._closed = True
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _not_asked(self, question: Question, reason: str) -> InspectionResult:
        return InspectionResult(_unverified(question, reason, transient=True), self._clock())

    # The cache.

    def _lifetime(self, answer: Answer, seconds: float) -> float:
        """Return how long to remember an answer, in seconds; never beyond the expiry of the token.

        Args:
            seconds: how long the inspection took.
        """
        if self._own_lifetime is not None:
            return self._own_lifetime(answer)
        if is_inconclusive(answer):
            return min(self._ttl, SLOW_TTL) if seconds >= SLOW else 0.0
        outcomes = {finding.outcome for finding in answer.findings.values()}
        lifetime = self._ttl
        if not outcomes <= {Outcome.SUFFICIENT, Outcome.UNSUPPORTED}:
            lifetime = min(self._ttl / 6, MAX_NEGATIVE_TTL)
        if answer.facts.expires_at is not None:
            lifetime = min(lifetime, (answer.facts.expires_at - self._clock()).total_seconds())
        return lifetime

    # The task.

    def _start(self, key: bytes, question: Question, provider: Provider, needed_by: float) -> asyncio.Task[_CacheEntry]:
        task = asyncio.create_task(self._inspect(key, question, provider, needed_by), name="inspection")
        self._in_flight[key] = task
        task.add_done_callback(lambda _: self._in_flight.pop(key, None))
        return task

    async def _inspect(self, key: bytes, question: Question, provider: Provider, needed_by: float) -> _CacheEntry:
        checked_at, started = self._clock(), self._monotonic()
        answer = await self._call_and_record(question, provider, needed_by)
        entry = _CacheEntry(answer, checked_at)
        self._cache.put(key, entry, self._lifetime(answer, self._monotonic() - started))
        return entry

    async def _call_and_record(self, question: Question, provider: Provider, needed_by: float) -> Answer:
        deadline = asyncio.get_running_loop().time() + self._decision_timeout
        digest = self._credential_digest(question)
        api = self._client.api(question.host, provider, digest, deadline, min(needed_by, deadline))
        recorder = Recorder(api, secret_of(question), keep=self._evidence)
        answer = await self._call_provider(question, provider, recorder, deadline)
        answer = replace(answer, requests=recorder.requests, evidence=recorder.exchanges)
        return answer if self._bodies else counted(answer)

    async def _call_provider(self, question: Question, provider: Provider, api: Api, deadline: float) -> Answer:
        timeout = asyncio.timeout_at(deadline + _GRACE)
        try:
            async with timeout:
                answer = await provider.inspect(question, api)
            if not question.requirements.keys() <= answer.findings.keys():
                raise LookupError
            if answer.facts.account:
                self._client.note_account(question.host, self._credential_digest(question), answer.facts.account)
        except ProviderUnavailable as error:
            return failed(question, error)
        except Exception as error:
            if isinstance(error, TimeoutError) and timeout.expired():
                return _unverified(question, f"did not answer within {self._decision_timeout:g} s", transient=True)
            self._on_error(Bug(type(error).__name__, _location_of(error)))
            reason = f"could not be asked, because of an error in this program ({type(error).__name__})"
            return _unverified(question, reason, remedy=_REPORT_BUG)
        return answer

    # The keys.

    def _key(self, question: Question) -> bytes:
        host = question.host
        requirements = [
            (role.value, _requirement_text(question.requirements[role])) for role in sorted(question.requirements)
        ]
        needs = [(need.access.value, need.certain, need.path) for need in question.repositories]
        provider = self._providers.get(host.kind)
        credential = _sent(question.credential, uses_username=provider is None or provider.profile.uses_username)
        path = (question.path, question.open_ended)
        return self._digest((host.name, host.api_url, host.kind, credential, path, requirements, needs))

    def _credential_digest(self, question: Question) -> bytes:
        return self._digest(("credential", question.host.name, _fields(question.credential)))

    def _digest(self, parts: tuple[object, ...]) -> bytes:
        # What Python writes of texts, truths and lists of them is in ASCII as far as it must be, and never the same of
        # two that differ.
        return hashlib.blake2b(repr(parts).encode(), key=self._secret, digest_size=32).digest()


def _size_of(entry: _CacheEntry) -> int:
    # An object of Python for each text, which is written with a name of its field or two.
    return 2 * len(repr(entry.answer))


def _fields(credential: Credential) -> tuple[str | None, ...]:
    if isinstance(credential, GitHubAppCredential):
        return ("app", credential.app_id, credential.private_key.get_secret_value(), credential.installation_id)
    return ("token", credential.token.get_secret_value(), credential.username)


def _sent(credential: Credential, *, uses_username: bool) -> tuple[str | None, ...]:
    """Return what the verdict on a credential can depend on.

    The same token may work as Bearer and fail as Basic, which is how Argo CD sends it.
    """
    fields = _fields(credential)
    if isinstance(credential, GitHubAppCredential):
        return fields
    auth = credential.git_auth
    if not uses_username:
        return (*fields[:2], *(() if auth is None else (auth.scheme.value,)))
    return (*fields, *(() if auth is None else (auth.scheme.value, auth.username)))


@lru_cache(maxsize=256)
def _requirement_text(requirement: Requirement) -> str:
    return repr(requirement)


def is_inconclusive(answer: Answer) -> bool:
    """Return whether another inspection may find more."""
    return not answer.complete or any(f.outcome is Outcome.UNVERIFIED for f in answer.findings.values())


def failed(question: Question, error: ProviderUnavailable) -> Answer:
    """Return the answer of an inspection that ended with this error."""
    finding = Finding(Outcome.UNVERIFIED, reason=str(error), transient=error.transient, remedy=error.remedy)
    return same_for_all(question, finding, sources=source(error))


def _unverified(question: Question, reason: str, *, transient: bool = False, remedy: str = "") -> Answer:
    return same_for_all(question, Finding(Outcome.UNVERIFIED, reason=reason, transient=transient, remedy=remedy))


def _location_of(error: BaseException) -> str:
    """Return the innermost location of this program in a traceback, which contains no secret."""
    ours = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(_PACKAGE)
    ]
    if not ours:
        return "unknown"
    frame = ours[-1]
    return f"webhook/{Path(frame.filename).relative_to(_PACKAGE).as_posix()}:{frame.lineno} in {frame.name}"
