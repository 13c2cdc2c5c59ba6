"""The composition root: the only module that knows all others, and how they are wired into a running server."""

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
from webhook.metrics import CacheResult, Metrics
from webhook.providers import PROVIDERS
from webhook.providers.inspector import Bug, Inspector
from webhook.providers.transport.client import ProviderClient
from webhook.providers.transport.limits import HostThrottle, Limits, current_tenant
from webhook.providers.transport.trust import FileTrust, InvalidCaFile
from webhook.review.applications import ApiServer
from webhook.review.policy import Judged
from webhook.review.reviewer import Reviewer
from webhook.server.client_names import only_clients
from webhook.server.file_waiting import wait_for_files
from webhook.server.file_watcher import FileWatcher
from webhook.server.serving import Handler, Server, ServingOptions, in_background
from webhook.server.tls import TlsFiles
from webhook.server.trust import Trust
from webhook.settings.model import Settings, load_settings
from webhook.subject import Subject

_TIMEOUT = 5.0
"""Seconds for one request about certificates: none of them waits for a webhook."""


_AFTER_A_MISTAKE = 10.0
"""Seconds until work in the background begins anew."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How our own certificates are kept.

    Attributes:
        lease_duration: seconds after which another replica takes over from one that has died.
    """

    installation: Installation
    lifetimes: Lifetimes
    lease_duration: float


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says; durations in seconds.

    Attributes:
        client_names: whose certificates `client_ca` may have signed; anybody's, where there is none.
        wait_for_files: how long certificate, key and key ring may be on their way.
        keeping: None where somebody else keeps the certificates.
    """

    tls_cert: Path
    tls_key: Path
    config: Path | None
    client_ca: Path | None
    client_names: tuple[str, ...]
    wait_for_files: float
    keeping: Keeping | None
    listen: Address
    health_listen: Address
    kubeconfig: Path | None
    shutdown_delay: float
    shutdown_timeout: float
    log_format: logs.Format
    log_level: str


def run(options: Options) -> None:
    """Serve until told to stop.

    Raises:
        ConfigurationError: something that the options name can't be used.
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
    except ImportError:  # not on every platform
        return None
    return uvloop.new_event_loop


class Keys:
    """The key ring of the moment; read again when its files change, or when the configuration names others."""

    def __init__(self, settings: Settings) -> None:
        """
        Raises:
            ConfigurationError: the configured folder holds none that can be used.
        """
        self.ring = ephemeral_keyring()
        self.read(settings)

    def read(self, settings: Settings) -> None:
        """Use the keys that `settings` name.

        Raises:
            ConfigurationError: they can't be used; those before stay in use.
        """
        folder, activation = settings.encryption.keys_dir, settings.encryption.key_activation
        if folder is not None:
            previous = self.ring if self.ring.lasting else None
            self.ring = load_keyring(folder, datetime.now(UTC), previous, activation=activation)
        elif self.ring.lasting:
            self.ring = ephemeral_keyring()


@dataclass(frozen=True, slots=True)
class Lasting:
    """What an engine works with and leaves to the one after it.

    Attributes:
        throttle: what hosts have told us about asking less. A change of the configuration is no reason to forget it.
        digest_key: for digests of credentials, by which `throttle` knows them.
    """

    metrics: Metrics
    log: Logger
    cluster: ApiServer | None = None
    keys: Keys = field(default_factory=lambda: Keys(Settings()))
    throttle: HostThrottle = field(default_factory=HostThrottle)
    digest_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)


class Engine:
    """What judges by the settings in force; replaced as a whole when they change."""

    def __init__(self, settings: Settings, lasting: Lasting) -> None:
        metrics, limits = lasting.metrics, settings.limits
        self.settings = settings
        self.client = ProviderClient(
            Limits(limits.provider_timeout.total_seconds(), limits.concurrency),
            on_request=lambda kind, result, seconds: metrics.asked_provider(kind, result, seconds),
            throttle=lasting.throttle,
        )
        self.inspector = Inspector(
            PROVIDERS,
            self.client,
            cache_ttl=limits.cache_ttl.total_seconds(),
            cache_entries=limits.cache_entries,
            decision_timeout=limits.decision_timeout.total_seconds(),
            digest_key=lasting.digest_key,
            on_error=lambda bug: _report_bug(lasting.log, bug),
        )
        self._reviewer = Reviewer(settings, self.inspector, lasting.cluster, ring=lambda: lasting.keys.ring)
        self.metrics = metrics

    async def review(self, subject: Subject, stage: Stage, deadline: float, record: dict[str, object]) -> Decision:
        """Judge a write, and count what came of it."""
        current_tenant.set(subject.secret.namespace)  # of this review's own task
        reviewed = await self._reviewer.review(subject, stage, deadline)
        record |= reviewed.describe()
        for verdict in reviewed.verdicts.values():
            judged = verdict.judged
            if judged.checked_at is not None:
                self.metrics.cache(_source(judged))
        if stage is Stage.VALIDATE:
            for source in {skip.source for skip in reviewed.exemptions.skips.values()}:
                self.metrics.skipped(source)
        return reviewed.decision

    def late(self, subject: Subject, stage: Stage) -> Decision:
        """The decision where none stood in time."""
        return self._reviewer.late(subject, stage)


