"""Create, read and change the Secret of a key ring.

A user who can read the Secret has the keys. The commands for operators use this module; a server reads the mounted
folder instead.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from webhook.cluster.objects import SECRET, ApiObjects, Json
from webhook.cluster.requests import Conflict
from webhook.errors import ConfigurationError
from webhook.keyring.key import SHORTEST, derive_key, parse_key
from webhook.keyring.ring import KeyRing
from webhook.names import KEY_ADDED_AT, MANAGED_BY, NAME_LABEL

_LABELS = {NAME_LABEL: "git-token-webhook", MANAGED_BY: "git-token-webhook"}


@dataclass(frozen=True, slots=True)
class StoredRing:
    """The ring, and the Secret as it was read."""

    ring: KeyRing
    document: Json = field(repr=False)


class RingSecret:
    """The Secret of a key ring."""

    def __init__(self, objects: ApiObjects, namespace: str, name: str) -> None:
        self._objects = objects
        self._namespace = namespace
        self._name = name

    @property
    def place(self) -> str:
        """`NAMESPACE/NAME`."""
        return f"{self._namespace}/{self._name}"

    async def ensure(self, now: datetime) -> str | None:
        """Create the Secret with one key, and return the name of the key; None if the Secret exists.

        An existing Secret is never changed, whatever it contains: values of a lost key cannot be opened.

        Raises:
            ApiError: it cannot be read or created.
        """
        if await self._objects.read(SECRET, self._namespace, self._name) is not None:
            return None
        name = f"{now:%Y-%m-%d}"
        document = {
            "metadata": {"name": self._name, "namespace": self._namespace, "labels": _LABELS},
            "type": "Opaque",
            "data": {name: _new_key()},
        }
        try:
            await self._objects.create(SECRET, self._namespace, document)
        except Conflict:
            return None  # another replica created it first
        return name

    async def read(self, activation: timedelta) -> StoredRing:
        """Return the ring. The time of the last key by name is when it was added.

        Raises:
            ConfigurationError: the Secret does not exist, or a key in it cannot be used.
            ApiError: it cannot be read.
        """
        document = await self._objects.read(SECRET, self._namespace, self._name)
        if document is None:
            raise ConfigurationError(
                f"there is no Secret {self.place}; make it: git-token-webhook keys ensure --secret {self.place}"
            )
        keys = []
        for name, text in sorted((document.get("data") or {}).items()):
            if name.startswith("."):
                continue
            try:
                keys.append(derive_key(parse_key(base64.b64decode(text)), name))
            except (ValueError, binascii.Error) as error:
                raise ConfigurationError(f"{name} in the Secret {self.place} {error}") from None
        if not keys:
            raise ConfigurationError(f"the Secret {self.place} holds no key")
        made = datetime.fromisoformat(document["metadata"]["creationTimestamp"])
        since = {key.kid: made for key in keys}
        if len(keys) > 1:
            since[keys[-1].kid] = _added(document, made)
        return StoredRing(KeyRing(tuple(keys), since, activation), document)

    async def add(self, stored: StoredRing, name: str, now: datetime) -> KeyRing:
        """Add a key, which must be the last by name, and return the ring.

        Raises:
            ConfigurationError: it is not, or the name exists.
            Conflict: another client has changed the Secret.
            ApiError: it cannot be changed.
        """
        last = stored.ring.keys[-1].name
        if name <= last:
            raise ConfigurationError(
                f"{name} would not be the last key by name, and so never seal; choose another --name"
            )
        metadata = dict(stored.document["metadata"])
        metadata["annotations"] = {**(metadata.get("annotations") or {}), KEY_ADDED_AT: f"{now:%Y-%m-%dT%H:%M:%SZ}"}
        data = {**stored.document["data"], name: _new_key()}
        await self._objects.replace(SECRET, {**stored.document, "metadata": metadata, "data": data})
        return (await self.read(stored.ring.activation)).ring

    async def remove(self, stored: StoredRing, name: str) -> None:
        """Remove a key from the Secret.

        Raises:
            Conflict: another client has changed the Secret.
            ApiError: it cannot be changed.
        """
        data = {key: text for key, text in stored.document["data"].items() if key != name}
        await self._objects.replace(SECRET, {**stored.document, "data": data})


def _new_key() -> str:
    # The values of a Secret are base64, and a key file contains base64 itself.
    return base64.b64encode(base64.b64encode(secrets.token_bytes(SHORTEST)) + b"\n").decode()


def _added(document: Json, made: datetime) -> datetime:
    text = (document["metadata"].get("annotations") or {}).get(KEY_ADDED_AT)
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        found = None
    if found is not None and found.tzinfo is not None:
        return found
    # Added by hand: the last change in managedFields cannot be earlier.
    times = [entry["time"] for entry in document["metadata"].get("managedFields") or [] if entry.get("time")]
    return max((datetime.fromisoformat(time) for time in times), default=made)
