"""Read and change Secrets with the rights of the user who runs a command.

The admission server has no right to read Secrets and does not use this module. The text of an error has only the status
code: the API server's own message may quote what was sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from webhook.cluster.connect import connect
from webhook.cluster.objects import EVENT, MANAGED, SECRET, SELF_REVIEW, ObjectList, paged
from webhook.cluster.objects import FIELD_MANAGER as FIELD_MANAGER
from webhook.cluster.requests import ApiError as ApiError
from webhook.cluster.requests import Conflict as Conflict
from webhook.cluster.requests import Requests, decoded
from webhook.subject import SecretObject

if TYPE_CHECKING:
    from types import TracebackType

    from kubernetes.aio.client import ApiClient

    from webhook.cluster.client import RenewingClient

PAGE = 250
"""Secrets on one page. Each can have up to 1 MiB, but few do."""

_MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Stored:
    """A Secret as it is stored.

    Attributes:
        version: its resourceVersion; a change of an older version is rejected as a conflict.
        managed: its managedFields, unchanged.
    """

    secret: SecretObject
    version: str
    uid: str
    managed: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @property
    def place(self) -> str:
        """`NAMESPACE/NAME`."""
        return f"{self.secret.namespace}/{self.secret.name}"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of Secrets, and the number of Secrets after it, if the API server reports it."""

    secrets: tuple[Stored, ...]
    remaining: int


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    namespace: str
    uid: str
    resource_version: str = ""  # empty in the response to a dry run
    generate_name: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    deletion_timestamp: str = ""
    managed_fields: list[dict[str, Any]] = []


class _Secret(msgspec.Struct):
    metadata: _Metadata
    data: dict[str, str | None] | None = None
    type: str = "Opaque"
    immutable: bool | None = None

    def stored(self) -> Stored:
        found = self.metadata
        secret = SecretObject(
            found.namespace,
            found.name,
            found.generate_name,
            found.labels,
            found.annotations,
            {key: value or "" for key, value in (self.data or {}).items()},
            self.type,
            deleting=bool(found.deletion_timestamp),
            immutable=bool(self.immutable),
        )
        return Stored(secret, found.resource_version, found.uid, tuple(found.managed_fields))


class _List(ObjectList):
    items: list[_Secret] | None = None


class _UserInfo(msgspec.Struct):
    username: str = ""


class _ReviewStatus(msgspec.Struct, rename="camel"):
    user_info: _UserInfo


class _SelfReview(msgspec.Struct):
    status: _ReviewStatus


class StoredSecrets:
    """Reads and changes Secrets with `kubernetes.aio`. Use as an asynchronous context manager."""

    def __init__(self, client: ApiClient, *, page: int = PAGE) -> None:
        self._client: Any = client
        self._requests = Requests(client)
        self._page = page

    @classmethod
    async def connect(
        cls,
        kubeconfig: Path | None = None,
        context: str | None = None,
        *,
        page: int = PAGE,
        as_user: str | None = None,
    ) -> StoredSecrets:
        """Connect to the cluster that kubectl would use; in a pod without a kubeconfig, to the pod's own.

        Args:
            as_user: the user to impersonate, as kubectl's ``--as`` does.

        Raises:
            ConfigurationError: there is no configuration, or it cannot be used.
        """
        return cls(await connect(kubeconfig, context, as_user=as_user), page=page)

    @property
    def client(self) -> RenewingClient:
        """The client, for other requests to the same API server; it is closed with this object."""
        client: RenewingClient = self._client
        return client

    async def __aenter__(self) -> StoredSecrets:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.close()

    async def read(self, namespace: str, name: str) -> Stored | None:
        """Return a Secret; None if it does not exist.

        Raises:
            ApiError: it cannot be read.
        """
        try:
            answer = await self._requests.send("GET", SECRET.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return decoded(answer, _Secret).stored()

    async def pages(self, namespace: str | None = None) -> AsyncIterator[Page]:
        """Yield all Secrets of a namespace or of the cluster. Some can repeat after a 410.

        Raises:
            ApiError: the list cannot be read to its end.
        """

        def ask(following: str) -> Awaitable[bytes]:
            query = {"limit": self._page, "continue": following}
            return self._requests.send("GET", SECRET.path(namespace), query=query)

        async for found, _ in paged(ask, _List):
            yield Page(tuple(item.stored() for item in found.items or ()), found.metadata.remaining_item_count)

    async def change(self, stored: Stored, change: Mapping[str, Any], *, dry_run: bool = False) -> Stored:
        """Apply a merge patch to a Secret that was read, and return the new version.

        Args:
            dry_run: call the webhooks, but store nothing.

        Raises:
            Conflict: it has changed since it was read.
            ApiError: it was not changed.
        """
        metadata = {**change.get("metadata", {}), "resourceVersion": stored.version, "uid": stored.uid}
        path, body = SECRET.path(stored.secret.namespace, stored.secret.name), {**change, "metadata": metadata}
        query = _query(dry_run)
        answer = await self._requests.send("PATCH", path, body, query=query, content_type=_MERGE_PATCH)
        return decoded(answer, _Secret).stored()

    async def create(self, secret: SecretObject, *, dry_run: bool = False) -> Stored:
        """Create a Secret and return it.

        Raises:
            Conflict: a Secret of this name exists.
            ApiError: it was not created.
        """
        metadata = {"name": secret.name, "labels": dict(secret.labels), "annotations": dict(secret.annotations)}
        document = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": dict(secret.data)}
        answer = await self._requests.send("POST", SECRET.path(secret.namespace), document, query=_query(dry_run))
        return decoded(answer, _Secret).stored()

    async def delete(self, stored: Stored, *, dry_run: bool = False) -> None:
        """Delete a Secret that was read.

        Raises:
            Conflict: it has changed since it was read.
            ApiError: it was not deleted.
        """
        # With options in the body, the API server ignores those in the query, dryRun included.
        body: dict[str, Any] = {"preconditions": {"uid": stored.uid, "resourceVersion": stored.version}}
        if dry_run:
            body["dryRun"] = ["All"]
        await self._requests.send("DELETE", SECRET.path(stored.secret.namespace, stored.secret.name), body)

    async def username(self) -> str:
        """Return the user name by which the API server knows the caller (SelfSubjectReview).

        Raises:
            ApiError: the request failed.
        """
        review = {"apiVersion": SELF_REVIEW.api_version, "kind": SELF_REVIEW.kind}
        answer = await self._requests.send("POST", SELF_REVIEW.path(None), review)
        return decoded(answer, _SelfReview).status.user_info.username

    async def record(
        self,
        stored: Stored,
        reason: str,
        message: str,
        now: datetime,
        *,
        kind: Literal["Normal", "Warning"] = "Normal",
        name: str = "",
    ) -> None:
        """Write an Event about a Secret.

        Args:
            name: of the Event, so that it is written only once; generated if empty.

        Raises:
            Conflict: an Event of this name exists.
            ApiError: it was not written.
        """
        secret, moment = stored.secret, f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        namespace = {"namespace": secret.namespace}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {**({"name": name} if name else {"generateName": "git-token-webhook-"}), **namespace},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Secret",
                **namespace,
                "name": secret.name,
                "uid": stored.uid,
                "resourceVersion": stored.version,
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": FIELD_MANAGER},
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
        await self._requests.send("POST", EVENT.path(secret.namespace), event)


def _query(dry_run: bool) -> dict[str, str]:
    return {**MANAGED, "dryRun": "All" if dry_run else ""}
