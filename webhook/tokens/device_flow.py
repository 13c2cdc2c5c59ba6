"""The OAuth 2.0 device flow (RFC 8628) of GitHub, Enterprise Server and ghe.com.

The user enters a short code on a page of the host. Nothing else that the host sends is shown, and only a page of the
host itself is named (GitHub docs: Authorizing OAuth apps, Device flow).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from webhook.providers.token_shapes import kind_of_token
from webhook.proxy import UnusableProxy, proxy_for

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_USER_CODE = re.compile(r"[A-Z0-9]{2,8}(?:-[A-Z0-9]{2,8}){0,3}\Z")
_DEVICE_CODE = re.compile(r"[\x21-\x7e]{8,512}\Z")
_LARGEST = 65_536
_SECONDS = 15.0
"""Seconds for one request."""
_LONGEST = 3_600
"""Seconds until a code expires, whatever the host says."""
_SLOWER = 5
"""Seconds that `slow_down` adds to the interval (RFC 8628, 3.5)."""
_ENDS = {
    "expired_token": "The code expired before it was entered. Run this again for a new code.",
    "access_denied": "The authorization was denied in the browser. Nothing was changed.",
    "incorrect_device_code": "{host} does not know the code. Run this again for a new code.",
    "incorrect_client_credentials": "{host} does not know the OAuth app. Check clientId under oauth:.",
    "device_flow_disabled": "The OAuth app does not allow the device flow. Enable it in the app's settings at {host}.",
    "unauthorized_client": "{host} does not allow this OAuth app to use the device flow.",
}


class DeviceFlowError(Exception):
    """There is no token; the text is one or more whole sentences."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """A code that waits for the user.

    Attributes:
        page: the page of the host where the user enters the code.
        expires_in: seconds.
        interval: seconds between two requests.
    """

    user_code: str
    page: str
    expires_in: float
    interval: float
    device_code: SecretStr = field(repr=False)


class DeviceFlow:
    """The device flow with one host. Use as an asynchronous context manager."""

    def __init__(
        self,
        web_url: str,
        client_id: str,
        trust: ssl.SSLContext,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            web_url: such as ``https://github.com``.
            client_id: of the OAuth app; it is no secret.

        Raises:
            DeviceFlowError: the environment names a proxy that cannot be used.
        """
        self._web_url = web_url.rstrip("/")
        self._host = urlsplit(web_url).netloc
        self._client_id = client_id
        self._sleep = sleep
        self._clock = clock
        self._client = httpx.AsyncClient(
            verify=trust, follow_redirects=False, timeout=_SECONDS, trust_env=False, proxy=_proxy_for(web_url)
        )

    async def __aenter__(self) -> DeviceFlow:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def start(self, scopes: Iterable[str]) -> Authorization:
        """Ask for a code.

        Raises:
            DeviceFlowError: the host issues none.
        """
        try:
            found = await self._post("/login/device/code", {"scope": " ".join(scopes)})
        except httpx.HTTPError as error:
            raise DeviceFlowError(f"{self._host} cannot be reached ({type(error).__name__}).") from None
        self._raise_for(found)
        code, device, page = (found.get(name) for name in ("user_code", "device_code", "verification_uri"))
        if not (isinstance(code, str) and _USER_CODE.match(code)):
            raise DeviceFlowError(self._foreign)
        if not (isinstance(device, str) and _DEVICE_CODE.match(device)):
            raise DeviceFlowError(self._foreign)
        if not (isinstance(page, str) and self._is_own(page)):
            raise DeviceFlowError(f"{self._host} names a page of another host for the code. It is not shown.")
        expires, interval = _seconds(found.get("expires_in"), 900), _seconds(found.get("interval"), 5)
        return Authorization(code, page, min(expires, _LONGEST), interval, SecretStr(device))

    async def wait(self, authorization: Authorization) -> SecretStr:
        """Return the token when the user has entered the code.

        Raises:
            DeviceFlowError: the user did not, or denied it.
        """
        interval, end = authorization.interval, self._clock() + authorization.expires_in
        fields = {"device_code": authorization.device_code.get_secret_value(), "grant_type": _GRANT}
        while True:
            await self._sleep(interval)
            if self._clock() > end:
                raise DeviceFlowError(_ENDS["expired_token"])
            try:
                found = await self._post("/login/oauth/access_token", fields)
            except httpx.TransportError:
                continue  # RFC 8628, 3.5: the next attempt may get through
            match found.get("error"):
                case "authorization_pending":
                    continue
                case "slow_down":
                    interval = max(interval + _SLOWER, _seconds(found.get("interval"), 0))
                    continue
            self._raise_for(found)
            token = found.get("access_token")
            if not (isinstance(token, str) and token.isascii() and token.isprintable() and kind_of_token(token)):
                raise DeviceFlowError(f"{self._host} sends no token of a kind that it issues.")
            return SecretStr(token)

    def _raise_for(self, found: dict[str, Any]) -> None:
        error = found.get("error")
        if error is not None:
            known = _ENDS.get(str(error), "{host} rejects the request. Check clientId under oauth:.")
            raise DeviceFlowError(known.format(host=self._host))

    def _is_own(self, page: str) -> bool:
        """Whether a page is the host's own: https, the same host and port, and nothing that hides another."""
        try:
            url, own = urlsplit(page), urlsplit(self._web_url)
        except ValueError:
            return False
        plain = page.isascii() and page.isprintable() and " " not in page and "\\" not in page
        return plain and (url.scheme, url.netloc.lower()) == ("https", own.netloc.lower())

    async def _post(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        """Send a form and return the JSON document of the response, whatever its status."""
        data = {"client_id": self._client_id, **fields}
        address = self._web_url + path
        async with self._client.stream("POST", address, data=data, headers={"Accept": "application/json"}) as response:
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _LARGEST:
                    break
        if response.status_code >= 500 or response.status_code == 429:
            raise httpx.ReadError("")
        try:
            document = json.loads(body[:_LARGEST])
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            return document
        raise DeviceFlowError(self._foreign)

    @property
    def _foreign(self) -> str:
        return f"{self._host} does not answer as an OAuth server with the device flow does."


def _proxy_for(web_url: str) -> httpx.Proxy | None:
    """Return the proxy by the rules of all our clients: httpx ignores networks in NO_PROXY, and would read .netrc."""
    url = urlsplit(web_url)
    try:
        proxy = proxy_for(url.hostname or "", url.port or 443, os.environ)
    except UnusableProxy as error:
        raise DeviceFlowError(f"{error}.") from None
    if proxy is None:
        return None
    return httpx.Proxy(proxy.url, headers={"Proxy-Authorization": proxy.authorization} if proxy.authorization else {})


def _seconds(value: object, default: float) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 86_400
    return float(value) if usable else default  # type: ignore[arg-type]
