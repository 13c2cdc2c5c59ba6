"""The composition root: connects all parts to a running server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from webhook import __version__, logs
from webhook.admission.handler import AdmissionHandler
from webhook.cluster.lookups import KubernetesCluster
from webhook.cluster.objects import ApiObjects
from webhook.decision import Decision, Stage
from webhook.errors import ConfigurationError
from webhook.keyring.ring import KeyRing
from webhook.logs import Logger
from webhook.metrics import Metrics
from webhook.offload import favor_event_loop
from webhook.providers.transport.trust import FileTrust, InvalidCaFile
from webhook.server.client_names import only_clients
from webhook.server.engine import Engine, Engines, EngineState, KeyRingHolder
from webhook.server.file_waiting import wait_for_files
from webhook.server.file_watcher import FileWatcher
from webhook.server.health import report_access
from webhook.server.options import CertificateOptions, Options
from webhook.server.own_certificates import keep_certificates, restarting
from webhook.server.serving import Handler, Server, ServingOptions, in_background
from webhook.server.tls import ServingTls, TlsFiles
from webhook.server.trust import Trust
from webhook.settings.doubts import doubts
from webhook.settings.model import Settings
from webhook.settings.source import load_settings
from webhook.subject import Subject

_TIMEOUT = 5.0
"""Seconds for one request about certificates. None of them waits for a webhook."""


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


async def _serve(options: Options, log: Logger) -> None:
    metrics = Metrics()
    process = _Process(options, metrics, log)
    # The watcher exists before the file is read, so that a change in between is noticed.
    settings = load_settings(options.config)
    tls_files = TlsFiles(options.tls_cert, options.tls_key, options.client_ca)
    keys_dir = settings.encryption.keys_dir
    await wait_for_files([*tls_files.paths, *([keys_dir] if keys_dir else [])], options.wait_for_files, log)
    process.keys = KeyRingHolder(settings)
    async with contextlib.AsyncExitStack() as stack:
        cluster = await KubernetesCluster.connect(options.kubeconfig)
        if cluster is not None:
            await stack.enter_async_context(cluster)
            cluster.client.access.on_change = partial(report_access, metrics, log)
        process.engines = Engines(settings, EngineState(metrics, log, cluster, process.keys))
        await process.engine.start()
        stack.push_async_callback(process.engines.aclose)
        objects = ApiObjects(cluster.client, timeout=_TIMEOUT) if cluster is not None else None
        trust = _trust(options.certificates, objects, lambda: server.tls, metrics, log)
        server = Server(
            process.handler(),
            ServingOptions(
                tls_files, options.listen, options.health_listen, options.shutdown_delay, options.shutdown_timeout
            ),
            metrics=metrics,
            log=log,
            # An invalid configuration fails the start; after an invalid change the previous one stays in use.
            checks={"configuration": lambda: None, **({"trust": trust.failure} if trust is not None else {})},
            details={"api-server": lambda: cluster.client.access.problem} if cluster is not None else None,
            watchers=process.watchers(),
            on_start=lambda: _announce_start(settings, process.keys.ring, cluster is not None, log),
        )
        # Exclude the objects of imported libraries from garbage collection: with them, the exit of the process took a
        # third of a second, and up to two on a busy machine.
        gc.freeze()
        favor_event_loop()
        if options.certificates is not None and objects is not None and trust is not None:
            kept = partial(keep_certificates, objects, options.certificates, metrics, log)
            await stack.enter_async_context(in_background(restarting("trust", trust.run, log)))
            await stack.enter_async_context(in_background(restarting("certificates", kept, log)))
        await server.run()


class _Process:
    """The parts that follow changed files: engine, key ring and watchers."""

    keys: KeyRingHolder
    engines: Engines

    def __init__(self, options: Options, metrics: Metrics, log: Logger) -> None:
        self._options = options
        self._metrics = metrics
        self._log = log
        self._configuration = self._watcher(
            "configuration", lambda: [options.config] if options.config else [], self._reload
        )

    @property
    def engine(self) -> Engine:
        """The engine in use."""
        return self.engines.current

    def watchers(self) -> list[FileWatcher]:
        """Return the watchers of all files that the settings name, and of the settings themselves."""
        return [
            self._configuration,
            # The HTTP client reloads these files itself; this watcher reports errors in them.
            self._watcher("authorities", self._authorities, lambda: _check_authorities(self.engine.settings)),
            self._watcher("keys", self._key_folders, self._read_keys),
        ]

    def handler(self) -> Handler:
        """Return the handler of the API server's requests."""
        handler = AdmissionHandler(
            self._review,
            lambda subject, stage: self.engine.late(subject, stage),
            decision_timeout=lambda: self.engine.settings.limits.decision_timeout.total_seconds(),
            metrics=self._metrics,
            log=self._log,
        )
        names = self._options.client_names
        return only_clients(names, handler.answer, metrics=self._metrics, log=self._log) if names else handler.answer

    async def _review(self, subject: Subject, stage: Stage, deadline: float, record: dict[str, object]) -> Decision:
        return await self.engine.review(subject, stage, deadline, record)

    def _watcher(self, what: str, files: Callable[[], list[Path]], reload: Callable[[], None]) -> FileWatcher:
        return FileWatcher(what, files, reload, metrics=self._metrics, log=self._log)

    def _reload(self) -> None:
        settings = load_settings(self._options.config)
        self.keys.read(settings)
        self.engines.replace(settings)
        _announce(settings, self.keys.ring, self._log)

    def _authorities(self) -> list[Path]:
        return [provider.ca_file for provider in self.engine.settings.providers if provider.ca_file is not None]

    def _key_folders(self) -> list[Path]:
        folder = self.engine.settings.encryption.keys_dir
        return [folder] if folder is not None else []

    def _read_keys(self) -> None:
        self.keys.read(self.engine.settings)
        _announce_keys(self.keys.ring, self._log)


def _trust(
    certificates: CertificateOptions | None,
    objects: ApiObjects | None,
    served: Callable[[], ServingTls],
    metrics: Metrics,
    log: Logger,
) -> Trust | None:
    """
    Raises:
        ConfigurationError: own certificates are wanted, and there is no API server.
    """
    if certificates is None:
        return None
    if objects is None:
        raise ConfigurationError("--keep-certificates needs an API server: run in a pod, or name one with --kubeconfig")
    return Trust(objects, certificates.installation, served, metrics=metrics, log=log)


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


def _announce_start(settings: Settings, ring: KeyRing, has_cluster: bool, log: Logger) -> None:
    log.info("starting", version=__version__)
    if not has_cluster:
        what = "annotations and the platform's ConfigMap are ignored; only the configuration's skip flags work"
        log.info("no API server", detail=what)
    _announce(settings, ring, log)
