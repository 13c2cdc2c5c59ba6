"""The plain HTTP port for the kubelet and Prometheus: /livez, /readyz and /metrics."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping

from aiohttp import hdrs, web

from webhook.address import Address
from webhook.logs import Logger
from webhook.metrics import Exported
from webhook.server.listener import Listener

Check = Callable[[], str | None]
"""A readiness check: returns why it fails, or None."""

MAX_CONNECTIONS = 256
"""Connections on the plain port."""
_PROBE_LIFETIME = 2.0  # seconds that the result of a probe is cached
_PROBE_TIMEOUT = 2.0


def health_app(
    checks: Mapping[str, Check],
    probe: TlsProbe | None,
    metrics: Exported,
    details: Mapping[str, Check] | None = None,
) -> web.Application:
    """Return the application of the plain port.

    /livez reports that the process responds. /readyz reports that it can review: every check passes, and with `probe`
    the TLS port serves the right certificate. The text lists each check, as Kubernetes' own servers do.

    Args:
        details: listed as well, but a replica is ready without them: to remove all replicas would be worse.
    """

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        failures = {name: check() for name, check in checks.items()}
        if probe is not None:
            failures["tls"] = "not tried" if any(failures.values()) else await probe.failure()
        lines = [f"[-]{name} failed: {why}" if why else f"[+]{name} ok" for name, why in failures.items()]
        ready = not any(failures.values())
        for name, check in (details or {}).items():
            lines.append(f"[!]{name}: {why}" if (why := check()) else f"[+]{name} ok")
        lines.append(f"readyz check {'passed' if ready else 'failed'}\n")
        return web.Response(status=200 if ready else 503, text="\n".join(lines))

    async def metrics_(request: web.Request) -> web.Response:
        body, content_type = metrics.exposition(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics_)
    return app


def report_access(metrics: Exported, log: Logger, problem: str | None) -> None:
    """Report that requests to the API server fail for our credentials or CA, or no longer do."""
    metrics.api_server_access(problem)
    if problem is None:
        log.info("API server access works again")
    else:
        log.error("API server access fails", detail=problem)


@contextlib.asynccontextmanager
async def served(app: web.Application, address: Address) -> AsyncIterator[Address]:
    """Serve an application on a plain port, and yield its address.

    Raises:
        ConfigurationError: cannot listen on the address.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        if runner.server is None:
            raise RuntimeError("aiohttp has made no server")
        listener = Listener(address, runner.server, max_connections=MAX_CONNECTIONS, on_failure=lambda reason: None)
        listener.start()
        try:
            yield listener.address
        finally:
            listener.stop()
    finally:
        await runner.cleanup()


class TlsProbe:
    """Connects to this server's TLS port, as the API server would, and compares the certificate."""

    def __init__(self, listener: Callable[[], Listener | None], leaf: Callable[[], bytes]) -> None:
        """
        Args:
            listener: returns the TLS listener; None before it exists.
            leaf: returns the certificate that should be served, DER.
        """
        self._listener = listener
        self._leaf = leaf
        self._lock = asyncio.Lock()
        self._last: tuple[float, bytes, str | None] | None = None

    async def failure(self) -> str | None:
        """Return why the TLS port does not serve correctly, or None. The result is cached for two seconds."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            leaf = self._leaf()
            if self._last and self._last[1] == leaf and now - self._last[0] < _PROBE_LIFETIME:
                return self._last[2]
            failure = await self._try(leaf)
            self._last = (now, leaf, failure)
            return failure

    async def _try(self, leaf: bytes) -> str | None:
        listener = self._listener()
        if listener is None:
            return "the TLS port is not open yet"
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                served = await _served_leaf(listener)
        except TimeoutError:
            return f"this server's TLS port did not respond within {_PROBE_TIMEOUT:g} s"
        except OSError as error:
            return f"this server's TLS port cannot be reached ({type(error).__name__})"
        return None if served == leaf else "this server's TLS port serves another certificate"


async def _served_leaf(listener: Listener) -> bytes | None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listener.address.host, listener.address.host)  # noqa: S104
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # compared byte for byte instead
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        connection.bind((host, 0))  # so the address is known before the server accepts
        name = connection.getsockname()
        listener.expect_probe((name[0], name[1]))
        await asyncio.get_running_loop().sock_connect(connection, (host, listener.address.port))
        _, writer = await asyncio.open_connection(sock=connection, ssl=context, server_hostname="")
        served = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        # If client certificates are required, the server rejects us only now (TLS 1.3), as expected.
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return bytes(served) if served else None
