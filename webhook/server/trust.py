"""Whether the API server trusts what this server serves: a condition of its readiness, where certificates are our own.

A server that nobody would trust yet, because its mount is older than the roll of a CA or the caBundle isn't published,
takes no calls. One that was ready once isn't taken out for what may be over in a moment, or what it can't know: a
caBundle that somebody reset is put right within seconds and concerns all replicas alike, so that taking them out would
only add to it; and an API server that can't be read says nothing of what it trusts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from webhook.certs.names import CONFIGURATIONS, Installation
from webhook.certs.state import Configuration
from webhook.cluster.objects import ApiError, ApiObjects
from webhook.logs import Logger
from webhook.metrics import Metrics
from webhook.server.tls import ServingTls, refusal

INTERVAL = 5.0
"""Seconds between two looks."""
PATIENCE = 60.0
"""Seconds for which a server that was ready stays so although it isn't trusted: a keeper that has died is replaced
within fifteen, and kubelet brings a changed Secret in about as long as this."""


class Trust:
    """Looks at the webhook configurations now and then, and compares."""

    def __init__(
        self,
        objects: ApiObjects,
        installation: Installation,
        served: Callable[[], ServingTls],
        *,
        metrics: Metrics,
        log: Logger,
        interval: float = INTERVAL,
        patience: float = PATIENCE,
    ) -> None:
        """
        Args:
            served: what we serve at the moment.
            interval: seconds between two looks.
            patience: seconds for which one that was ready stays so although it isn't trusted.
        """
        self._objects = objects
        self._installation = installation
        self._served = served
        self._metrics = metrics
        self._log = log
        self._interval = interval
        self._patience = patience
        self._bundles: dict[str, bytes] | None = None
        self._unread: str | None = None
        self._trusted_at: float | None = None
        self._judged: tuple[bytes, dict[str, bytes], str | None] | None = None
        self._said: str | None = None

    async def run(self) -> NoReturn:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Look once."""
        bundles: dict[str, bytes] = {}
        try:
            for resource in CONFIGURATIONS:
                name = self._installation.name
                configuration = Configuration(resource, name, await self._objects.read(resource, None, name))
                bundles |= configuration.bundles(self._installation)
        except ApiError as error:
            self._say(f"what the API server trusts can't be read: {error}")
            self._unread = str(error)
            return
        self._bundles, self._unread = bundles, None
        distrust = self._distrust(bundles)
        self._metrics.certificate_trusted(distrust is None)
        self._say(distrust)

    def failure(self) -> str | None:
        """Why this server isn't ready; None where it is."""
        if self._bundles is None:
            return f"what the API server trusts isn't known yet{f': {self._unread}' if self._unread else ''}"
        now = asyncio.get_running_loop().time()
        distrust = self._distrust(self._bundles)
        if distrust is None:
            self._trusted_at = now
            return None
        if self._trusted_at is not None and now < self._trusted_at + self._patience:
            return None
        return distrust

    def _distrust(self, bundles: dict[str, bytes]) -> str | None:
        """Why what we serve isn't trusted; None where it is, or where nobody is told to call us."""
        served = self._served()
        if self._judged is None or self._judged[:2] != (served.leaf, bundles):
            self._judged = (served.leaf, bundles, self._compare(served, bundles))
        return self._judged[2]

    def _compare(self, served: ServingTls, bundles: dict[str, bytes]) -> str | None:
        for webhook, bundle in bundles.items():
            if (why := refusal(served, bundle, self._installation.server_name)) is not None:
                return f"the API server doesn't trust what is served, by the caBundle of {webhook}: {why}"
        return None

    def _say(self, problem: str | None) -> None:
        if problem == self._said:
            return
        if problem is not None:
            self._log.warning("not trusted", detail=problem)
        else:
            self._log.info("trusted", detail="the API server trusts what is served")
        self._said = problem
