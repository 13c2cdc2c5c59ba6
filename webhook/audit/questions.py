"""The checks of one run at providers, deduplicated, counted, and limited per host."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hmac import digest

from webhook.providers import PROVIDERS
from webhook.providers.findings import (
    Answer,
    Credential,
    Facts,
    Finding,
    GitHubAppCredential,
    Outcome,
    Question,
    TokenCredential,
    same_for_all,
)
from webhook.providers.inspector import InspectionResult, Inspector
from webhook.providers.transport.client import ProviderClient
from webhook.providers.transport.limits import HostThrottle, Limits
from webhook.review.attestation import requirement_digest
from webhook.settings.model import Settings

AT_ONCE = 8
"""Concurrent checks per host. A report is not urgent, and other clients use the host as well."""
MOST_ANSWERS = 1 << 20
"""Answers in the cache of one run, about a kilobyte each."""

MOST_SILENT = 16
"""Consecutive unanswered questions after which a host is not asked again. Each takes seconds, so thousands would take
hours without a result."""


@dataclass(frozen=True, slots=True)
class Told:
    """A provider's answer, for a later run.

    Attributes:
        token: the number of the token.
        question: a digest of the question without the token.
    """

    token: int
    question: str
    answer: Answer
    checked_at: datetime


class Questions:
    """Asks providers for one run. Implements `inspector.Asker`."""

    def __init__(
        self,
        inspector: Inspector,
        throttle: HostThrottle,
        *,
        patience: float,
        at_once: int = AT_ONCE,
        on_answer: Callable[[Told], None] = lambda told: None,
        most_silent: float = math.inf,
    ) -> None:
        """
        Args:
            patience: seconds for one question, without the time in the queue.
            on_answer: called with each new answer of a provider.
            most_silent: consecutive unanswered questions after which a host is not asked until
                `forget_unverified`.
        """
        self._inspector = inspector
        self._throttle = throttle
        self._patience = patience
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(at_once))
        self._on_answer = on_answer
        self._most_silent = most_silent
        self._silent = Counter[str]()
        self._key = secrets.token_bytes(32)
        self._numbers: dict[bytes, int] = {}
        self._earlier: dict[tuple[int, str], Told] = {}
        self._last = 0
        self.asked = 0
        """The number of questions to providers in this run."""

    async def inspect(self, question: Question, *, deadline: float) -> InspectionResult:
        """See `Inspector.inspect`. Time in the queue does not count."""
        credential = question.credential
        # Secrets with different user names can hold the same token.
        provider = PROVIDERS.get(question.host.kind)
        any_username = provider is not None and not provider.profile.uses_username
        if any_username and isinstance(credential, TokenCredential):
            auth = credential.git_auth and replace(credential.git_auth, username="")
            question = replace(question, credential=replace(credential, username=None, git_auth=auth))
        number, asked = self.number(credential), _question_digest(question)
        if (told := self._earlier.get((number, asked))) is not None:
            return InspectionResult(told.answer, told.checked_at, cached=True)
        async with self._turns[question.host.name]:
            paused, host = self._is_paused(question), question.host.api_url
            if self._silent[host] >= self._most_silent:
                reason = f"was not asked, because it did not answer the last {self._silent[host]} questions"
                silence = same_for_all(question, Finding(Outcome.UNVERIFIED, reason=reason, transient=True))
                return InspectionResult(silence, datetime.now(UTC))
            end = asyncio.get_running_loop().time() + self._patience
            found = await self._inspector.inspect(question, deadline=min(end, deadline))
        if not (found.cached or found.coalesced or paused):
            self.asked += 1
            self._silent[host] = self._silent[host] + 1 if _is_silence(found.answer) else 0
            self._on_answer(Told(number, asked, found.answer, found.checked_at))
        return found

    def number(self, credential: Credential) -> int:
        """Return the number of the token among the run's distinct tokens, from 1."""
        key = self._digest(credential)
        if key not in self._numbers:
            self._last += 1
            self._numbers[key] = self._last
        return self._numbers[key]

    @property
    def tokens(self) -> int:
        """The number of distinct tokens."""
        return len(self._numbers)

    def recall(self, credential: Credential, number: int, told: list[Told]) -> None:
        """Restore the number and the answers of a token from an earlier run."""
        self._numbers[self._digest(credential)] = number
        self._earlier |= {(number, one.question): one for one in told}

    def begin_after(self, number: int) -> None:
        """Number new tokens from `number` + 1, after those of an earlier run."""
        self._last = max(self._last, number)

    def pause(self) -> float:
        """Return the seconds until no host is rate limited any more; 0 if none is."""
        return max(self._throttle.pauses.longest(), self._throttle.failed_logins.longest())

    def forget_unverified(self) -> None:
        """Forget unverified answers, so that the next questions go to the provider."""
        self._silent.clear()
        self._inspector.forget_unverified()

    def _is_paused(self, question: Question) -> bool:
        host, credential = question.host.api_url, self._inspector.digest(question)
        throttle = self._throttle
        return bool(
            throttle.pauses.remaining(host, credential) or throttle.failed_logins.remaining(host, "", credential)
        )

    def _digest(self, credential: Credential) -> bytes:
        app = isinstance(credential, GitHubAppCredential)
        secret = credential.private_key if isinstance(credential, GitHubAppCredential) else credential.token
        return digest(self._key, f"{app}{secret.get_secret_value()}".encode(errors="surrogatepass"), "sha256")


