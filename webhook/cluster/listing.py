"""List a cluster's Secrets, Namespaces and Argo CD Applications page by page, Secrets without their data.

No page is kept after it is processed, so memory grows with the credentials and not with the cluster.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from webhook.cluster.argocd import Spec
from webhook.cluster.objects import APPLICATION, APPLICATION_SET, NAMESPACE, SECRET, ObjectList, Resource, paged
from webhook.cluster.requests import JSON, ApiError, Requests
from webhook.names import NOTIFICATIONS, PREFIX, SKIP_VALIDATION
from webhook.subject import SecretObject

if TYPE_CHECKING:
    from aiohttp import ClientResponse
    from kubernetes.aio.client import ApiClient

PAGE = 500
"""Secrets on one page, without their data; the same as kubectl's default."""

_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_WATCHED_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_MARGIN = 30.0
"""Seconds that a watch may last longer than the API server was asked to keep it."""

_T = TypeVar("_T", bound="ObjectList")

Watch = Callable[[str, int], Awaitable["ClientResponse"]]
"""Opens a watch from a resourceVersion, for a number of seconds."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The metadata of a listed Secret, without its data.

    Attributes:
        secret: name, namespace and labels.
        version: its resourceVersion, which changes with each write.
        written: the time of the last write according to its managedFields.
        notifications: the value of its annotation `NOTIFICATIONS`; `skip`, that of `names.SKIP_VALIDATION`.
        marks: the annotations that this webhook writes, by name without the prefix.
    """

    secret: SecretObject
    uid: str
    version: str
    written: datetime
    notifications: str = ""
    skip: str = ""
    marks: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of Secrets.

    Attributes:
        remaining: the number of Secrets after this page, if the API server reports it.
        is_first: the list starts with this page, for the first time or again.
        version: resourceVersion of the whole list; a watch can start from it.
    """

    secrets: tuple[Listed, ...]
    remaining: int
    is_first: bool
    version: str = ""


@dataclass(frozen=True, slots=True)
class Syncer:
    """An Argo CD Application or ApplicationSet and the repositories in its spec."""

    kind: Literal["Application", "ApplicationSet"]
    namespace: str
    name: str
    spec: Spec = field(repr=False)
    generators: tuple[str, ...] = field(default=(), repr=False)


class _Managed(msgspec.Struct):
    time: datetime | None = None


_MARKS = (
    "account",
    "attestation",
    "encryption",
    "expires-at",
    "host",
    "message",
    "scopes",
    "skip-reason",
    "token-type",
    "validated-at",
    "validation",
)


class _Annotations(msgspec.Struct):
    """The annotations that are decoded. Others are not, because last-applied-configuration contains the data."""

    notifications: str = msgspec.field(default="", name=NOTIFICATIONS)
    skip: str = msgspec.field(default="", name=SKIP_VALIDATION)
    account: str = msgspec.field(default="", name=f"{PREFIX}account")
    attestation: str = msgspec.field(default="", name=f"{PREFIX}attestation")
    encryption: str = msgspec.field(default="", name=f"{PREFIX}encryption")
    expires_at: str = msgspec.field(default="", name=f"{PREFIX}expires-at")
    host: str = msgspec.field(default="", name=f"{PREFIX}host")
    message: str = msgspec.field(default="", name=f"{PREFIX}message")
    scopes: str = msgspec.field(default="", name=f"{PREFIX}scopes")
    skip_reason: str = msgspec.field(default="", name=f"{PREFIX}skip-reason")
    token_type: str = msgspec.field(default="", name=f"{PREFIX}token-type")
    validated_at: str = msgspec.field(default="", name=f"{PREFIX}validated-at")
    validation: str = msgspec.field(default="", name=f"{PREFIX}validation")

    def marks(self) -> dict[str, str]:
        """Return those that this webhook writes and that are present, by name without the prefix."""
        found = {name: getattr(self, name.replace("-", "_")) for name in _MARKS}
        return {name: value for name, value in found.items() if value}


class Metadata(msgspec.Struct, rename="camel"):
    """The metadata fields of any object that matter here."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: _Annotations = msgspec.field(default_factory=_Annotations)
    managed_fields: list[_Managed] = []

    def listed(self) -> Listed:
        """Return it as a listed Secret."""
        secret = SecretObject(self.namespace, self.name, labels=self.labels)
        times = [self.creation_timestamp, *(managed.time for managed in self.managed_fields)]
        written = max(moment for moment in times if moment is not None)
        found = self.annotations
        version = self.resource_version
        return Listed(secret, self.uid, version, written, found.notifications, found.skip, found.marks())


class _Item(msgspec.Struct):
    metadata: Metadata


class _Metadatas(ObjectList):
    items: list[_Item] | None = None


class _Application(msgspec.Struct):
    metadata: Metadata
    spec: Spec = msgspec.field(default_factory=Spec)


class _Applications(ObjectList):
    items: list[_Application] | None = None


class _Git(msgspec.Struct):
    repo_url: str = msgspec.field(default="", name="repoURL")


class _Nested(msgspec.Struct):
    generators: list[_Generator] | None = None


