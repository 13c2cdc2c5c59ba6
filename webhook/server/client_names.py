"""Allow only clients whose certificate has a given name, because a CA can sign certificates of many clients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from webhook.logs import Logger
from webhook.metrics import Metrics

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_LOG_AGAIN = 60.0  # seconds


def names_of(certificate: Mapping[str, Any] | None) -> list[str]:
    """Return the common names, DNS names and URIs of a certificate from `ssl.SSLSocket.getpeercert`."""
    if not certificate:
        return []
    subject = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    alternatives = [value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "URI")]
    return subject + alternatives


def only_clients(names: Sequence[str], handler: Handler, *, metrics: Metrics, log: Logger) -> Handler:
    """Wrap `handler` so that a client certificate without one of these names gets 403."""
    wanted = frozenset(names)
    last_logged = -_LOG_AGAIN

    async def check(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal last_logged
        shown = names_of(request.get_extra_info("peercert"))
        if not wanted.isdisjoint(shown):
            return await handler(request)
        metrics.bad_review("client-name")
        now = asyncio.get_running_loop().time()
        if now - last_logged >= _LOG_AGAIN:
            last_logged = now
            log.warning("client denied", names=shown, wanted=sorted(wanted))
        return web.Response(status=403, text="this client certificate has none of the allowed names\n")

    return check
