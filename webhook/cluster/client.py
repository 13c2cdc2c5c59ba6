"""A client of the API server that renews its credentials and CA, and waits out rate limits.

It honors `NO_PROXY` as Go does. Importing this module imports `kubernetes`, which takes half a second: import it
where it is used.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTClientObject

from webhook.cluster.access import Access
from webhook.proxy import parse_proxy, proxy_for

_RENEW_AFTER = 60.0
"""Seconds after which files are read again. The kubelet renews a token when 80 % of its lifetime have passed."""
_PLUGIN_MARGIN = 300.0
"""Seconds before the expiry of a plugin's token at which the plugin runs again."""
_AT_LEAST = 5.0
"""Seconds between two renewals, so that a rejected credential does not run a plugin for each request."""
_PATIENCE = 10.0
"""Seconds after which a renewal is late. A rejected request waits for it so long."""
_SHORT_WAIT = 1.0
"""Seconds that a request with accepted credentials waits for their renewal."""
_MOST_WAITS = 10
"""Retries after a rate limit, as in client-go (rest/request.go)."""
_LONGEST_WAIT = 30.0
_MOST_KEPT = 4
"""Old connection pools that are kept for the watches on them."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration of the client as it was read.

    Attributes:
        lasts: seconds until it must be read again; infinite if only a rejected request can tell.
    """

    configuration: Configuration
    lasts: float = _RENEW_AFTER


