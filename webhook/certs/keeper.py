"""Maintain the certificates of an installation while servers run, on one replica at a time."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from webhook.certs.plan import Rest
from webhook.certs.state import State
from webhook.certs.steps import Certificates
from webhook.cluster.leader_election import Lease
from webhook.cluster.requests import ApiError
from webhook.logs import Logger
from webhook.metrics import Metrics

INTERVAL = 5.0
"""Seconds between two checks. Applying the webhook configurations again can remove their caBundle, and until it is back
the API server denies every write of a credential. A check takes four small requests of one replica."""


class Keeper:
    """Takes the steps that are due while it holds the Lease."""

    def __init__(
        self, certificates: Certificates, *, metrics: Metrics, log: Logger, interval: float = INTERVAL
    ) -> None:
        """
        Args:
            interval: seconds between two checks.
        """
        self._certificates = certificates
        self._metrics = metrics
        self._log = log
        self._interval = interval
        self._lease_trouble: str | None = None
        self._troubles: tuple[str, ...] = ()
        self._said: frozenset[str] = frozenset()

    async def run(self, lease: Lease) -> NoReturn:
        """Maintain the certificates while this process holds the Lease, until cancelled."""
        await lease.run(self._keep)
        raise AssertionError("the Lease ended the maintenance of certificates")

    def holds(self, holds: bool) -> None:
        """Report that this process holds the Lease, or lost it."""
        self._metrics.keeps_certificates(holds)
        self._log.info("maintaining certificates" if holds else "no longer maintaining certificates")
        if not holds:
            self._troubles = ()  # another replica reports them from now on
            self._say()

    def lease_failed(self, error: ApiError | None) -> None:
        """Report that the Lease cannot be read or written, or, with None, that it can be again."""
        self._lease_trouble = _trouble(error) if error is not None else None
        self._say()

    async def _keep(self) -> None:
        while True:
            pause = self._interval
            try:
                state, rest = await self._certificates.settle(self._took)
            except ApiError as error:
                self._troubles = (_trouble(error),)
                self._say()
            else:
                self._observe(state, rest)
                pause = min(pause, max(0.0, (rest.until - self._certificates.clock()).total_seconds()))
            await asyncio.sleep(pause)

    def _took(self, told: str) -> None:
        self._metrics.certificate_step()
        self._log.info("certificates", detail=told)

    def _observe(self, state: State, rest: Rest) -> None:
        if state.ca is not None and state.ca.current is not None:
            self._metrics.ca_expires(state.ca.current.parsed().not_valid_after_utc)
        self._troubles = rest.troubles
        self._say()

    def _say(self) -> None:
        """Log new problems, and the end of the last one."""
        troubles = frozenset({*self._troubles, *([self._lease_trouble] if self._lease_trouble else [])})
        self._metrics.certificates_troubled(bool(troubles))
        for trouble in sorted(troubles - self._said):
            self._log.warning("certificates cannot be maintained", detail=trouble)
        if self._said and not troubles:
            self._log.info("certificates are maintained again")
        self._said = troubles


def _trouble(error: ApiError) -> str:
    # Without a response, each attempt can fail in another way, which is still the same problem.
    why = str(error) if error.status else "the API server cannot be reached"
    return f"the certificates cannot be maintained: {why}"