class _Generator(msgspec.Struct):
    git: _Git | None = None
    matrix: _Nested | None = None
    merge: _Nested | None = None

    def repositories(self) -> list[str]:
        nested = [inner for one in (self.matrix, self.merge) if one is not None for inner in one.generators or ()]
        return [*([self.git.repo_url] if self.git else []), *(url for inner in nested for url in inner.repositories())]


class _Template(msgspec.Struct):
    spec: Spec = msgspec.field(default_factory=Spec)


class _SetSpec(msgspec.Struct):
    template: _Template = msgspec.field(default_factory=_Template)
    generators: list[_Generator] | None = None


class _ApplicationSet(msgspec.Struct):
    metadata: Metadata
    spec: _SetSpec = msgspec.field(default_factory=_SetSpec)


class _ApplicationSets(ObjectList):
    items: list[_ApplicationSet] | None = None


class Listing:
    """Lists objects with a client of `kubernetes.aio`, which the caller closes."""

    def __init__(self, client: ApiClient, *, selector: str = "", page: int = PAGE) -> None:
        """
        Args:
            selector: a label selector for Secrets in kubectl's syntax.
        """
        self._requests = Requests(client)
        self._selector = selector
        self._page = page

    async def secrets(self, namespace: str | None = None) -> AsyncIterator[Page]:
        """Yield all Secrets of a namespace or of the cluster, metadata only.

        After a 410 the list goes on with the current objects.

        Raises:
            ApiError: the list cannot be read to its end.
        """
        query = {"labelSelector": self._selector}
        async for found, is_first in self._pages(SECRET, namespace, _Metadatas, query, _METADATA_ONLY):
            secrets = tuple(item.metadata.listed() for item in found.items or ())
            listed = found.metadata
            yield Page(secrets, listed.remaining_item_count, is_first, listed.resource_version)

    async def namespaces(self) -> list[str]:
        """Return the names of all namespaces.

        Raises:
            ApiError: they cannot be listed.
        """
        names: list[str] = []
        async for found, is_first in self._pages(NAMESPACE, None, _Metadatas, accept=_METADATA_ONLY):
            names = [*([] if is_first else names), *(item.metadata.name for item in found.items or ())]
        return names

    async def namespace_pages(self) -> AsyncIterator[Page]:
        """Yield all namespaces, each as a `Listed`.

        Raises:
            ApiError: the list cannot be read to its end.
        """
        async for found, is_first in self._pages(NAMESPACE, None, _Metadatas, accept=_METADATA_ONLY):
            named = tuple(item.metadata.listed() for item in found.items or ())
            yield Page(named, found.metadata.remaining_item_count, is_first, found.metadata.resource_version)

    async def is_namespace(self, name: str) -> bool:
        """Return whether a namespace of this name exists; True if the request fails, for example with 403."""
        try:
            await self._requests.send("GET", NAMESPACE.path(None, name))
        except ApiError as error:
            return error.status != 404
        return True

    async def applications(self, namespace: str | None = None) -> list[Syncer]:
        """Return Argo CD's Applications and ApplicationSets; empty if Argo CD is not installed.

        Raises:
            ApiError: they cannot be listed.
        """
        syncers: list[Syncer] = []
        async for one, is_first in self._argocd(APPLICATION, _Applications, namespace):
            syncers = [] if is_first else syncers
            for item in one.items or ():
                meta = item.metadata
                syncers.append(Syncer("Application", meta.namespace, meta.name, item.spec))
        sets: list[Syncer] = []
        async for some, is_first in self._argocd(APPLICATION_SET, _ApplicationSets, namespace):
            sets = [] if is_first else sets
            for each in some.items or ():
                meta, spec = each.metadata, each.spec
                urls = tuple(url for generator in spec.generators or () for url in generator.repositories())
                sets.append(Syncer("ApplicationSet", meta.namespace, meta.name, spec.template.spec, urls))
        return [*syncers, *sets]

    def watch_secrets(self, namespace: str | None = None) -> Watch:
        """Return a watch of the Secrets that `secrets` lists, for a `Reflector`."""
        return partial(self._watch, SECRET, namespace, {"labelSelector": self._selector})

    def watch_namespaces(self) -> Watch:
        """Return a watch of all namespaces, for a `Reflector`."""
        return partial(self._watch, NAMESPACE, None, {})

    def _watch(
        self, resource: Resource, namespace: str | None, selected: Mapping[str, str], version: str, seconds: int
    ) -> Awaitable[ClientResponse]:
        query = {
            **selected,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": seconds,
        }
        return self._requests.open(resource.path(namespace), query, accept=_WATCHED_METADATA, seconds=seconds + _MARGIN)

    async def _argocd(
        self, resource: Resource, kind: type[_T], namespace: str | None
    ) -> AsyncIterator[tuple[_T, bool]]:
        try:
            async for page in self._pages(resource, namespace, kind):
                yield page
        except ApiError as error:
            if error.status != 404:  # Argo CD is not installed
                raise

    def _pages(
        self,
        resource: Resource,
        namespace: str | None,
        kind: type[_T],
        selected: Mapping[str, str] | None = None,
        accept: str = JSON,
    ) -> AsyncIterator[tuple[_T, bool]]:
        def ask(following: str) -> Awaitable[bytes]:
            query = {**(selected or {}), "limit": self._page, "continue": following}
            return self._requests.send("GET", resource.path(namespace), query=query, accept=accept)

        return paged(ask, kind)
