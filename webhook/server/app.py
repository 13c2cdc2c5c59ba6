"""The composition root: wires all parts into a running server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from webhook import __version__, logs
from webhook.address import Address
from webhook.admission.handler import AdmissionHandler
from webhook.certs.keeper import Keeper
from webhook.certs.lifetimes import Lifetimes
from webhook.certs.names import Installation
from webhook.certs.steps import Certificates
from webhook.cluster.leader_election import Lease
from webhook.cluster.lookups import KubernetesCluster
from webhook.cluster.objects import ApiObjects
from webhook.decision import Decision, Stage
from webhook.errors import ConfigurationError
from webhook.keyring.files import load_keyring
from webhook.keyring.ring import KeyRing, ephemeral_keyring
from webhook.logs import Logger
from webhook.metrics import OTHER, CacheResult, Metrics
from webhook.offload import favor_event_loop
from webhook.providers import PROVIDERS
from webhook.providers.inspector import Bug, Inspector
from webhook.providers.token_shapes import name_holds_token
from webhook.providers.transport.client import ProviderClient
from webhook.providers.transport.limits import HostThrottle, Limits, current_tenant
from webhook.providers.transport.trust import FileTrust, InvalidCaFile
from webhook.review.applications import ApiServer
from webhook.review.policy import Judged
from webhook.review.reviewer import Reviewer
from webhook.server.client_names import only_clients
from webhook.server.file_waiting import wait_for_files
from webhook.server.file_watcher import FileWatcher
from webhook.server.health import report_access
from webhook.server.serving import Handler, Server, ServingOptions, in_background
from webhook.server.tls import TlsFiles
from webhook.server.trust import Trust
from webhook.settings.doubts import doubts
from webhook.settings.model import Settings
from webhook.settings.source import load_settings
from webhook.subject import Subject

_TIMEOUT = 5.0
"""Seconds for one request about certificates. None of them waits for a webhook."""


_RESTART_DELAY = 10.0
"""Seconds until background work restarts after an error."""


@dataclass(frozen=True, slots=True)
class CertificateOptions:
    """Options of the certificates that this server issues and renews.

    Attributes:
        lease_duration: seconds after which another replica takes over from one that died.
    """

    installation: Installation
    lifetimes: Lifetimes
    lease_duration: float


@dataclass(frozen=True, slots=True)
class Options:
    """The command line options; durations in seconds.

    Attributes:
        client_names: allowed names in client certificates from `client_ca`; all names if empty.
        wait_for_files: how long to wait for certificate, key and key ring.
        certificates: None if this server does not manage its certificates.
    """

    tls_cert: Path
    tls_key: Path
    config: Path | None
    client_ca: Path | None
    client_names: tuple[str, ...]
    wait_for_files: float
    certificates: CertificateOptions | None
    listen: Address
    health_listen: Address
    kubeconfig: Path | None
    shutdown_delay: float
    shutdown_timeout: float
    log_format: logs.Format
    log_level: str


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: a file or address in the options cannot be used.
    """
    log = logs.build_logger(
        sys.stdout.buffer, format=options.log_format, level=options.log_level, colors=sys.stdout.isatty()
    )
    logs.install(log)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(options, log))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not available on every platform
        return None
    return uvloop.new_event_loop


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


def _source(judged: Judged) -> CacheResult:
    """Return where the result of a check came from."""
    if judged.attested:
        return "attested"
    return "hit" if judged.cached else "coalesced" if judged.coalesced else "miss"


def _report_bug(log: Logger, bug: Bug) -> None:
    log.error("a provider failed", exception=bug.exception, where=bug.where)


