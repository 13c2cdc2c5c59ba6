"""Cached lookups of the server: Namespaces, the platform's ConfigMap, Applications, access reviews.

Results are cached for a few seconds, and concurrent callers share one request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from webhook.caches import ExpiringCache, digest
from webhook.cluster.argocd import Synced, decode
from webhook.cluster.connect import connect, connect_from_pod, in_pod
from webhook.cluster.objects import APPLICATION, CONFIG_MAP, NAMESPACE, SUBJECT_ACCESS_REVIEW, Resource
from webhook.cluster.requests import ApiError, Requests, Unavailable, decoded
from webhook.names import PLATFORM_CONFIG_MAP, PLATFORM_CONFIG_MAP_KEY, SKIP_VALIDATION
from webhook.subject import Requester

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

    from webhook.cluster.client import RenewingClient

_T = TypeVar("_T")

_TIMEOUT = 2.0
"""Seconds for one request. It is part of the time for a decision."""
_FRESH = 5.0
"""Seconds that a result is cached: a changed flag takes effect after that at the latest."""
_MOST_ANSWERS = 4096
_MOST_BYTES = 8 * 1024 * 1024
_ANSWER_BYTES = 2048
"""The approximate size of a finished task with its result."""
_LONGEST_VALUE = 64
"""Characters that are kept of an annotation or a flag: the valid values, such as "true", are shorter."""
_FRESH_APPLICATIONS = 60.0
"""Seconds that the list of Applications is cached. There can be thousands, and they change less often."""
_PAGE = 250
_MOST_PAGES = 20


class _Metadata(msgspec.Struct):
    annotations: dict[str, str] | None = None


class _Object(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    data: dict[str, str] | None = None


class _ReviewStatus(msgspec.Struct):
    allowed: bool = False


class _Review(msgspec.Struct):
    status: _ReviewStatus = msgspec.field(default_factory=_ReviewStatus)


class KubernetesCluster:
    """Reads from the API server with `kubernetes.aio`. Use as an asynchronous context manager."""

    def __init__(self, client: ApiClient) -> None:
        self._client: Any = client
        self._requests = Requests(client, timeout=_TIMEOUT)
        self._answers: ExpiringCache[asyncio.Task[Any]] = ExpiringCache(
            entries=_MOST_ANSWERS, size=_MOST_BYTES, size_of=lambda task: _ANSWER_BYTES
        )
        # The list of the whole cluster is expensive, so a flood of other lookups must not evict it.
        self._lists: ExpiringCache[asyncio.Task[Any]] = ExpiringCache(entries=1, size=_MOST_BYTES)

    @classmethod
    async def connect(cls, kubeconfig: Path | None = None) -> KubernetesCluster | None:
        """Connect to the cluster of `kubeconfig`, or to the pod's own; return None outside of a pod.

        Raises:
            ConfigurationError: the kubeconfig or the pod's ServiceAccount cannot be used.
        """
        if kubeconfig is not None:
            return cls(await connect(kubeconfig))
        return cls(await connect_from_pod()) if in_pod() else None

    @property
    def client(self) -> RenewingClient:
        """The client, for other requests to the same API server; it is closed with this object."""
        found: RenewingClient = self._client
        return found

    async def __aenter__(self) -> KubernetesCluster:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in [*self._answers.values(), *self._lists.values()]:
            task.cancel()
        await self._client.close()

    async def skip_annotation(self, namespace: str) -> str | None:
        """See `exemptions.Cluster`."""
        found: str | None = await self._fresh(digest("namespace", namespace), lambda: self._read_annotation(namespace))
        return found

    async def platform_flag(self, namespace: str) -> str | None:
        """See `exemptions.Cluster`."""
        found: str | None = await self._fresh(digest("configmap", namespace), lambda: self._read_flag(namespace))
        return found

    async def may_skip(self, requester: Requester, namespace: str, name: str) -> bool:
        """See `exemptions.Cluster`."""
        who = (requester.username, requester.uid, requester.groups, dict(requester.extra))
        key = digest("skip", namespace, name, who)
        allowed: bool = await self._fresh(key, lambda: self._review_access(requester, namespace, name))
        return allowed

    async def synced_repositories(self) -> Synced:
        """See `applications.ApplicationsSource`. Empty if Argo CD is not installed."""
        task = self._cached(self._lists, digest("applications"), self._list_applications, _FRESH_APPLICATIONS)
        synced: Synced = await asyncio.shield(task)
        return synced

    async def _list_applications(self) -> Synced:
        urls: list[str] = []
        following = ""
        for _ in range(_MOST_PAGES):
            # An Application can be large, and few of its fields matter: only these are decoded.
            query = {"limit": _PAGE, "continue": following}
            found = await self._ask("GET", APPLICATION, None, query=query)
            if found is None:  # no such resource
                return Synced()
            page = decode(found)
            urls += page.urls()
            following = page.metadata.next
            if not following:
                return Synced.of(urls)
        return Synced.of(urls, complete=False)

    async def _read_annotation(self, namespace: str) -> str | None:
        return _cut((await self._read(NAMESPACE, None, namespace)).metadata.annotations, SKIP_VALIDATION)

    async def _read_flag(self, namespace: str) -> str | None:
        return _cut((await self._read(CONFIG_MAP, namespace, PLATFORM_CONFIG_MAP)).data, PLATFORM_CONFIG_MAP_KEY)

    async def _review_access(self, requester: Requester, namespace: str, name: str) -> bool:
        review = {
            "apiVersion": SUBJECT_ACCESS_REVIEW.api_version,
            "kind": SUBJECT_ACCESS_REVIEW.kind,
            "spec": {
                "user": requester.username,
                "uid": requester.uid,
                "groups": list(requester.groups),
                "extra": {key: list(values) for key, values in requester.extra.items()},
                "resourceAttributes": {
                    "group": "git-token-webhook",
                    "resource": "validations",
                    "verb": "skip",
                    "namespace": namespace,  # a RoleBinding counts only if the review has the namespace
                    "name": name,
                },
            },
        }
        found = await self._ask("POST", SUBJECT_ACCESS_REVIEW, None, body=review)
        return found is not None and _decoded(found, _Review).status.allowed

    async def _read(self, resource: Resource, namespace: str | None, name: str) -> _Object:
        """Return an object; an empty one if it does not exist."""
        found = await self._ask("GET", resource, namespace, name)
        return _decoded(found, _Object) if found is not None else _Object()

    async def _ask(
        self,
        method: str,
        resource: Resource,
        namespace: str | None,
        *name: str,
        body: object = None,
        query: Mapping[str, object] | None = None,
    ) -> bytes | None:
        """Return the response, or None if the object does not exist.

        Raises:
            Unavailable: there is no response, or the request is forbidden.
        """
        try:
            return await self._requests.send(method, resource.path(namespace, *name), body, query=query)
        except ApiError as error:
            if error.status == 404:
                return None
            raise Unavailable(str(error)) from None

    async def _fresh(self, key: bytes, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Return the cached result, or that of a request that concurrent callers share."""
        return await asyncio.shield(self._cached(self._answers, key, ask, _FRESH))

    def _cached(
        self,
        cache: ExpiringCache[asyncio.Task[Any]],
        key: bytes,
        ask: Callable[[], Coroutine[Any, Any, Any]],
        seconds: float,
    ) -> asyncio.Task[Any]:
        task = cache.get(key)
        failed = task is not None and task.done() and (task.cancelled() or task.exception() is not None)
        if task is None or failed:
            task = asyncio.create_task(ask())
            cache.put(key, task, seconds)
        return task


def _decoded(body: bytes, kind: type[_T]) -> _T:
    """
    Raises:
        Unavailable: it cannot be decoded.
    """
    try:
        return decoded(body, kind)
    except ApiError as error:
        raise Unavailable(str(error)) from None


def _cut(values: Mapping[str, str] | None, name: str) -> str | None:
    value = (values or {}).get(name)
    return value[:_LONGEST_VALUE] if value is not None else None
