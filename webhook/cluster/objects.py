"""Read, create, replace and delete objects of the API server as JSON, and map its errors to exceptions.

Fields that this version does not know are written back as they were read. The text of an error has only the status
code: the API server's own message may quote what was sent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import msgspec
from pydantic import SecretStr

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

FIELD_MANAGER = "git-token-webhook"
TIMEOUT = 30.0
"""Seconds for one request. A write waits for admission webhooks, ours included."""


_MAX_STARTS = 10
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

Json = dict[str, Any]

_T = TypeVar("_T")
_L = TypeVar("_L", bound="ObjectList")


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


class ListMetadata(msgspec.Struct, rename="camel"):
    """The metadata of a list or of one page.

    Attributes:
        following: the `continue` token of the next page; empty on the last one.
        remaining_item_count: the number of objects after this page, if the API server reports it.
        resource_version: of the whole list; a watch can start from it.
    """

    following: str = msgspec.field(default="", name="continue")
    remaining_item_count: int = 0
    resource_version: str = ""


class ObjectList(msgspec.Struct):
    """A list of objects. Subclasses declare the items and the fields that they decode."""

    metadata: ListMetadata


class _Objects(ObjectList):
    items: list[Json] | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object and its API path.

    Attributes:
        api: such as ``api/v1`` or ``apis/coordination.k8s.io/v1``.
        plural: such as ``secrets``.
    """

    api: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """The `apiVersion` field of the objects."""
        return self.api.partition("/")[2]

    def path(self, namespace: str | None) -> str:
        """Return the path of the objects in a namespace, or of cluster-scoped objects for None."""
        return f"/{self.api}/namespaces/{namespace}/{self.plural}" if namespace else f"/{self.api}/{self.plural}"


SECRET = Resource("api/v1", "Secret", "secrets")
LEASE = Resource("apis/coordination.k8s.io/v1", "Lease", "leases")
_ACCESS_REVIEW = Resource("apis/authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews")


class ApiObjects:
    """Reads and writes objects with a client of `kubernetes.aio`, which the caller closes."""

    def __init__(self, client: ApiClient, *, timeout: float = TIMEOUT) -> None:
        """
        Args:
            timeout: seconds for one request.
        """
        self._client: Any = client
        self._timeout = timeout

    async def read(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        """Return an object; None if it does not exist.

        Raises:
            ApiError: it cannot be read.
        """
        try:
            return await self._request("GET", f"{resource.path(namespace)}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def create(self, resource: Resource, namespace: str | None, document: Json) -> Json:
        """Create an object and return it.

        Raises:
            Conflict: an object of this name exists.
            ApiError: it was not created.
        """
        whole = {"apiVersion": resource.api_version, "kind": resource.kind, **document}
        return await self._request("POST", f"{resource.path(namespace)}?fieldManager={FIELD_MANAGER}", whole)

    async def replace(self, resource: Resource, document: Json) -> Json:
        """Replace an object that was read, and return the new version.

        Raises:
            Conflict: it has changed since it was read.
            ApiError: it was not changed.
        """
        metadata = document["metadata"]
        path = f"{resource.path(metadata.get('namespace'))}/{metadata['name']}?fieldManager={FIELD_MANAGER}"
        return await self._request("PUT", path, document)

    async def delete(self, resource: Resource, namespace: str | None, name: str, *, uid: str | None = None) -> None:
        """Delete an object. An object that does not exist is no error.

        Args:
            uid: delete only the object with this UID.

        Raises:
            Conflict: the object has another UID.
            ApiError: it was not deleted.
        """
        body = {"preconditions": {"uid": uid}} if uid is not None else None
        try:
            await self._request("DELETE", f"{resource.path(namespace)}/{name}", body)
        except ApiError as error:
            if error.status != 404:
                raise

    async def pages(
        self, resource: Resource, *, namespace: str | None = None, selector: str = "", page: int = 250
    ) -> AsyncIterator[list[Json]]:
        """Yield all objects of a kind. Some repeat when the API server answers 410.

        Args:
            namespace: None for all namespaces.
            selector: a label selector in kubectl's syntax.

        Raises:
            ApiError: the list cannot be read to its end.
        """

        def ask(following: str) -> Awaitable[bytes]:
            query = urlencode({"limit": page, "labelSelector": selector, "continue": following})
            return self._call("GET", f"{resource.path(namespace)}?{query}")

        async for found, _ in paged(ask, _Objects):
            yield found.items or []

    async def may(self, verb: str, plural: str, namespace: str, *, group: str = "", name: str = "") -> bool:
        """Return whether the caller may do this (SelfSubjectAccessReview).

        Args:
            plural: of the resource, such as ``secrets``.

        Raises:
            ApiError: the API server does not tell.
        """
        asked = {"verb": verb, "group": group, "resource": plural, "namespace": namespace, "name": name}
        review = await self.create(_ACCESS_REVIEW, None, {"spec": {"resourceAttributes": asked}})
        return bool((review.get("status") or {}).get("allowed"))

    async def served(self, api: str) -> frozenset[str]:
        """Return the plural names of the resources of an API, such as ``apis/openreports.io/v1alpha1``.

        Raises:
            ApiError: the API server does not tell.
        """
        try:
            found = await self._request("GET", f"/{api}")
        except ApiError as error:
            if error.status == 404:
                return frozenset()
            raise
        return frozenset(resource["name"] for resource in found.get("resources") or [])

    async def _request(self, method: str, path: str, body: Json | None = None) -> Json:
        return decoded(await self._call(method, path, body), Json)

    async def _call(self, method: str, path: str, body: Json | None = None) -> bytes:
        request = await self._client.param_serialize(
            method, path, header_params={"Accept": "application/json"}, body=body, auth_settings=["BearerToken"]
        )
        return await call(self._client.call_api(*request, _request_timeout=self._timeout), self._timeout)


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


class _Status(msgspec.Struct):
    message: str = ""
    metadata: ListMetadata = msgspec.field(default_factory=ListMetadata)


def _status(body: bytes) -> _Status:
    try:
        return msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        return _Status()


def decoded(answer: bytes, kind: type[_T]) -> _T:
    """Decode a response of the API server.

    Raises:
        ApiError: it cannot be decoded as `kind`.
    """
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError:
        raise ApiError("the API server's response cannot be decoded") from None


async def paged(ask: Callable[[str], Awaitable[bytes]], kind: type[_L]) -> AsyncIterator[tuple[_L, bool]]:
    """Yield a list page by page, each with whether the list starts with it, for the first time or again.

    After a 410 the list goes on with the current objects if the API server sends a `continue` token; otherwise it
    starts again.

    Args:
        ask: returns the page after a `continue` token, by `call`; the first page for an empty one.

    Raises:
        ApiError: the list cannot be read to its end.
    """
    following, starts = "", 1
    while True:
        is_first = not following
        try:
            found = decoded(await ask(following), kind)
        except Expired as error:
            following, starts = error.following, starts + 1
            if starts > _MAX_STARTS:
                raise
            continue
        yield found, is_first
        following = found.metadata.following
        if not following:
            return


class Unavailable(Exception):
    """The API server is unavailable. The text is a clause that says why."""
