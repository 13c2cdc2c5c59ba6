"""Pass the events of watches to the controller, and serve lookups of namespaces from the watch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from webhook.audit.scope import AsAuditor
from webhook.cluster.listing import Listed
from webhook.cluster.lookups import KubernetesCluster


class Follower(Protocol):
    """Follows Secrets and namespaces: the controller."""

    def secret_seen(self, listed: Listed) -> None:
        """Handle a Secret that was listed, added or modified."""
        ...

    def secret_gone(self, listed: Listed, *, deleted: bool) -> None:
        """Handle a Secret that was deleted, or that no rule matches any more."""
        ...

    def secrets_are(self, uids: set[str]) -> None:
        """Handle the end of a listing, which drops all other Secrets."""
        ...

    def follows(self, uid: str) -> bool:
        """Return whether a rule may match the Secret."""
        ...

    def namespace_seen(self, listed: Listed) -> None:
        """Handle a namespace that was listed, added or modified."""
        ...

    def namespace_gone(self, uid: str) -> None:
        """Handle a deleted namespace."""
        ...

    def namespaces_are(self, uids: set[str]) -> None:
        """Handle the end of a listing, which drops all other namespaces."""
        ...


class WatchedCluster(AsAuditor):
    """The API server, with namespaces from the watch."""

    def __init__(self, cluster: KubernetesCluster, namespaces: Mapping[str, Listed]) -> None:
        super().__init__(cluster)
        self._namespaces = namespaces

    async def skip_annotation(self, namespace: str) -> str | None:
        known = self._namespaces.get(namespace)
        return known.skip or None if known is not None else await super().skip_annotation(namespace)


class SecretHandler:
    """Handles the watch events of Secrets."""

    def __init__(self, controller: Follower) -> None:
        self._controller = controller
        self._seen: set[str] = set()
        self._listing = False

    def list_started(self) -> None:
        self._seen, self._listing = set(), True

    def updated(self, one: Listed) -> None:
        self._controller.secret_seen(one)
        if self._listing and self._controller.follows(one.uid):
            self._seen.add(one.uid)

    def deleted(self, one: Listed) -> None:
        self._controller.secret_gone(one, deleted=True)

    def list_completed(self) -> None:
        self._controller.secrets_are(self._seen)
        self._seen, self._listing = set(), False


class NamespaceHandler:
    """Handles the watch events of namespaces."""

    def __init__(self, controller: Follower) -> None:
        self._controller = controller
        self._seen: set[str] = set()

    def list_started(self) -> None:
        self._seen = set()

    def updated(self, one: Listed) -> None:
        self._controller.namespace_seen(one)
        self._seen.add(one.uid)

    def deleted(self, one: Listed) -> None:
        self._controller.namespace_gone(one.uid)

    def list_completed(self) -> None:
        self._controller.namespaces_are(self._seen)