def _is_silence(answer: Answer) -> bool:
    """Whether the answer says nothing, not even about the token."""
    return answer.facts == Facts() and all(found.outcome is Outcome.UNVERIFIED for found in answer.findings.values())


def _question_digest(question: Question) -> str:
    """Return a digest of a question without the credential."""
    needs = [[list(need.path), need.access, need.certain] for need in question.repositories]
    roles = sorted(requirement_digest(question, role) for role in question.requirements)
    parts: list[object] = [question.host.name, list(question.path), question.open_ended, roles, needs]
    if isinstance(question.credential, TokenCredential) and (auth := question.credential.git_auth) is not None:
        parts += [auth.scheme, auth.username]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@asynccontextmanager
async def asking(
    settings: Settings,
    *,
    at_once: int = AT_ONCE,
    on_answer: Callable[[Told], None] = lambda told: None,
    on_problem: Callable[[str], None] = lambda sentence: None,
    on_request: Callable[[str, str, float], None] = lambda kind, result, seconds: None,
    lifetime: Callable[[Answer], float] | None = None,
    evidence: bool = False,
    bodies: bool = False,
) -> AsyncIterator[Questions]:
    """Open connections to providers for the questions of a run.

    Args:
        at_once: concurrent questions per host.
        on_problem: called with a sentence when this program has a bug.
        on_request: called for each request to a provider, with the kind of host, the result and the seconds.
        lifetime: the seconds for which an answer is cached; without it, for the whole run.
        evidence: see `Inspector`.
        bodies: see `Inspector`.
    """
    limits, throttle = settings.limits, HostThrottle()
    # Each question may be several requests.
    client = ProviderClient(
        Limits(limits.provider_timeout.total_seconds(), limits.concurrency), on_request=on_request, throttle=throttle
    )
    patience = limits.decision_timeout.total_seconds()
    async with client:
        inspector = Inspector(
            PROVIDERS,
            client,
            cache_entries=MOST_ANSWERS,
            decision_timeout=patience,
            lasting=lifetime is None,
            lifetime=lifetime,
            evidence=evidence,
            bodies=bodies,
            on_error=lambda bug: on_problem(f"A provider's code failed: {bug.exception} at {bug.where}."),
        )
        try:
            yield Questions(
                inspector,
                throttle,
                patience=patience,
                at_once=at_once,
                on_answer=on_answer,
                most_silent=MOST_SILENT if lifetime is None else math.inf,  # a continuous audit retries later
            )
        finally:
            await inspector.aclose()
