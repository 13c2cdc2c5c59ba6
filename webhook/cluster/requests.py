"""Send requests to the API server, and map its errors to exceptions.

The library's generated classes, such as ``CoreV1Api``, are not used: one of them takes 100 MiB and a second, because
it imports the models of all kinds. The text of an error has only the status code: the API server's own message may
quote what was sent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from pydantic import SecretStr

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from kubernetes.aio.client import ApiClient

TIMEOUT = 30.0
"""Seconds for one request. A write waits for admission webhooks, ours included."""
JSON = "application/json"

# By name, so that aiohttp is not imported only for its exceptions.
_REASONS = {
    "ClientConnectorError": "cannot connect to its address",
    "ClientConnectorDNSError": "its host name cannot be resolved (DNS)",
    "ClientConnectorCertificateError": "its certificate cannot be verified",
    "ClientConnectorSSLError": "the TLS handshake fails",
    "ClientProxyConnectionError": "cannot connect to the proxy",
    "ClientHttpProxyError": "the proxy rejects the connection",
    "ServerDisconnectedError": "it closed the connection",
    "ClientOSError": "it closed the connection",
}

# RBAC's message (Kubernetes: apiserver, responsewriters.forbiddenMessage).
_FORBIDDEN = re.compile(
    r"cannot (?P<verb>[a-z]{1,20}) resource \"(?P<resource>[a-z./]{1,100})\" in API group \"[a-z0-9.-]{0,253}\""
    r"(?: in the namespace \"(?P<namespace>[a-z0-9-]{1,63})\")?"
)
_REFUSALS = (
    ("exceeded quota", "a ResourceQuota of the namespace is exhausted"),
    ("because it is being terminated", "the namespace is being deleted"),
    ("ValidatingAdmissionPolicy", "a ValidatingAdmissionPolicy denies it"),
    ("admission webhook", "an admission webhook denies it"),
)
_LONGEST_MESSAGE = 2000

_T = TypeVar("_T")


class Unavailable(Exception):
    """The API server is unavailable. The text is a clause that says why."""


class ApiError(Exception):
    """A request to the API server failed. The text is a clause that says why and quotes no response.

    Attributes:
        status: the HTTP status code; 0 without a response.
        message: the API server's own message. It may quote what was sent, so check it before you show it.
    """

    def __init__(self, text: str, status: int = 0, message: SecretStr | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.message = message or SecretStr("")


class Conflict(ApiError):
    """Another client has changed the object since it was read, or created it (409)."""


class Expired(ApiError):
    """The `continue` token or resourceVersion is too old (410).

    Attributes:
        following: a `continue` token that goes on with the current objects; empty where the API server sent none.
    """

    def __init__(self, following: str) -> None:
        super().__init__("the API server answers 410", 410)
        self.following = following


class Requests:
    """Sends requests with a client of `kubernetes.aio`, which the caller closes."""

    def __init__(self, client: ApiClient, *, timeout: float = TIMEOUT) -> None:
        """
        Args:
            timeout: seconds for one request.
        """
        self._client: Any = client  # without type annotations
        self._timeout = timeout

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, object] | None = None,
        accept: str = JSON,
        content_type: str = JSON,
    ) -> bytes:
        """Return the body of the response.

        Args:
            path: from `path_of`.
            body: is sent as JSON, unless it is None.
            query: parameters; those with an empty value are left out.

        Raises:
            Conflict: another client has changed the object (409).
            Expired: the resourceVersion or the `continue` token is too old (410).
            ApiError: the request failed.
        """
        headers = {"Accept": accept, "Content-Type": content_type}
        request = self._request(method, path, query, headers, body, self._timeout)
        return await call(request, self._timeout)

    async def open(self, path: str, query: Mapping[str, object], *, accept: str, seconds: float) -> ClientResponse:
        """Return a response whose body has not been read, whatever its status is. The caller closes it."""
        wrapped = await self._request("GET", path, query, {"Accept": accept}, None, seconds)
        response: ClientResponse = wrapped.response
        return response

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None,
        headers: Mapping[str, str],
        body: object,
        timeout: float,
    ) -> Awaitable[Any]:
        given = {name: value for name, value in (query or {}).items() if value != ""}
        url = f"{self._client.configuration.host}{path}{'?' if given else ''}{urlencode(given)}"
        headers = {**self._client.default_headers, **headers}
        sent: Awaitable[Any] = self._client.call_api(method, url, headers, body, _request_timeout=timeout)
        return sent


def path_of(*segments: str) -> str:
    """Return the path of segments such as names, quoted.

    Raises:
        ApiError: a segment would change the path.
    """
    if any(segment in ("", ".", "..") for segment in segments):
        raise ApiError("no object can have this name", 404)
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


async def call(request: Awaitable[Any], seconds: float = TIMEOUT) -> bytes:
    """Await a request for so many seconds, and return the body of the response.

    Raises:
        ApiError: the request failed.
    """
    try:
        async with asyncio.timeout(seconds):
            response = await request
            body: bytes = await response.read()
    except TimeoutError:
        raise ApiError("the API server does not answer in time") from None
    except Exception as error:
        raise ApiError(f"the API server cannot be reached: {reason_of(error)}") from None
    status: int = response.status
    if status == 409:
        raise Conflict("the API server answers 409: another client changed it at the same time", status)
    if status == 410:
        raise Expired(_status(body).metadata.following)
    if not 200 <= status < 300:
        raise ApiError(f"the API server answers {status}", status, SecretStr(_status(body).message))
    return body


def explained(error: ApiError) -> str:
    """Return the text of an error, and why a request is forbidden (403), as far as the API server's message is known.

    The message can contain what was sent, so only the known parts of it are repeated.
    """
    if error.status != 403:
        return str(error)
    message = error.message.get_secret_value()[:_LONGEST_MESSAGE]
    if (found := _FORBIDDEN.search(message)) is not None:
        where = f" in namespace {found['namespace']}" if found["namespace"] else ""
        return f"{error} (this account lacks the verb {found['verb']} on {found['resource']}{where})"
    for words, why in _REFUSALS:
        if words in message:
            return f"{error} ({why})"
    return f"{error} (an admission policy or another rule of the cluster forbids it)"


def reason_of(error: Exception) -> str:
    """Return why a request failed, as a clause. It names the proxy if there is one.

    The error's own text may quote the request, whose header has the caller's credentials.
    """
    name = type(error).__name__
    why = _REASONS.get(name, name)
    match name:
        case "ClientProxyConnectionError":
            return f"{why} {getattr(error, 'host', '')}:{getattr(error, 'port', '')}"
        case "ClientHttpProxyError":
            return f"{why} ({getattr(error, 'status', '')})"
    return why


def decoded(answer: bytes, kind: type[_T]) -> _T:
    """Decode a response of the API server.

    Raises:
        ApiError: it cannot be decoded as `kind`.
    """
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError:
        raise ApiError("the API server's response cannot be decoded") from None


class _StatusMetadata(msgspec.Struct):
    following: str = msgspec.field(default="", name="continue")


class _Status(msgspec.Struct):
    message: str = ""
    metadata: _StatusMetadata = msgspec.field(default_factory=_StatusMetadata)


def _status(body: bytes) -> _Status:
    try:
        return msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        return _Status()
