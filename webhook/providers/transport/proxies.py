"""The proxy that an operator's environment names, and tunnels through it.

``HTTPS_PROXY`` (or ``ALL_PROXY``) names it, ``NO_PROXY`` the hosts that are reached without; lower case works too.
A request goes inside a CONNECT tunnel, whose other end is the provider itself: the proxy sees the provider's name,
and neither token nor answer. The proxy resolves the name as well, so which addresses may be connected to is the
proxy's to enforce and not ours, but for an address that is written in the URL itself.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

import anyio
import httpcore

from webhook.providers.base import ProviderUnavailable
from webhook.providers.transport.addresses import AddressNotAllowed, CheckedBackend, may_connect
from webhook.providers.transport.trust import Trust


class ProxyRejected(ProviderUnavailable):
    """The proxy is there and won't connect us."""


class UnusableProxy(ValueError):
    """The environment names a proxy that we can't use; the text doesn't quote it (it may hold a password)."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One HTTP proxy.

    Attributes:
        secure: spoken to by TLS itself.
        authorization: the value of ``Proxy-Authorization``, or empty.
    """

    host: str
    port: int
    secure: bool
    authorization: str = field(default="", repr=False)


def proxy_for(host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy by which ``https://host:port`` is reached, or None for directly.

    Raises:
        UnusableProxy: it is no ``http://`` or ``https://`` URL.
    """
    name, value = _first_of(environment, "HTTPS_PROXY", "ALL_PROXY")
    _, exceptions = _first_of(environment, "NO_PROXY")
    if not value or _is_excepted(host, port, exceptions):
        return None
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        proxy_port = url.port
    except ValueError:
        raise UnusableProxy(f"{name} is not a valid URL") from None
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise UnusableProxy(f"{name} must be a URL that begins with http:// or https://")
    secure = url.scheme == "https"
    authorization = ""
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(url.hostname, proxy_port or (443 if secure else 80), secure, authorization)


def _first_of(environment: Mapping[str, str], *names: str) -> tuple[str, str]:
    for name in names:
        for spelling in (name.lower(), name):  # curl and Python look at the lower case first
            if value := environment.get(spelling, "").strip():
                return spelling, value
    return names[0], ""


def _is_excepted(host: str, port: int, exceptions: str) -> bool:
    """``NO_PROXY`` as Go and curl read it: ``*``, names with all below them, addresses, networks; each with a port."""
    address = None
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        pass
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in re.split(r"[,\s]+", exceptions.lower()):
        if entry == "*":
            return True
        named, colon, number = entry.rpartition(":")
        if colon and number.isdigit() and (named.startswith("[") or ":" not in named):
            if int(number) != port:
                continue
            entry = named
        if address is not None:
            try:
                if address in ip_network(entry.strip("[]"), strict=False):
                    return True
            except ValueError:
                continue
        elif suffix := entry.removeprefix("*").strip("."):
            if host.endswith(f".{suffix}") or (host == suffix and not entry.startswith((".", "*"))):
                return True
    return False


class TunnelBackend(httpcore.AsyncNetworkBackend):
    """Connects to hosts through one proxy's CONNECT."""

    def __init__(self, proxy: Proxy, trust: Trust, *, declared: bool) -> None:
        self._proxy = proxy
        self._trust = trust
        self._declared = declared
        # A proxy is the operator's own word, like a declared host: it may be private, and isn't metadata.
        self._direct = CheckedBackend(declared=True)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The stream inside a fresh tunnel to ``host:port``.

        Raises:
            AddressNotAllowed: `host` is itself an address that must not be connected to.
            ProxyRejected: the proxy won't connect us.
            httpcore.ProxyError: the proxy can't be reached, or breaks off.
        """
        try:
            if not may_connect(ip_address(host.strip("[]")), declared=self._declared):
                raise AddressNotAllowed("is an address that is not allowed")
        except ValueError:
            pass  # a name, which the proxy resolves
        try:
            return await self._tunnel(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except (httpcore.NetworkError, httpcore.ProtocolError, AddressNotAllowed):
            # What went wrong with the proxy must not read as if it had gone wrong with the provider.
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