def _source(judged: Judged) -> CacheResult:
    """Where an answer came from."""
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
        old, engine = engine, Engine(settings, lasting)
        _announce(settings, keys.ring, log)
        # Reviews under way end with the engine that they began with.
        patience = old.settings.limits.decision_timeout.total_seconds() + 1
        task = asyncio.ensure_future(_retire(old, engine, patience))
        retired.add(task)
        task.add_done_callback(retired.discard)

    # The watcher comes first, so that a change between the two looks is seen.
    configuration = FileWatcher(
        "configuration", lambda: [options.config] if options.config else [], reload, metrics=metrics, log=log
    )
    settings = load_settings(options.config)
    tls_files = TlsFiles(options.tls_cert, options.tls_key, options.client_ca)
    keys_dir = settings.encryption.keys_dir
    await wait_for_files([*tls_files.paths, *([keys_dir] if keys_dir else [])], options.wait_for_files, log)
    keys = Keys(settings)
    async with contextlib.AsyncExitStack() as stack:
        cluster: KubernetesCluster | None = await KubernetesCluster.connect(options.kubeconfig)
        if cluster is not None:
            await stack.enter_async_context(cluster)
        objects = ApiObjects(cluster.client, timeout=_TIMEOUT) if cluster is not None else None
        keeping = options.keeping
        trust: Trust | None = None
        if keeping is not None:
            if objects is None:
                raise ConfigurationError("--keep-certificates needs an API server: a pod's own, or --kubeconfig")
            trust = Trust(objects, keeping.installation, lambda: server.tls, metrics=metrics, log=log)
        lasting = Lasting(metrics, log, cluster, keys)
        engine = Engine(settings, lasting)
        await engine.client.__aenter__()
        stack.push_async_callback(lambda: _close(engine))
        # Whoever sends requests reads these files again by itself; somebody must tell what is wrong with them.
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
                what = "only the configuration's skip flags work; annotations and the ConfigMap are not looked at"
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
            # A wrong configuration ends the start; a wrong change of it leaves the one before in force.
            checks={"configuration": lambda: None, **({"trust": trust.failure} if trust is not None else {})},
            watchers=[configuration, authorities, keys_watcher],
            on_start=announce,
        )
        # Neither a collection nor the end of the process looks through all that the libraries have made: the latter
        # took a third of a second, and up to two on a busy machine.
        gc.freeze()
        if keeping is not None and objects is not None and trust is not None:
            kept = partial(_kept, objects, keeping, metrics, log)
            await stack.enter_async_context(in_background(_again_and_again("trust", trust.run, log)))
            await stack.enter_async_context(in_background(_again_and_again("certificates", kept, log)))
        await server.run()
        for task in retired:
            task.cancel()


async def _again_and_again(what: str, work: Callable[[], Awaitable[None]], log: Logger) -> None:
    """Work that has no end: a mistake of ours in it is told, and it begins anew."""
    while True:
        try:
            await work()
        except Exception as error:
            log.error("background work failed", what=what, **logs.describe(error))
        await asyncio.sleep(_AFTER_A_MISTAKE)


async def _kept(objects: ApiObjects, keeping: Keeping, metrics: Metrics, log: Logger) -> None:
    """Keep our certificates while we hold the Lease; it is let go when this is cancelled."""
    installation = keeping.installation
    keeper = Keeper(Certificates(objects, installation, keeping.lifetimes), metrics=metrics, log=log)
    # The name of a pod; the rest tells it from the one before where a container is started again.
    identity = f"{socket.gethostname()}-{secrets.token_hex(4)}"
    lease = Lease(
        objects,
        installation.namespace,
        installation.lease,
        identity,
        duration=keeping.lease_duration,
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
        ConfigurationError: a host's caFile can't be used.
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
        what = "attestations are good for this process alone, other replicas ask the provider again; nothing is sealed"
        log.info("no key ring", detail=f"{what}. Set encryption.keysDir to have one")
    for doubt in ring.doubts:
        log.warning("doubtful key ring", detail=doubt)


def _announce(settings: Settings, ring: KeyRing, log: Logger) -> None:
    """What somebody should know who reads the log from its beginning."""
    log.info("configuration", mode=settings.mode, rules=list(dict.fromkeys(rule.name for rule in settings.all_rules)))
    for doubt in settings.doubts():
        log.warning("doubtful configuration", detail=doubt)
    _announce_keys(ring, log)
