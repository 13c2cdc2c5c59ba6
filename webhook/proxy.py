"""The HTTP proxy that the environment names, for providers and the API server alike."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit


class UnusableProxy(ValueError):
    """The environment names a proxy that cannot be used. The text does not quote it, as it may hold a password."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One HTTP proxy.

    Attributes:
        secure: whether the connection to the proxy itself uses TLS.
        authorization: the value of ``Proxy-Authorization``, or empty.
    """

    host: str
    port: int
    secure: bool
    authorization: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """``HOST:PORT``, for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL without credentials."""
        return f"{'https' if self.secure else 'http'}://{self.address}"


def proxy_for(host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for ``https://host:port``, or None for a direct connection.

    ``HTTPS_PROXY`` or ``ALL_PROXY`` names the proxy, and ``NO_PROXY`` the hosts, domains, addresses and networks that
    are connected to directly. Lower case takes precedence, as in curl.

    Raises:
        UnusableProxy: the variable does not hold an ``http://`` or ``https://`` URL.
    """
    name, value = _first_of(environment, "HTTPS_PROXY", "ALL_PROXY")
    _, exceptions = _first_of(environment, "NO_PROXY")
    if not value or _is_excepted(host, port, exceptions):
        return None
    return parse_proxy(name, value)


def parse_proxy(name: str, value: str) -> Proxy:
    """Return the proxy of a URL.

    Args:
        name: where the URL comes from, for the error.

    Raises:
        UnusableProxy: it is not an ``http://`` or ``https://`` URL.
    """
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        port = url.port
    except ValueError:
        raise UnusableProxy(f"{name} is not a valid URL") from None
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise UnusableProxy(f"{name} must be a URL that begins with http:// or https://")
    secure = url.scheme == "https"
    authorization = ""
    if url.username is not None:
        pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
        authorization = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(url.hostname, port or (443 if secure else 80), secure, authorization)


def _first_of(environment: Mapping[str, str], *names: str) -> tuple[str, str]:
    for name in names:
        for spelling in (name.lower(), name):
            if value := environment.get(spelling, "").strip():
                return spelling, value
    return names[0], ""


def _is_excepted(host: str, port: int, exceptions: str) -> bool:
    """Return whether ``NO_PROXY`` names a host, as Go and curl read it.

    An entry is ``*``, a name with all below it, an address or a network, each with an optional port.
    """
    host = host.lower()
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
