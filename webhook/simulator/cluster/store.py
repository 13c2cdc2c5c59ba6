"""The objects of the API server in memory: versions, conflicts, pages and watches."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]

_MOST_EVENTS = 10_000
_READ_ONLY = ("uid", "creationTimestamp", "resourceVersion", "namespace", "name")


class Rejected(Exception):
    """A request fails with a Status.

    Attributes:
        status: the HTTP status code.
        reason: the machine-readable reason, such as ``Conflict``.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Collection:
    """A resource of an API group, such as ``api/v1`` and ``secrets``."""

    api: str
    plural: str


@dataclass(frozen=True, slots=True)
class Event:
    """A change of an object."""

    version: int
    type: str
    collection: Collection
    document: Document


@dataclass(slots=True)
class Store:
    """All objects."""

    _objects: dict[tuple[Collection, str, str], Document] = field(default_factory=dict)
    _events: deque[Event] = field(default_factory=lambda: deque(maxlen=_MOST_EVENTS))
    _version: int = 1
    _compacted: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _served: set[Collection] = field(default_factory=set)

    @property
    def version(self) -> int:
        """The newest resourceVersion."""
        return self._version

    def serve(self, api: str, plural: str) -> None:
        """Announce a resource that has no objects yet, as a CustomResourceDefinition does."""
        self._served.add(Collection(api, plural))

    def resources(self, api: str) -> list[str]:
        """Return the plural names of the resources of an API that are announced or have objects."""
        known = {*self._served, *(collection for collection, _, _ in self._objects)}
        return sorted({collection.plural for collection in known if collection.api == api})

    def find(self, collection: Collection, namespace: str, name: str) -> Document | None:
        """Return a copy of an object; None if it does not exist."""
        return deepcopy(self._objects.get((collection, namespace, name)))

    def get(self, collection: Collection, namespace: str, name: str) -> Document:
        """Return a copy of an object.

        Raises:
            Rejected: it does not exist.
        """
        found = self.find(collection, namespace, name)
        if found is None:
            raise Rejected(404, "NotFound", f'{collection.plural} "{name}" not found')
        return found

    def items(self, collection: Collection, namespace: str | None = None) -> list[Document]:
        """Return copies of the objects of a namespace or of all, sorted by namespace and name."""
        keys = sorted(key[1:] for key in self._objects if key[0] == collection and namespace in (None, key[1]))
        return [deepcopy(self._objects[collection, *key]) for key in keys]

    def create(self, collection: Collection, namespace: str, document: Document, *, dry_run: bool = False) -> Document:
        """Store a new object and return it.

        Raises:
            Rejected: an object of this name exists.
        """
        metadata = document.setdefault("metadata", {})
        if "name" not in metadata:
            metadata["name"] = f"{metadata.get('generateName', '')}{uuid.uuid4().hex[:5]}"
        if (collection, namespace, metadata["name"]) in self._objects:
            raise Rejected(409, "AlreadyExists", f'{collection.plural} "{metadata["name"]}" already exists')
        if namespace:
            metadata["namespace"] = namespace
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        return self._put("ADDED", collection, document, dry_run)

    def replace(self, collection: Collection, document: Document, *, dry_run: bool = False) -> Document:
        """Replace an object and return the new one.

        Raises:
            Rejected: it does not exist, or has another version or uid.
        """
        metadata = document["metadata"]
        old = self.get(collection, metadata.get("namespace", ""), metadata["name"])
        check(metadata, old)
        metadata |= {key: old["metadata"][key] for key in _READ_ONLY if key in old["metadata"]}
        return self._put("MODIFIED", collection, document, dry_run)

    def delete(self, collection: Collection, namespace: str, name: str, *, dry_run: bool = False) -> Document:
        """Delete an object and return it.

        Raises:
            Rejected: it does not exist.
        """
        old = self.get(collection, namespace, name)
        if not dry_run:
            del self._objects[collection, namespace, name]
            self._record("DELETED", collection, old)
        return old

    def compact(self) -> None:
        """Forget all changes until now: every watch in progress fails with 410."""
        self._version += 1  # no watch has seen this version
        self._compacted = self._version
        self._wake()

    def since(self, version: int, collection: Collection, namespace: str | None) -> list[Event]:
        """Return the changes after a version.

        Raises:
            Rejected: the version is too old.
        """
        oldest = self._events[0].version if len(self._events) == _MOST_EVENTS else 0
        if version < max(self._compacted, oldest):
            raise Rejected(410, "Expired", "too old resource version")
        return [
            event
            for event in self._events
            if event.version > version
            and event.collection == collection
            and namespace in (None, event.document["metadata"].get("namespace", ""))
        ]

    async def change(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    def _put(self, kind: str, collection: Collection, document: Document, dry_run: bool) -> Document:
        metadata = document["metadata"]
        if dry_run:
            return deepcopy(document)
        key = (collection, metadata.get("namespace", ""), metadata["name"])
        old = self._objects.get(key)
        if old is not None and _content(old) == _content(document):
            return deepcopy(old)  # an update without a change keeps the version
        metadata["managedFields"] = [{"time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "operation": "Update"}]
        self._record(kind, collection, document)
        self._objects[key] = deepcopy(document)
        return deepcopy(document)

    def _record(self, kind: str, collection: Collection, document: Document) -> None:
        self._version += 1
        document["metadata"]["resourceVersion"] = str(self._version)
        self._events.append(Event(self._version, kind, collection, deepcopy(document)))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def check(wanted: Document, old: Document) -> None:
    """Check a resourceVersion and uid of a request against the stored object.

    Raises:
        Rejected: one of them differs.
    """
    for key in ("resourceVersion", "uid"):
        if wanted.get(key) and wanted[key] != old["metadata"][key]:
            raise Rejected(409, "Conflict", "the object has been modified; please apply your changes to the latest")


def merged(document: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _content(document: Document) -> Document:
    changing = ("resourceVersion", "managedFields")
    return {**document, "metadata": {key: value for key, value in document["metadata"].items() if key not in changing}}