class RenewingClient(ApiClient):
    """`ApiClient` whose requests use current credentials."""

    def __init__(
        self,
        loaded: Loaded,
        load: Callable[[], Awaitable[Loaded]],
        *,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            load: reads the configuration again.
            environment: names the proxy.
        """
        self._environment = environment
        self._identity = _identity(loaded.configuration)  # before the proxy is set
        super().__init__(configuration=_with_proxy(loaded.configuration, environment))
        self._load = load
        self._clock = clock
        self._patience = _PATIENCE
        self._version = 0
        self._due = clock() + loaded.lasts
        self._not_before = clock() + _AT_LEAST
        self._reading: asyncio.Task[None] | None = None
        self._old_pools: list[Any] = []  # of RESTClientObject, which has no type annotations
        self.access = Access()

    async def call_api(
        self,
        method: str,
        url: str,
        header_params: dict[str, str] | None = None,
        body: Any = None,
        post_params: Any = None,
        _request_timeout: Any = None,
        _preload_content: bool = True,
    ) -> Any:
        """Send a request, again after a renewal or a rate limit where the API server did not process it."""
        if self._clock() >= self._due:
            await self._renew(self._version, _SHORT_WAIT)
        waits, renewed = 0, False
        while True:
            sent_with = self._version
            headers = {**(header_params or {}), **self._authorization()}
            try:
                pool: Any = self.rest_client  # without type annotations
                response = await pool.request(
                    method,
                    self._current(url),
                    headers=headers,
                    body=body,
                    post_params=post_params,
                    _request_timeout=_request_timeout,
                )
            except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError):
                if not renewed and await self._renew(sent_with, self._patience):
                    renewed = True
                    continue
                self.access.set("requests", "the certificate of the API server cannot be verified")
                raise
            if response.status == 401 and not renewed and await self._renew(sent_with, self._patience):
                renewed = True
                response.response.release()
                continue
            if response.status == 429 and waits < _MOST_WAITS and (wait := _retry_after(response)) is not None:
                waits += 1
                response.response.release()
                await asyncio.sleep(wait)
                continue
            rejected = response.status == 401
            self.access.set("requests", "the API server rejects the credentials (401)" if rejected else None)
            return response

    async def close(self) -> None:
        """Close all connections."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        for pool in self._old_pools:
            await pool.close()
        parent: Any = super()
        await parent.close()

    def _authorization(self) -> dict[str, str]:
        token = self.configuration.api_key.get("BearerToken")
        return {"authorization": token} if token else {}

    def _current(self, url: str) -> str:
        """Return the URL with the current server, where the kubeconfig names another one now."""
        for pool in self._old_pools:
            if url.startswith(f"{pool.configuration.host}/"):
                return f"{self.configuration.host}{url.removeprefix(pool.configuration.host)}"
        return url

    async def _renew(self, sent_with: int, patience: float) -> bool:
        """Read the configuration again; return whether there is a newer one than the version `sent_with`.

        All requests share one reading, however long it takes, so that there is never more than one process of a plugin.
        """
        if self._version > sent_with:
            return True
        if self._reading is None or self._reading.done():
            if self._clock() < self._not_before and self._clock() < self._due:
                return False
            self._not_before = self._due = self._clock() + _AT_LEAST
            self._reading = asyncio.create_task(self._read(), name="credentials")
        await asyncio.wait({self._reading}, timeout=patience)
        return self._version > sent_with

    async def _read(self) -> None:
        late = "the credentials are still being read; an exec plugin may hang"
        timer = asyncio.get_running_loop().call_later(self._patience, self.access.set, "credentials", late)
        try:
            loaded = await self._load()
            await self._use(loaded.configuration)
        except Exception as error:  # any, as for the first configuration: the next attempt may succeed
            self.access.set("credentials", f"the credentials cannot be read again ({type(error).__name__})")
            return
        finally:
            timer.cancel()
        self._version += 1
        self._due = self._clock() + loaded.lasts
        self.access.set("credentials", None)

    async def _use(self, configuration: Configuration) -> None:
        identity = _identity(configuration)
        configuration = _with_proxy(configuration, self._environment)
        if identity == self._identity:
            self.configuration.api_key = configuration.api_key
            return
        # Watches go on with the connections that they have.
        self._old_pools.append(self.rest_client)
        if len(self._old_pools) > _MOST_KEPT:
            await self._old_pools.pop(0).close()
        self._identity = identity
        self.configuration = configuration
        self.rest_client = RESTClientObject(configuration)


def _with_proxy(configuration: Configuration, environment: Mapping[str, str]) -> Configuration:
    """Set the proxy by our own rules, which the client's library does not share: it ignores networks in NO_PROXY.

    Raises:
        UnusableProxy: the environment or the kubeconfig names one that cannot be used.
    """
    server = urlsplit(configuration.host)
    # `proxy-url` of the kubeconfig comes first.
    named = configuration.proxy
    proxy = (
        parse_proxy("proxy-url", named) if named else proxy_for(server.hostname or "", server.port or 443, environment)
    )
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.proxy = proxy.url if proxy is not None else None
    if proxy is not None and proxy.authorization:
        configuration.proxy_headers = {"Proxy-Authorization": proxy.authorization}
    return configuration


def _identity(configuration: Configuration) -> bytes:
    """Return a digest of all that connections depend on: the server and the contents of certificate files."""
    found = hashlib.blake2b(digest_size=32)
    files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    plain = (configuration.host, configuration.verify_ssl, configuration.tls_server_name, configuration.proxy)
    for part in (*map(_content, files), *(repr(one).encode() for one in plain)):
        found.update(len(part).to_bytes(8, "big") + part)
    return found.digest()


def _content(file: str | None) -> bytes:
    try:
        return Path(file).read_bytes() if file else b""
    except OSError:
        return b""


def _retry_after(response: Any) -> float | None:
    """Return the seconds to wait; None if the API server does not ask to retry."""
    header = response.headers.get("Retry-After", "")
    return min(float(header), _LONGEST_WAIT) if re.fullmatch(r"[0-9]{1,6}", header) else None


def lifetime_of_plugin(expires_in: float | None) -> float:
    """Return for how long a credential of an exec plugin is used.

    Args:
        expires_in: seconds until its expiry; None if the plugin does not say, as then only a 401 can tell.
    """
    return float("inf") if expires_in is None else max(_AT_LEAST, expires_in - _PLUGIN_MARGIN)
