"""The HTTPS client for all providers.

`ProviderClient` is created once and holds the connections; `ProviderClient.api` returns the API for one inspection
(`host_api`).

It is built on httpcore and not on httpx, which keeps cookies: a session that a provider opened for the token of one
tenant would be sent with the token of the next. Credentials are only in headers, and headers never appear in a URL, log
line, `repr` or exception.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import httpcore

from webhook.providers.base import Api, Provider, ProviderUnavailable
from webhook.providers.hosts import Host, Kind
from webhook.providers.transport.addresses import CheckedBackend, Resolve, system_resolve
from webhook.providers.transport.connections import Connections, Endpoint
from webhook.providers.transport.host_api import HostApi, Shared
from webhook.providers.transport.limits import HostThrottle, Limits
from webhook.providers.transport.proxies import TunnelBackend
from webhook.providers.transport.redirects import PATH
from webhook.providers.transport.trust import FileTrust, SystemTrust, Trust, TrustUnavailable
from webhook.providers.urls import MalformedUrl, parse_host
from webhook.proxy import UnusableProxy, proxy_for

T = TypeVar("T")

_MAX_HOSTS = 64  # every name below .ghe.com is a host, so users control the number

OnRequest = Callable[[Kind, str, float], None]
"""Called after every attempt with the kind of the host, the result (``2xx``, ``3xx``, ``4xx``, ``5xx``, ``timeout``,
``error``, ``rate_limited``, or ``retry`` for a failure that is retried) and the duration in seconds."""


class ProviderClient:
    """The connections of this process to all providers.

    The client resolves host names itself and connects only to allowed addresses (see `addresses`). Where the
    environment names a proxy, the proxy resolves the name and has to check addresses; the credential is sent only
    through the TLS tunnel inside it (see `proxies`).
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        on_request: OnRequest | None = None,
        throttle: HostThrottle | None = None,
        environment: Mapping[str, str] = os.environ,
        resolve: Resolve = system_resolve,
    ) -> None:
        """
        Args:
            throttle: the rate limits that a previous client has seen.
        """
        self._limits = limits or Limits()
        self._on_request = on_request
        self._environment = environment
        self._resolve = resolve
        self._system_trust = SystemTrust(environment)
        # A proxy is used over HTTP/1.1, so nothing else must be offered.
        self._proxy_trust = SystemTrust(environment, ["http/1.1"])
        self._hosts: OrderedDict[Host, Connections] = OrderedDict()
        self._background: set[asyncio.Task[Any]] = set()
        self._throttle = throttle or HostThrottle()
        self._shared = Shared(self._limits, self._throttle, self._connections, self._start, self._report)

    async def __aenter__(self) -> Self:
        _quiet_libraries()
        # Reading the system's authorities takes tens of milliseconds, for which no request should wait.
        try:
            await asyncio.to_thread(self._system_trust.context)
        except TrustUnavailable:
            pass  # requests that need them fail with this error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._background:
            await asyncio.wait(self._background)
        while self._hosts:
            _, connections = self._hosts.popitem()
            await connections.aclose()

    def api(
        self, host: Host, provider: Provider, credential_digest: bytes, deadline: float, needed_by: float | None = None
    ) -> Api:
        """Return the API of a host for one inspection.

        Args:
            host: the host; requests are sent only below its `api_url`.
            provider: recognises the rate limits of the host.
            credential_digest: keyed; rate limits of one credential pause only its requests.
            deadline: when every request must have ended, by the running loop's `time()`.
            needed_by: see `Api.needed_by`; defaults to the deadline.
        """
        needed_by = deadline if needed_by is None else needed_by
        return HostApi(self._shared, host, provider, credential_digest, deadline, needed_by)

    def note_account(self, host: Host, credential_digest: bytes, account: str) -> None:
        """Remember the account of a credential; see `limits.Pauses` for why it matters."""
        self._throttle.pauses.note_account(host.api_url, credential_digest, account)

    def _connections(self, host: Host) -> Connections:
        """Return the connection pool of the host, created on first use. Use it at once: it may be evicted later.

        Raises:
            ProviderUnavailable: its API URL or its proxy is not valid.
        """
        if (connections := self._hosts.get(host)) is not None:
            self._hosts.move_to_end(host)
            return connections
        endpoint = _endpoint(host)
        trust: Trust = FileTrust(host.ca_file) if host.ca_file is not None else self._system_trust
        try:
            proxy = proxy_for(endpoint.host, endpoint.port, self._environment)
        except UnusableProxy as error:
            raise ProviderUnavailable(f"cannot be asked: {error}") from None
        backend: httpcore.AsyncNetworkBackend
        if proxy is not None:
            backend = TunnelBackend(proxy, self._proxy_trust, declared=host.declared)
        else:
            backend = CheckedBackend(declared=host.declared, resolve=self._resolve)
        connections = Connections(endpoint, trust, backend, concurrency=self._limits.concurrency)
        self._evict_hosts()
        self._hosts[host] = connections
        return connections

    def _evict_hosts(self) -> None:
        surplus = len(self._hosts) + 1 - _MAX_HOSTS
        for host, connections in list(self._hosts.items()) if surplus > 0 else ():
            if surplus > 0 and not connections.in_use:
                self._start(self._hosts.pop(host).aclose())
                surplus -= 1

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` in a task that continues when the caller is cancelled."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _report(self, kind: Kind, result: str, started: float) -> None:
        if self._on_request is not None:
            self._on_request(kind, result, time.monotonic() - started)


def _endpoint(host: Host) -> Endpoint:
    try:
        url = urlsplit(host.api_url)
        authority = parse_host(url.netloc)
    except MalformedUrl as error:
        raise ProviderUnavailable(f"cannot be asked: its API URL {error}") from None
    except ValueError:
        raise ProviderUnavailable("cannot be asked: its API URL is not a valid URL") from None
    if url.scheme != "https":
        raise ProviderUnavailable("cannot be asked: its API URL does not begin with https://")
    if url.query or url.fragment or not PATH.match(f"/{url.path}"):
        clause = "cannot be asked: its API URL has a query or a fragment, or invalid characters in its path"
        raise ProviderUnavailable(clause)
    name, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        name, port = authority, "443"
    return Endpoint(name.strip("[]"), int(port), authority, url.path.rstrip("/"))


def _quiet_libraries() -> None:
    """Silence the HTTP libraries: at debug level, httpcore and hpack log whole requests with their headers."""
    for name in ("httpcore", "httpx", "h2", "hpack", "h11"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
