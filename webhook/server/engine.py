"""Reviews Secrets with the current settings. A reload replaces the engine as a whole."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from webhook.decision import Decision, Stage
from webhook.keyring.files import load_keyring
from webhook.keyring.ring import ephemeral_keyring
from webhook.logs import Logger
from webhook.metrics import OTHER, CacheResult, Metrics
from webhook.providers import PROVIDERS
from webhook.providers.inspector import Bug, Inspector
from webhook.providers.token_shapes import name_holds_token
from webhook.providers.transport.client import ProviderClient
from webhook.providers.transport.limits import HostThrottle, Limits, current_tenant
from webhook.review.applications import ApiServer
from webhook.review.policy import Judged
from webhook.review.reviewer import Reviewer
from webhook.settings.model import Settings
from webhook.subject import Subject


class KeyRingHolder:
    """Holds the current key ring; reloads it when its files or the configuration change."""

    def __init__(self, settings: Settings) -> None:
        """
        Raises:
            ConfigurationError: the configured folder has no key ring that can be used.
        """
        self.ring = ephemeral_keyring()
        self.read(settings)

    def read(self, settings: Settings) -> None:
        """Load the key ring that `settings` name.

        Raises:
            ConfigurationError: it cannot be used; the previous one stays in use.
        """
        folder, activation = settings.encryption.keys_dir, settings.encryption.key_activation
        if folder is not None:
            previous = self.ring if self.ring.lasting else None
            self.ring = load_keyring(folder, datetime.now(UTC), previous, activation=activation)
        elif self.ring.lasting:
            self.ring = ephemeral_keyring()


@dataclass(frozen=True, slots=True)
class EngineState:
    """State that outlives an engine when the configuration is reloaded.

    Attributes:
        throttle: the rate limits that hosts reported, which a reload must not reset.
        digest_key: key for the digests that identify credentials in `throttle`.
    """

    metrics: Metrics
    log: Logger
    cluster: ApiServer | None = None
    keys: KeyRingHolder = field(default_factory=lambda: KeyRingHolder(Settings()))
    throttle: HostThrottle = field(default_factory=HostThrottle)
    digest_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)


class Engine:
    """Reviews Secrets with the current settings; replaced as a whole when they change."""

    def __init__(self, settings: Settings, state: EngineState) -> None:
        metrics, limits = state.metrics, settings.limits
        self.settings = settings
        self.client = ProviderClient(
            Limits(limits.provider_timeout.total_seconds(), limits.concurrency),
            on_request=lambda kind, result, seconds: metrics.asked_provider(kind, result, seconds),
            throttle=state.throttle,
        )
        self.inspector = Inspector(
            PROVIDERS,
            self.client,
            cache_ttl=limits.cache_ttl.total_seconds(),
            cache_entries=limits.cache_entries,
            decision_timeout=limits.decision_timeout.total_seconds(),
            digest_key=state.digest_key,
            on_error=lambda bug: _report_bug(state.log, bug),
        )
        self._reviewer = Reviewer(settings, self.inspector, state.cluster, ring=lambda: state.keys.ring)
        self.metrics = metrics

    async def review(self, subject: Subject, stage: Stage, deadline: float, record: dict[str, object]) -> Decision:
        """Review a write and count the result."""
        current_tenant.set(subject.secret.namespace)  # context of this review's task
        reviewed = await self._reviewer.review(subject, stage, deadline)
        record |= reviewed.describe()
        for verdict in reviewed.verdicts.values():
            judged = verdict.judged
            if judged.checked_at is not None:
                self.metrics.cache(_source(judged))
        if stage is Stage.VALIDATE:
            self._count_skips(subject, {skip.source for skip in reviewed.exemptions.skips.values()})
        return reviewed.decision

    def _count_skips(self, subject: Subject, sources: set[str]) -> None:
        for source in sources:
            self.metrics.skipped(source)
        if "secret" in sources and not subject.dry_run:
            name = subject.requester.username
            self.metrics.skipped_by_annotation(OTHER if name_holds_token(name) else name)

    def late(self, subject: Subject, stage: Stage) -> Decision:
        """Return the decision for a review that ran out of time."""
        return self._reviewer.late(subject, stage)

    async def start(self) -> None:
        """Open the client of the providers."""
        await self.client.__aenter__()

    async def aclose(self) -> None:
        """End all inspections, and close all connections."""
        await self.inspector.aclose()
        await self.client.__aexit__(None, None, None)


def _source(judged: Judged) -> CacheResult:
    """Return where the result of a check came from."""
    if judged.attested:
        return "attested"
    return "hit" if judged.cached else "coalesced" if judged.coalesced else "miss"


def _report_bug(log: Logger, bug: Bug) -> None:
    log.error("a provider failed", exception=bug.exception, where=bug.where)


class Engines:
    """Holds the engine in use, and retires the previous one once its reviews have ended."""

    def __init__(self, settings: Settings, state: EngineState) -> None:
        self._state = state
        self._retired: set[asyncio.Task[None]] = set()
        self.current = Engine(settings, state)

    def replace(self, settings: Settings) -> None:
        """Use new settings from the next review on. Reviews in progress end with the previous ones."""
        old, self.current = self.current, Engine(settings, self._state)
        patience = old.settings.limits.decision_timeout.total_seconds() + 1
        task = asyncio.ensure_future(_retire(old, self.current, patience))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def aclose(self) -> None:
        """End all engines."""
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        await self.current.aclose()


async def _retire(old: Engine, new: Engine, patience: float) -> None:
    await new.start()
    try:
        await asyncio.sleep(patience)
    finally:
        await old.aclose()
