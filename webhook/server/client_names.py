"""Whose client certificates are good enough: a CA may have signed those of many, and only the API server may ask."""

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
    """The common names, DNS names and URIs of a client certificate, as `ssl.SSLSocket.getpeercert` has it."""
    if not certificate:
        return []
    subject = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    alternatives = [value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "URI")]
    return subject + alternatives


def only_clients(names: Sequence[str], handler: Handler, *, metrics: Metrics, log: Logger) -> Handler:
    """`handler`, for those whose certificate has one of these names; everybody else is answered 403."""
    wanted = frozenset(names)
    last_said = -_LOG_AGAIN

    async def check(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal last_said
        shown = names_of(request.get_extra_info("peercert"))
        if not wanted.isdisjoint(shown):
            return await handler(request)
        metrics.bad_review("client-name")
        now = asyncio.get_running_loop().time()
        if now - last_said >= _LOG_AGAIN:
            last_said = now
            log.warning("client refused", names=shown, wanted=sorted(wanted))
        return web.Response(status=403, text="this client certificate has none of the names that may ask here\n")

    return check