async def _serve(options: Options, log: Logger) -> None:
    metrics = Metrics()
    engine: Engine
    retired: set[asyncio.Task[None]] = set()

    def reload() -> None:
        nonlocal engine
        settings = load_settings(options.config)
        keys.read(settings)
        old, engine = engine, Engine(settings, state)
        _announce(settings, keys.ring, log)
        # Reviews in progress finish with the engine that they started with.
        patience = old.settings.limits.decision_timeout.total_seconds() + 1
        task = asyncio.ensure_future(_retire(old, engine, patience))
        retired.add(task)
        task.add_done_callback(retired.discard)

    # Create the watcher before the file is read, so that a change in between is noticed.
    configuration = FileWatcher(
        "configuration", lambda: [options.config] if options.config else [], reload, metrics=metrics, log=log
    )
    settings = load_settings(options.config)
    tls_files = TlsFiles(options.tls_cert, options.tls_key, options.client_ca)
    keys_dir = settings.encryption.keys_dir
    await wait_for_files([*tls_files.paths, *([keys_dir] if keys_dir else [])], options.wait_for_files, log)
    keys = KeyRingHolder(settings)
    async with contextlib.AsyncExitStack() as stack:
        cluster: KubernetesCluster | None = await KubernetesCluster.connect(options.kubeconfig)
        if cluster is not None:
            await stack.enter_async_context(cluster)
            cluster.client.access.on_change = partial(report_access, metrics, log)
        objects = ApiObjects(cluster.client, timeout=_TIMEOUT) if cluster is not None else None
        certificates = options.certificates
        trust: Trust | None = None
        if certificates is not None:
            if objects is None:
                raise ConfigurationError(
                    "--keep-certificates needs an API server: run in a pod, or name one with --kubeconfig"
                )
            trust = Trust(objects, certificates.installation, lambda: server.tls, metrics=metrics, log=log)
        state = EngineState(metrics, log, cluster, keys)
        engine = Engine(settings, state)
        await engine.client.__aenter__()
        stack.push_async_callback(lambda: _close(engine))
        # The HTTP client reloads these files itself; this watcher reports errors in them.
        authorities = FileWatcher(
            "authorities",
            lambda: [provider.ca_file for provider in engine.settings.providers if provider.ca_file is not None],
            lambda: _check_authorities(engine.settings),
            metrics=metrics,
            log=log,
        )

        def read_keys() -> None:
            keys.read(engine.settings)
            _announce_keys(keys.ring, log)

        keys_watcher = FileWatcher(
            "keys",
            lambda: [folder] if (folder := engine.settings.encryption.keys_dir) is not None else [],
            read_keys,
            metrics=metrics,
            log=log,
        )

        async def review(subject: Subject, stage: Stage, deadline: float, record: dict[str, object]) -> Decision:
            return await engine.review(subject, stage, deadline, record)

        def announce() -> None:
            log.info("starting", version=__version__)
            if cluster is None:
                what = "annotations and the platform's ConfigMap are ignored; only the configuration's skip flags work"
                log.info("no API server", detail=what)
            _announce(settings, keys.ring, log)

        handler = AdmissionHandler(
            review,
            lambda subject, stage: engine.late(subject, stage),
            decision_timeout=lambda: engine.settings.limits.decision_timeout.total_seconds(),
            metrics=metrics,
            log=log,
        )
        answer: Handler = handler.answer
        if options.client_names:
            answer = only_clients(options.client_names, answer, metrics=metrics, log=log)
        server = Server(
            answer,
            ServingOptions(
                tls_files,
                options.listen,
                options.health_listen,
                options.shutdown_delay,
                options.shutdown_timeout,
            ),
            metrics=metrics,
            log=log,
            # An invalid configuration fails the start; after an invalid change the previous one stays in use.
            checks={"configuration": lambda: None, **({"trust": trust.failure} if trust is not None else {})},
            details={"api-server": lambda: cluster.client.access.problem} if cluster is not None else None,
            watchers=[configuration, authorities, keys_watcher],
            on_start=announce,
        )
        # Exclude the objects of imported libraries from garbage collection: with them, the exit of the process took a
        # third of a second, and up to two on a busy machine.
        gc.freeze()
        favor_event_loop()
        if certificates is not None and objects is not None and trust is not None:
            kept = partial(_keep_certificates, objects, certificates, metrics, log)
            await stack.enter_async_context(in_background(_restarting("trust", trust.run, log)))
            await stack.enter_async_context(in_background(_restarting("certificates", kept, log)))
        await server.run()
        for task in retired:
            task.cancel()


async def _restarting(what: str, work: Callable[[], Awaitable[None]], log: Logger) -> None:
    """Run background work that never ends; log an unexpected error and restart it."""
    while True:
        try:
            await work()
        except Exception as error:
            log.error("background work failed", what=what, **logs.describe(error))
        await asyncio.sleep(_RESTART_DELAY)


async def _keep_certificates(
    objects: ApiObjects, certificates: CertificateOptions, metrics: Metrics, log: Logger
) -> None:
    """Manage the certificates while we hold the Lease; release it on cancellation."""
    installation = certificates.installation
    keeper = Keeper(Certificates(objects, installation, certificates.lifetimes), metrics=metrics, log=log)
    # The pod's name, and a random part because a restarted container has the same name.
    identity = f"{socket.gethostname()}-{secrets.token_hex(4)}"
    lease = Lease(
        objects,
        installation.namespace,
        installation.lease,
        identity,
        duration=certificates.lease_duration,
        on_change=keeper.holds,
        on_error=keeper.lease_failed,
    )
    await keeper.run(lease)


async def _retire(old: Engine, new: Engine, patience: float) -> None:
    await new.client.__aenter__()
    try:
        await asyncio.sleep(patience)
    finally:
        await _close(old)


async def _close(engine: Engine) -> None:
    await engine.inspector.aclose()
    await engine.client.__aexit__(None, None, None)


def _check_authorities(settings: Settings) -> None:
    """
    Raises:
        ConfigurationError: a host's caFile cannot be used.
    """
    for provider in settings.providers:
        if provider.ca_file is not None:
            try:
                FileTrust(provider.ca_file).context()
            except InvalidCaFile as error:
                raise ConfigurationError(f"{provider.ca_file}: {error.problem}") from None


def _announce_keys(ring: KeyRing, log: Logger) -> None:
    if ring.lasting:
        log.info("key ring", keys=[key.kid for key in ring.keys], active=ring.active(datetime.now(UTC)).kid)
    else:
        what = "attestations are valid in this process only, other replicas check tokens again; tokens are not sealed"
        log.info("no key ring", detail=f"{what}. Set encryption.keysDir to use a key ring")
    for doubt in ring.doubts:
        log.warning("doubtful key ring", detail=doubt)


def _announce(settings: Settings, ring: KeyRing, log: Logger) -> None:
    """Log the configuration and its warnings."""
    log.info("configuration", mode=settings.mode, rules=list(dict.fromkeys(rule.name for rule in settings.all_rules)))
    for doubt in doubts(settings):
        log.warning("doubtful configuration", detail=doubt)
    _announce_keys(ring, log)
