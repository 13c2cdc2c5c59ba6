"""Objects of the API server as they are, JSON in and JSON out: read, create, replace, and what its answers mean.

For what must change an object without knowing all of it: whatever this version of ours has never heard of is written
back as it was read. Of the API server's errors only the status is told: their text may quote what was sent.
"""

from __future__ import annotations

import asyncio
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
"""Seconds for one request: a write waits for admission webhooks, ours among them."""


_MOST_BEGINNINGS = 10
# By the names of aiohttp's exceptions, so that it need not be imported for them.
_REASONS = {
    "ClientConnectorError": "nobody answers at its address",
    "ClientConnectorDNSError": "its name isn't known (DNS)",
    "ClientConnectorCertificateError": "its certificate can't be verified",
    "ClientConnectorSSLError": "it does not speak TLS as it should",
    "ServerDisconnectedError": "it closed the connection",
    "ClientOSError": "it closed the connection",
}

Json = dict[str, Any]

_T = TypeVar("_T")
_L = TypeVar("_L", bound="ObjectList")


class ApiError(Exception):
    """The API server didn't do what it was asked for; the text is a clause about it, and quotes nothing of it.

    Attributes:
        status: what it answered; 0 where it didn't.
        message: its own, which may quote what was sent: whoever shows it sees to that.
    """

    def __init__(self, text: str, status: int = 0, message: SecretStr | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.message = message or SecretStr("")


class Conflict(ApiError):
    """Somebody else has changed the object since it was read, or made it."""


class Expired(ApiError):
    """The API server has forgotten where in a list we were (410).

    Attributes:
        following: where the list goes on all the same, with what there is now; empty where it doesn't say.
    """

    def __init__(self, following: str) -> None:
        super().__init__("the API server answers 410", 410)
        self.following = following


class ListMetadata(msgspec.Struct, rename="camel"):
    """Of any list, or part of one.

    Attributes:
        following: the `continue` by which the next part is asked for; empty after the last one.
        remaining_item_count: how many objects come after these, as far as the API server says so.
        resource_version: of the list as a whole, from which on changes can be followed.
    """

    following: str = msgspec.field(default="", name="continue")
    remaining_item_count: int = 0
    resource_version: str = ""


class ObjectList(msgspec.Struct):
    """Objects of a kind; which, and what of them matters, says the class that comes of it."""

    metadata: ListMetadata


class _Objects(ObjectList):
    items: list[Json] | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, and where the API server keeps it.

    Attributes:
        api: such as ``api/v1`` or ``apis/coordination.k8s.io/v1``.
        plural: such as ``secrets``.
    """

    api: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """As objects have it."""
        return self.api.partition("/")[2]

    def path(self, namespace: str | None) -> str:
        """Where those of a namespace are, or those that have none."""
        return f"/{self.api}/namespaces/{namespace}/{self.plural}" if namespace else f"/{self.api}/{self.plural}"


SECRET = Resource("api/v1", "Secret", "secrets")
LEASE = Resource("apis/coordination.k8s.io/v1", "Lease", "leases")


class ApiObjects:
    """Reads and writes objects with a client of `kubernetes.aio`, which stays its owner's."""

    def __init__(self, client: ApiClient, *, timeout: float = TIMEOUT) -> None:
        """
        Args:
            timeout: seconds for one request.
        """
        self._client: Any = client
        self._timeout = timeout

    async def read(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        """An object; None where there is none.

        Raises:
            ApiError: it can't be read.
        """
        try:
            return await self._request("GET", f"{resource.path(namespace)}/{name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def create(self, resource: Resource, namespace: str | None, document: Json) -> Json:
        """The object as it was made.

        Raises:
            Conflict: there is one of this name.
            ApiError: it was not made.
        """
        whole = {"apiVersion": resource.api_version, "kind": resource.kind, **document}
        return await self._request("POST", f"{resource.path(namespace)}?fieldManager={FIELD_MANAGER}", whole)

    async def replace(self, resource: Resource, document: Json) -> Json:
        """The object as it is after the change of what was read.

        Raises:
            Conflict: it isn't any more what was read.
            ApiError: it was not changed.
        """
        metadata = document["metadata"]
        path = f"{resource.path(metadata.get('namespace'))}/{metadata['name']}?fieldManager={FIELD_MANAGER}"
        return await self._request("PUT", path, document)

    async def delete(self, resource: Resource, namespace: str | None, name: str, *, uid: str | None = None) -> None:
        """Delete an object; that there is none is well.

        Args:
            uid: only if it is still this very object.

        Raises:
            Conflict: it is another one.
            ApiError: it was not deleted.
        """
        body = {"preconditions": {"uid": uid}} if uid is not None else None
        try:
            await self._request("DELETE", f"{resource.path(namespace)}/{name}", body)
        except ApiError as error:
            if error.status != 404:
                raise

    async def pages(self, resource: Resource, *, selector: str = "", page: int = 250) -> AsyncIterator[list[Json]]:
        """All objects of a kind, in all namespaces; some come again where the API server forgets where we were (410).

        Args:
            selector: for labels, as kubectl takes it.

        Raises:
            ApiError: they can't be listed to the end.
        """

        def ask(following: str) -> Awaitable[bytes]:
            query = urlencode({"limit": page, "labelSelector": selector, "continue": following})
            return self._call("GET", f"{resource.path(None)}?{query}")

        async for found, _ in paged(ask, _Objects):
            yield found.items or []

    async def served(self, api: str) -> frozenset[str]:
        """The plural names of all that the API server serves there, such as ``apis/openreports.io/v1alpha1``.

        Raises:
            ApiError: it doesn't say.
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
    """What the API server answers within so many seconds.

    Raises:
        ApiError: it isn't what was asked for.
    """
    try:
        async with asyncio.timeout(seconds):
            response = await request
            body: bytes = await response.read()
    except TimeoutError:
        raise ApiError("the API server doesn't answer in time") from None
    except Exception as error:
        # aiohttp's and the client's own errors may quote the request, whose header holds the caller's credentials.
        raise ApiError(f"the API server can't be reached: {_REASONS.get(name := type(error).__name__, name)}") from None
    status: int = response.status
    if status == 409:
        raise Conflict("the API server answers 409: somebody else is changing it", status)
    if status == 410:
        raise Expired(_status(body).metadata.following)
    if not 200 <= status < 300:
        raise ApiError(f"the API server answers {status}", status, SecretStr(_status(body).message))
    return body


class _Status(msgspec.Struct):
    message: str = ""
    metadata: ListMetadata = msgspec.field(default_factory=ListMetadata)


def _status(body: bytes) -> _Status:
    try:
        return msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        return _Status()


def decoded(answer: bytes, kind: type[_T]) -> _T:
    """What the API server answered.

    Raises:
        ApiError: it is something else.
    """
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError:
        raise ApiError("the API server answers what this version doesn't understand") from None


async def paged(ask: Callable[[str], Awaitable[bytes]], kind: type[_L]) -> AsyncIterator[tuple[_L, bool]]:
    """A list part by part, each with whether the list begins with it, for the first time or again.

    Where the API server has forgotten in between where we were (410), the list goes on with what there is now, or
    begins again where it doesn't say how to.

    Args:
        ask: answers with the part that follows so, by `call`; with the first one for an empty text.

    Raises:
        ApiError: it can't be had to its end.
    """
    following, beginnings = "", 1
    while True:
        anew = not following
        try:
            found = decoded(await ask(following), kind)
        except Expired as error:
            following, beginnings = error.following, beginnings + 1
            if beginnings > _MOST_BEGINNINGS:
                raise
            continue
        yield found, anew
        following = found.metadata.following
        if not following:
            return


class Unavailable(Exception):
    """The API server could not be asked; the text says why, as a clause."""
