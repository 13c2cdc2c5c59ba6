"""Read, create, replace and delete objects of the API server as JSON.

Fields that this version does not know are written back as they were read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from webhook.cluster.requests import TIMEOUT, ApiError, Expired, Requests, decoded, path_of

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

FIELD_MANAGER = "git-token-webhook"
MANAGED: Mapping[str, str] = {"fieldManager": FIELD_MANAGER}
"""The query of each write."""
_MAX_STARTS = 10

Json = dict[str, Any]

_L = TypeVar("_L", bound="ObjectList")


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

    def path(self, namespace: str | None, *name: str) -> str:
        """Return the path of the objects in a namespace, or in the cluster for None.

        Args:
            name: of one of the objects.

        Raises:
            ApiError: no object can have this name.
        """
        place = ("namespaces", namespace) if namespace else ()
        return f"/{self.api}{path_of(*place, self.plural, *name)}"


SECRET = Resource("api/v1", "Secret", "secrets")
NAMESPACE = Resource("api/v1", "Namespace", "namespaces")
CONFIG_MAP = Resource("api/v1", "ConfigMap", "configmaps")
EVENT = Resource("api/v1", "Event", "events")
APPLICATION = Resource("apis/argoproj.io/v1alpha1", "Application", "applications")
APPLICATION_SET = Resource("apis/argoproj.io/v1alpha1", "ApplicationSet", "applicationsets")
SUBJECT_ACCESS_REVIEW = Resource("apis/authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews")
SELF_REVIEW = Resource("apis/authentication.k8s.io/v1", "SelfSubjectReview", "selfsubjectreviews")
LEASE = Resource("apis/coordination.k8s.io/v1", "Lease", "leases")
_ACCESS_REVIEW = Resource("apis/authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews")


class ApiObjects:
    """Reads and writes objects with a client of `kubernetes.aio`, which the caller closes."""

    def __init__(self, client: ApiClient, *, timeout: float = TIMEOUT) -> None:
        """
        Args:
            timeout: seconds for one request.
        """
        self._requests = Requests(client, timeout=timeout)

    async def read(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        """Return an object; None if it does not exist.

        Raises:
            ApiError: it cannot be read.
        """
        try:
            return decoded(await self._requests.send("GET", resource.path(namespace, name)), Json)
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
        return decoded(await self._requests.send("POST", resource.path(namespace), whole, query=MANAGED), Json)

    async def replace(self, resource: Resource, document: Json) -> Json:
        """Replace an object that was read, and return the new version.

        Raises:
            Conflict: it has changed since it was read.
            ApiError: it was not changed.
        """
        metadata = document["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"])
        return decoded(await self._requests.send("PUT", path, document, query=MANAGED), Json)

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
            await self._requests.send("DELETE", resource.path(namespace, name), body)
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
            query = {"limit": page, "labelSelector": selector, "continue": following}
            return self._requests.send("GET", resource.path(namespace), query=query)

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
            found = decoded(await self._requests.send("GET", f"/{api}"), Json)
        except ApiError as error:
            if error.status == 404:
                return frozenset()
            raise
        return frozenset(resource["name"] for resource in found.get("resources") or [])


async def paged(ask: Callable[[str], Awaitable[bytes]], kind: type[_L]) -> AsyncIterator[tuple[_L, bool]]:
    """Yield a list page by page, each with whether the list starts with it, for the first time or again.

    After a 410 the list goes on with the current objects if the API server sends a `continue` token; otherwise it
    starts again.

    Args:
        ask: returns the page after a `continue` token, by `Requests.send`; the first page for an empty one.

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
