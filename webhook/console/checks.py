"""*Check now*: ask the providers about tokens that are stored, with the code of the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from webhook.audit.questions import asking
from webhook.audit.rows import Rows
from webhook.audit.scope import AsAuditor
from webhook.cluster.listing import Listed
from webhook.cluster.lookups import KubernetesCluster
from webhook.cluster.requests import ApiError
from webhook.cluster.secrets import StoredSecrets
from webhook.console.overview import Overview
from webhook.keyring.ring import KeyRing
from webhook.review.reviewer import Reviewer
from webhook.settings.model import Settings

_IN_FLIGHT = 16
_PATIENCE = 120.0
"""Seconds for one Secret, including the time in the queue of a provider."""


@dataclass(slots=True)
class Progress:
    """The progress of a run.

    Attributes:
        problems: why something was not checked, as whole sentences.
    """

    total: int = 0
    done: int = 0
    running: bool = False
    problems: tuple[str, ...] = ()


class Checks:
    """Runs checks, one run at a time."""

    def __init__(self, secrets: StoredSecrets, settings: Settings, overview: Overview, ring: KeyRing | None) -> None:
        """
        Args:
            ring: the webhook's key ring, which opens sealed tokens and verifies attestations.
        """
        self._secrets = secrets
        self._settings = settings
        self._overview = overview
        self._ring = ring
        self._task: asyncio.Task[None] | None = None
        self.progress = Progress()

    def start(self, listed: Iterable[Listed]) -> bool:
        """Start to check these Secrets; False if a run is in progress."""
        if self.progress.running:
            return False
        secrets = list(listed)
        self.progress = Progress(total=len(secrets), running=True)
        self._task = asyncio.create_task(self._run(secrets))
        return True

    async def wait(self, seconds: float) -> None:
        """Wait for the end of the run, but not longer than so many seconds."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)

    async def stop(self) -> None:
        """End the run."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, listed: list[Listed]) -> None:
        progress, problems = self.progress, dict[str, None]()
        ring, turns = self._ring, asyncio.Semaphore(_IN_FLIGHT)
        try:
            async with asking(self._settings, evidence=True, on_problem=problems.setdefault) as questions:
                cluster = AsAuditor(KubernetesCluster(self._secrets.client))
                reviewer = Reviewer(
                    self._settings, questions, cluster, ring=(lambda: ring) if ring is not None else None
                )
                rows = Rows(self._settings, questions, ring)

                async def check(one: Listed) -> None:
                    async with turns:
                        if (problem := await self._check(one, reviewer, rows)) != "":
                            problems.setdefault(problem)
                    progress.done += 1

                async with asyncio.TaskGroup() as tasks:
                    for one in listed:
                        tasks.create_task(check(one))
        finally:
            progress.running, progress.problems = False, tuple(problems)

    async def _check(self, one: Listed, reviewer: Reviewer, rows: Rows) -> str:
        """Check one Secret; return why that is not possible, or an empty text."""
        namespace, name = one.secret.namespace, one.secret.name
        try:
            stored = await self._secrets.read(namespace, name)
        except ApiError as error:
            return f"The Secret {namespace}/{name} cannot be read: {error}."
        if stored is None:
            return ""
        standing = await reviewer.judge(stored.secret, asyncio.get_running_loop().time() + _PATIENCE)
        if standing.match:
            found = rows.of_stored(standing, stored.secret, "", datetime.now(UTC))
            self._overview.checked(stored.uid, stored.version, found)
        return ""
