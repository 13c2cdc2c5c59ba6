"""A cluster's Secrets, page by page: names, labels and times first, and the data of those alone that matter.

No page is held longer than it is looked at, so that a cluster of any size takes no more memory than its credentials.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from webhook.cluster.argocd import Spec
from webhook.cluster.objects import TIMEOUT, ApiError, ObjectList, call, paged
from webhook.names import NOTIFICATIONS, SKIP_VALIDATION
from webhook.subject import SecretObject

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

PAGE = 500
"""Secrets of one page, without their data: as many as kubectl asks for at once."""

_METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}

_T = TypeVar("_T", bound="ObjectList")


@dataclass(frozen=True, slots=True)
class Listed:
    """A Secret as a list tells it, without its data.

    Attributes:
        secret: name, namespace and labels.
        version: its resourceVersion, which changes whenever it is written.
        written: when it was last written, as far as its managedFields tell.
        notifications: what its annotation `NOTIFICATIONS` says; `skip`, that of `names.SKIP_VALIDATION`.
    """

    secret: SecretObject
    uid: str
    version: str
    written: datetime
    notifications: str = ""
    skip: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the Secrets.

    Attributes:
        remaining: how many come after them, as far as the API server says so.
        anew: the list begins with this page, for the first time or again.
        version: of the list as a whole, from which on changes can be followed.
    """

    secrets: tuple[Listed, ...]
    remaining: int
    anew: bool
    version: str = ""


@dataclass(frozen=True, slots=True)
class Syncer:
    """An Argo CD Application or ApplicationSet, and what its spec says of repositories."""

    kind: Literal["Application", "ApplicationSet"]
    namespace: str
    name: str
    spec: Spec = field(repr=False)
    generators: tuple[str, ...] = field(default=(), repr=False)


class _Managed(msgspec.Struct):
    time: datetime | None = None


class _Annotations(msgspec.Struct):
    """No other is kept: last-applied-configuration holds the data."""

    notifications: str = msgspec.field(default="", name=NOTIFICATIONS)
    skip: str = msgspec.field(default="", name=SKIP_VALIDATION)


class Metadata(msgspec.Struct, rename="camel"):
    """Of any object, as much as matters here."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: _Annotations = msgspec.field(default_factory=_Annotations)
    managed_fields: list[_Managed] = []

    def listed(self) -> Listed:
        """As a Secret."""
        secret = SecretObject(self.namespace, self.name, labels=self.labels)
        times = [self.creation_timestamp, *(managed.time for managed in self.managed_fields)]
        written = max(moment for moment in times if moment is not None)
        noted = self.annotations
        return Listed(secret, self.uid, self.resource_version, written, noted.notifications, noted.skip)


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
    """Lists with a client of `kubernetes.aio`, which stays its owner's."""

    def __init__(self, client: ApiClient, *, selector: str = "", page: int = PAGE) -> None:
        """
        Args:
            selector: for labels of Secrets, as kubectl takes it.
        """
        from kubernetes.aio.client import CoreV1Api, CustomObjectsApi

        self.core: Any = CoreV1Api(client)
        """The client's own methods, for whoever follows what was listed."""
        self._custom: Any = CustomObjectsApi(client)
        self._selector = selector
        self._page = page

    async def secrets(self, namespace: str | None = None) -> AsyncIterator[Page]:
        """All Secrets of a namespace, or of the cluster, as metadata only.

        Where the API server has forgotten in between where we were (410), the list goes on with what there is now.

        Raises:
            ApiError: they can't be listed to the end.
        """
        options = {"label_selector": self._selector or None, "_headers": _METADATA_ONLY}
        if namespace is None:
            request = self.core.list_secret_for_all_namespaces_without_preload_content
        else:
            request = self.core.list_namespaced_secret_without_preload_content
            options["namespace"] = namespace
        async for found, anew in self._pages(request, options, _Metadatas):
            secrets = tuple(item.metadata.listed() for item in found.items or ())
            listed = found.metadata
            yield Page(secrets, listed.remaining_item_count, anew, listed.resource_version)

    async def namespaces(self) -> list[str]:
        """The names of all.

        Raises:
            ApiError: they can't be listed.
        """
        request, names = self.core.list_namespace_without_preload_content, list[str]()
        async for found, anew in self._pages(request, {"_headers": _METADATA_ONLY}, _Metadatas):
            names = [*([] if anew else names), *(item.metadata.name for item in found.items or ())]
        return names

    async def namespace_pages(self) -> AsyncIterator[Page]:
        """All namespaces, each as if it were a Secret.

        Raises:
            ApiError: they can't be listed to the end.
        """
        request = self.core.list_namespace_without_preload_content
        async for found, anew in self._pages(request, {"_headers": _METADATA_ONLY}, _Metadatas):
            named = tuple(item.metadata.listed() for item in found.items or ())
            yield Page(named, found.metadata.remaining_item_count, anew, found.metadata.resource_version)

    async def is_namespace(self, name: str) -> bool:
        """Whether there is one of this name, as far as one may know."""
        try:
            await call(self.core.read_namespace_without_preload_content(name, _request_timeout=TIMEOUT))
        except ApiError as error:
            return error.status != 404
        return True

    async def applications(self, namespace: str | None = None) -> list[Syncer]:
        """Argo CD's Applications and ApplicationSets. Where Argo CD isn't installed there are none.

        Raises:
            ApiError: they can't be listed.
        """
        syncers: list[Syncer] = []
        async for one, anew in self._argocd("applications", _Applications, namespace):
            syncers = [] if anew else syncers
            for item in one.items or ():
                meta = item.metadata
                syncers.append(Syncer("Application", meta.namespace, meta.name, item.spec))
        sets: list[Syncer] = []
        async for some, anew in self._argocd("applicationsets", _ApplicationSets, namespace):
            sets = [] if anew else sets
            for each in some.items or ():
                meta, spec = each.metadata, each.spec
                urls = tuple(url for generator in spec.generators or () for url in generator.repositories())
                sets.append(Syncer("ApplicationSet", meta.namespace, meta.name, spec.template.spec, urls))
        return [*syncers, *sets]

    async def _argocd(self, plural: str, kind: type[_T], namespace: str | None) -> AsyncIterator[tuple[_T, bool]]:
        options: dict[str, Any] = {"group": "argoproj.io", "version": "v1alpha1", "plural": plural}
        request = self._custom.list_cluster_custom_object_without_preload_content
        if namespace is not None:
            request = self._custom.list_namespaced_custom_object_without_preload_content
            options["namespace"] = namespace
        try:
            async for page in self._pages(request, options, kind):
                yield page
        except ApiError as error:
            if error.status != 404:  # no such resource
                raise

    def _pages(self, request: Any, options: dict[str, Any], kind: type[_T]) -> AsyncIterator[tuple[_T, bool]]:
        def ask(following: str) -> Awaitable[bytes]:
            return call(request(**options, limit=self._page, _continue=following or None, _request_timeout=TIMEOUT))

        return paged(ask, kind)
