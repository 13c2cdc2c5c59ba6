"""Manages the server's own certificates in the background."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable

from webhook import logs
from webhook.certs.keeper import Keeper
from webhook.certs.steps import Certificates
from webhook.cluster.leader_election import Lease
from webhook.cluster.objects import ApiObjects
from webhook.logs import Logger
from webhook.metrics import Metrics
from webhook.server.options import CertificateOptions

_RESTART_DELAY = 10.0
"""Seconds until background work restarts after an error."""


async def restarting(what: str, work: Callable[[], Awaitable[None]], log: Logger) -> None:
    """Run background work that never ends; log an unexpected error and restart it."""
    while True:
        try:
            await work()
        except Exception as error:
            log.error("background work failed", what=what, **logs.describe(error))
        await asyncio.sleep(_RESTART_DELAY)


async def keep_certificates(
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
