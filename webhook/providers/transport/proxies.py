"""Connect to providers through the proxy of the environment (`webhook.proxy`).

A request goes through a CONNECT tunnel that ends at the provider, so the proxy sees the name of the provider, but
neither the token nor the response. The proxy resolves the name, so it decides which addresses are allowed, except for
an address in the URL itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

import anyio
import httpcore

from webhook.providers.base import ProviderUnavailable
from webhook.providers.transport.addresses import AddressNotAllowed, CheckedBackend, may_connect
from webhook.providers.transport.trust import Trust
from webhook.proxy import Proxy


class ProxyRejected(ProviderUnavailable):
    """The proxy rejects the connection."""


class TunnelBackend(httpcore.AsyncNetworkBackend):
    """Connects to hosts through a proxy."""

    def __init__(self, proxy: Proxy, trust: Trust, *, declared: bool) -> None:
        self._proxy = proxy
        self._trust = trust
        self._declared = declared
        # The operator names the proxy, so like a declared host it may have a private address.
        self._direct = CheckedBackend(declared=True)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return the stream of a new tunnel to ``host:port``.

        Raises:
            AddressNotAllowed: `host` is an address that is not allowed.
            ProxyRejected: the proxy rejects the connection.
            httpcore.ProxyError: the proxy cannot be reached, or closes the connection.
        """
        try:
            if not may_connect(ip_address(host.strip("[]")), declared=self._declared):
                raise AddressNotAllowed("is an address that is not allowed")
        except ValueError:
            pass  # a name, which the proxy resolves
        try:
            return await self._tunnel(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except (httpcore.NetworkError, httpcore.ProtocolError, AddressNotAllowed):
            # Messages must not report a failure of the proxy as one of the provider.
            raise httpcore.ProxyError from None

    async def _tunnel(self, target: str) -> httpcore.AsyncNetworkStream:
        stream = await self._direct.connect_tcp(self._proxy.host, self._proxy.port)
        try:
            if self._proxy.secure:
                stream = await stream.start_tls(self._trust.context(), self._proxy.host)
            return await self._connect(stream, target)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await stream.aclose()
            raise

    async def _connect(self, stream: httpcore.AsyncNetworkStream, target: str) -> httpcore.AsyncNetworkStream:
        headers = [("Host", target)]
        if self._proxy.authorization:
            headers.append(("Proxy-Authorization", self._proxy.authorization))
        scheme = "https" if self._proxy.secure else "http"
        url = httpcore.URL(scheme=scheme, host=self._proxy.host, port=self._proxy.port, target=target)
        connection = httpcore.AsyncHTTP11Connection(url.origin, stream)
        response = await connection.handle_async_request(httpcore.Request("CONNECT", url, headers=headers))
        if not 200 <= response.status <= 299:
            raise ProxyRejected(f"could not be reached through the proxy, which answered with status {response.status}")
        tunnel: httpcore.AsyncNetworkStream = response.extensions["network_stream"]
        return tunnel
