"""The scope of an audit, and the clusters that it covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from webhook.cluster.argocd import Synced
from webhook.cluster.listing import Listed
from webhook.cluster.lookups import KubernetesCluster
from webhook.cluster.requests import Unavailable
from webhook.cluster.secrets import StoredSecrets
from webhook.subject import Requester


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope of an audit.

    Attributes:
        namespaces: the namespaces; empty for all.
        selector: a label selector for Secrets, in kubectl's syntax.
        rules: the rules of which one must match; empty for all.
        since: the time after which a Secret must be written.
        applications: whether to report Argo CD Applications that would fail to sync.
    """

    namespaces: tuple[str, ...] = ()
    selector: str = ""
    rules: tuple[str, ...] = ()
    since: datetime | None = None
    applications: bool = False


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster to audit.

    Attributes:
        label: its name in rows if the report covers several clusters; else empty.
        source: its name in the report's list of sources.
    """

    secrets: StoredSecrets
    label: str
    source: str


class AsAuditor:
    """The API server in an audit, which cannot know who set the skip annotation of a Secret."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        self._cluster = cluster

    async def skip_annotation(self, namespace: str) -> str | None:
        return await self._cluster.skip_annotation(namespace)

    async def platform_flag(self, namespace: str) -> str | None:
        return await self._cluster.platform_flag(namespace)

    async def synced_repositories(self) -> Synced:
        return await self._cluster.synced_repositories()

    async def may_skip(self, requester: Requester, namespace: str, name: str) -> bool:
        raise Unavailable("an audit cannot know who set it")


class WatchedCluster(AsAuditor):
    """The API server, with namespaces from the watch."""

    def __init__(self, cluster: KubernetesCluster, namespaces: Mapping[str, Listed]) -> None:
        super().__init__(cluster)
        self._namespaces = namespaces

    async def skip_annotation(self, namespace: str) -> str | None:
        known = self._namespaces.get(namespace)
        return known.skip or None if known is not None else await super().skip_annotation(namespace)
