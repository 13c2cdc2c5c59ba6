"""The process of the continuous audit, with its port, its Lease and its files."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from webhook import __version__, logs
from webhook.address import Address
from webhook.audit.checkpoint import digest
from webhook.audit.questions import Questions, asking
from webhook.audit.watch.conditions import Conditions
from webhook.audit.watch.controller import Controller
from webhook.audit.watch.inputs import Judging, Pace
from webhook.audit.watch.metrics import Snapshot, WatchMetrics
from webhook.audit.watch.reports import Reports
from webhook.audit.watch.schedule import fresh_for
from webhook.audit.watch.state import Known
from webhook.cluster.leader_election import Lease
from webhook.cluster.objects import ApiObjects
from webhook.cluster.requests import ApiError, explained
from webhook.cluster.secrets import StoredSecrets
from webhook.errors import ConfigurationError
from webhook.keyring.files import load_keyring_by_file_times
from webhook.keyring.ring import KeyRing
from webhook.logs import Logger
from webhook.providers.findings import Answer
from webhook.providers.inspector import is_inconclusive
from webhook.server.file_watcher import FileWatcher
from webhook.server.health import Check, health_app, report_access, served
from webhook.server.serving import in_background
from webhook.settings.doubts import doubts
from webhook.settings.model import Settings
from webhook.settings.source import load_settings

_AFTER_A_BUG = 10.0
"""Seconds until the next start."""
_TIMEOUT = 10.0
"""Seconds for one request about a report or the Lease."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line.

    Attributes:
        keys: the folder of the key ring; None for that of the configuration, if it exists.
        rules: the rules of which one must match; empty for all.
        selector: a label selector for Secrets, in kubectl's syntax.
        at_once: concurrent checks per host.
        lease: namespace and name of the Lease.
        lease_duration: seconds after which another replica takes over from a failed leader.
    """

    config: Path | None
    keys: Path | None
    rules: tuple[str, ...]
    selector: str
    pace: Pace
    at_once: int
    lease: tuple[str, str]
    lease_duration: float
    health_listen: Address
    kubeconfig: Path | None
    context: str | None
    as_user: str | None
    log_format: logs.Format
    log_level: str


def run(options: Options) -> None:
    """Audit until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: a file that the options name cannot be used.
    """
    log = logs.build_logger(
        sys.stdout.buffer, format=options.log_format, level=options.log_level, colors=sys.stdout.isatty()
    )
    logs.install(log)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_run(options, log))
    log.info("stopped")


async def _run(options: Options, log: Logger) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.loop_exception_handler(log))
    auditor = Auditor(options, log)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_stopped_by_signals(log))
        client = await stack.enter_async_context(
            await StoredSecrets.connect(options.kubeconfig, options.context, as_user=options.as_user)
        )
        stack.push_async_callback(auditor.aclose)
        access = client.client.access
        access.on_change = partial(report_access, auditor.metrics, log)
        app = health_app(auditor.checks, None, auditor.metrics, {"api-server": lambda: access.problem})
        address = await stack.enter_async_context(served(app, options.health_listen))
        for watcher in auditor.watchers:
            await stack.enter_async_context(in_background(watcher.run()))
        log.info("starting", version=__version__, health=str(address))
        auditor.announce()
        await auditor.run(client)


@contextlib.contextmanager
def _stopped_by_signals(log: Logger) -> Iterator[None]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        log.info("stopping")
        if task is not None:
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class Auditor:
    """One replica, which audits while it holds the Lease, and restarts the audit when its files change."""

    def __init__(self, options: Options, log: Logger) -> None:
        """
        Raises:
            ConfigurationError: the configuration or the key ring cannot be used.
        """
        self._options = options
        self._log = log
        self.metrics = WatchMetrics()
        self.metrics.observe(self._snapshot)
        self._conditions = Conditions(log, self.metrics.condition_changed)
        files = [options.config] if options.config else []
        # Each watcher starts before the first read, so that it sees every later change.
        configuration = FileWatcher("configuration", lambda: files, self._read_again, metrics=self.metrics, log=log)
        self._settings = self._read_settings()
        keys = FileWatcher("keys", self._folders, self._read_again, metrics=self.metrics, log=log)
        self._ring = self._read_ring(self._settings)
        self.watchers = (configuration, keys)
        self._reread = asyncio.Event()
        self._connections = contextlib.AsyncExitStack()
        self._current: tuple[Settings, Questions] | None = None
        self._controller: Controller | None = None
        self._memory: Mapping[str, Known] = {}
        self._lease: Lease | None = None

    @property
    def checks(self) -> dict[str, Check]:
        """The readiness checks."""
        return {"lease": self._lease_failure, "secrets": lambda: self._conditions["secrets"]}

    def _lease_failure(self) -> str | None:
        if (problem := self._conditions["lease"]) is not None:
            return problem
        return None if self._lease is not None and self._lease.holder is not None else "no replica holds the Lease yet"

    async def run(self, secrets_: StoredSecrets) -> None:
        """Run until cancelled, then release the Lease."""
        objects = ApiObjects(secrets_.client, timeout=_TIMEOUT)
        lease = Lease(
            objects,
            *self._options.lease,
            f"{socket.gethostname()}-{secrets.token_hex(4)}",
            duration=self._options.lease_duration,
            on_change=self._leads,
            on_error=self._lease_changed,
        )
        self._lease = lease
        await lease.run(lambda: self._lead(secrets_, objects))

    def announce(self) -> None:
        """Log the configuration and the key ring."""
        settings = self._settings
        rules = self._options.rules or tuple(dict.fromkeys(rule.name for rule in settings.all_rules))
        self._log.info("configuration", rules=list(rules), interval=str(self._options.pace.interval))
        for doubt in doubts(settings):
            self._log.warning("doubtful configuration", detail=doubt)
        if self._ring is None:
            what = "sealed tokens cannot be opened, and attestations are not verified"
            self._log.info("no key ring", detail=what)
        else:
            self._log.info("key ring", keys=[key.kid for key in self._ring.keys])

    async def aclose(self) -> None:
        """Close the connections to providers."""
        await self._connections.aclose()

    # --- leadership ---

    async def _lead(self, secrets_: StoredSecrets, objects: ApiObjects) -> None:
        """Audit, and restart when a file was reloaded or the audit failed."""
        while True:
            self._reread.clear()
            term = asyncio.ensure_future(self._term(secrets_, objects))
            reread = asyncio.ensure_future(self._reread.wait())
            try:
                await asyncio.wait({term, reread}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                term.cancel()
                reread.cancel()
                await asyncio.wait({term, reread})
            if not term.cancelled() and (error := term.exception()) is not None:
                self._log.error("audit failed; restarting", exc_info=error)
                await asyncio.sleep(_AFTER_A_BUG)

    async def _term(self, secrets_: StoredSecrets, objects: ApiObjects) -> None:
        settings, ring, options = self._settings, self._ring, self._options
        kids = [key.kid for key in ring.keys] if ring is not None else []
        about = digest((__version__, settings.model_dump_json(), options.rules, kids))[:16]
        judging = Judging(settings, await self._questions(settings), ring, options.rules, options.selector, about)
        reports = Reports(objects, self._conditions, self._log, self.metrics.report_changed)
        self._controller = Controller(
            secrets_,
            judging,
            options.pace,
            reports,
            self._memory,
            metrics=self.metrics,
            conditions=self._conditions,
            log=self._log,
        )
        try:
            await self._controller.run()
        finally:
            kept = {} if self._controller.complete else self._memory
            self._memory = {**kept, **self._controller.known}
            self._controller = None

    async def _questions(self, settings: Settings) -> Questions:
        """Return the questions of these settings, with the cache of earlier terms."""
        if self._current is None or self._current[0] is not settings:
            await self._connections.aclose()
            questions = await self._connections.enter_async_context(
                asking(
                    settings,
                    at_once=self._options.at_once,
                    on_problem=lambda sentence: self._log.error("a provider failed", detail=sentence),
                    on_request=self.metrics.asked_provider,
                    lifetime=self._fresh_for,
                )
            )
            self._current = (settings, questions)
        return self._current[1]

    def _fresh_for(self, answer: Answer) -> float:
        if is_inconclusive(answer):
            return 0.0
        end = answer.facts.expires_at if not answer.facts.short_lived else None
        return fresh_for(end, datetime.now(UTC), self._options.pace.interval)

    def _snapshot(self) -> Snapshot | None:
        return self._controller.snapshot() if self._controller is not None else None

    def _leads(self, leads: bool) -> None:
        self.metrics.leads(leads)
        self._log.info("leading" if leads else "no longer leading")
        if not leads:
            self._conditions.drop_others("lease")

    def _lease_changed(self, error: ApiError | None) -> None:
        if error is None:
            self._conditions.set("lease", None)
            return
        self._conditions.set("lease", f"the Lease {'/'.join(self._options.lease)} cannot be used: {explained(error)}")

    # --- files ---

    def _folders(self) -> list[Path]:
        folder = self._options.keys or self._settings.encryption.keys_dir
        return [folder] if folder is not None else []

    def _read_settings(self) -> Settings:
        settings = load_settings(self._options.config)
        known = {rule.name for rule in settings.all_rules}
        for name in self._options.rules:
            if name not in known:
                raise ConfigurationError(f"--rule: there is no rule {name!r}; there are {', '.join(sorted(known))}")
        return settings

    def _read_again(self) -> None:
        settings = self._read_settings()
        self._ring, self._settings = self._read_ring(settings), settings
        self.announce()
        self._reread.set()

    def _read_ring(self, settings: Settings) -> KeyRing | None:
        folder = self._options.keys or settings.encryption.keys_dir
        # In a cluster the webhook creates it, perhaps after this process starts. The kubelet's own files are hidden.
        if folder is None or not folder.is_dir() or all(file.name.startswith(".") for file in folder.iterdir()):
            return None
        return load_keyring_by_file_times(folder)
