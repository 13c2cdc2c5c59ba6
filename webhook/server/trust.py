"""A readiness check: whether the API server trusts this server's certificate.

It is used only if the webhook manages its own certificates. A server that the API server does not trust yet, because
its mount is older than a CA rotation or the caBundle is not published, is not ready. A server that was ready stays
ready during a short failure: a reset caBundle is restored within seconds and affects all replicas, so removing them
would not help; and an API server that cannot be read says nothing about its trust.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from webhook.certs.names import CONFIGURATIONS, Installation
from webhook.certs.state import Configuration
from webhook.cluster.objects import ApiObjects
from webhook.cluster.requests import ApiError
from webhook.logs import Logger
from webhook.metrics import Metrics
from webhook.server.tls import ServingTls, distrust_reason

INTERVAL = 5.0
"""Seconds between two checks."""
PATIENCE = 60.0
"""Seconds that a server that was ready stays ready without trust. A keeper that died is replaced within 15 s, and the
kubelet updates a mounted Secret in about this time."""


class Trust:
    """Compares the served certificate with the caBundles of the webhook configurations."""

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
            served: returns the certificate in use.
            interval: seconds between two checks.
            patience: seconds that a server that was ready stays ready without trust.
        """
        self._objects = objects
        self._installation = installation
        self._served = served
        self._metrics = metrics
        self._log = log
        self._interval = interval
        self._patience = patience
        self._bundles: dict[str, bytes] | None = None
        self._read_error: str | None = None
        self._trusted_at: float | None = None
        self._compared: tuple[bytes, dict[str, bytes], str | None] | None = None
        self._logged: str | None = None

    async def run(self) -> NoReturn:
        """Check until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(self._interval)

    async def check(self) -> None:
        """Read the webhook configurations once and compare."""
        bundles: dict[str, bytes] = {}
        try:
            for resource in CONFIGURATIONS:
                name = self._installation.name
                configuration = Configuration(resource, name, await self._objects.read(resource, None, name))
                bundles |= configuration.bundles(self._installation)
        except ApiError as error:
            self._log_change(f"the webhook configurations cannot be read: {error}")
            self._read_error = str(error)
            return
        self._bundles, self._read_error = bundles, None
        distrust = self._distrust(bundles)
        self._metrics.certificate_trusted(distrust is None)
        self._log_change(distrust)

    def failure(self) -> str | None:
        """Return why this server is not ready, or None."""
        if self._bundles is None:
            why = f": {self._read_error}" if self._read_error else ""
            return f"the webhook configurations have not been read yet{why}"
        now = asyncio.get_running_loop().time()
        distrust = self._distrust(self._bundles)
        if distrust is None:
            self._trusted_at = now
            return None
        if self._trusted_at is not None and now < self._trusted_at + self._patience:
            return None
        return distrust

    def _distrust(self, bundles: dict[str, bytes]) -> str | None:
        """Return why the certificate is not trusted; None if it is, or if no webhook calls this server."""
        served = self._served()
        if self._compared is None or self._compared[:2] != (served.leaf, bundles):
            self._compared = (served.leaf, bundles, self._compare(served, bundles))
        return self._compared[2]

    def _compare(self, served: ServingTls, bundles: dict[str, bytes]) -> str | None:
        for webhook, bundle in bundles.items():
            if (why := distrust_reason(served, bundle, self._installation.server_name)) is not None:
                return f"the API server does not trust this server's certificate by the caBundle of {webhook}: {why}"
        return None

    def _log_change(self, problem: str | None) -> None:
        if problem == self._logged:
            return
        if problem is not None:
            self._log.warning("certificate not trusted", detail=problem)
        else:
            self._log.info("certificate trusted", detail="the API server trusts this server's certificate")
        self._logged = problem
