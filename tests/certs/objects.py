"""An API server's objects in memory: as real ones, they have versions, and refuse who knows an older one."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from datetime import UTC, datetime, timedelta

from webhook.certs.names import CONFIGURATIONS, Installation
from webhook.cluster.objects import ApiObjects, Json, Resource
from webhook.cluster.requests import ApiError, Conflict

HERE = Installation("platform", "webhook")
START = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def go(self, by: timedelta) -> None:
        """Later."""
        self.now += by


class Memory(ApiObjects):
    """What is read, created and replaced is kept here."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str | None, str], Json] = {}
        self._version = 0
        self.refusing: dict[str, int] = {}
        """Statuses that are answered instead, by the plural of what is asked for."""

    async def read(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        """As the API server would."""
        self._refuse(resource)
        found = deepcopy(self._kept.get((resource.plural, namespace, name)))
        await asyncio.sleep(0)  # meanwhile others may read and write
        return found

    async def create(self, resource: Resource, namespace: str | None, document: Json) -> Json:
        """As the API server would."""
        self._refuse(resource)
        key = (resource.plural, namespace, document["metadata"]["name"])
        if key in self._kept:
            raise Conflict("is there already", 409)
        return self._keep(key, document)

    async def replace(self, resource: Resource, document: Json) -> Json:
        """As the API server would."""
        self._refuse(resource)
        metadata = document["metadata"]
        key = (resource.plural, metadata.get("namespace"), metadata["name"])
        kept = self._kept.get(key)
        if kept is None:
            raise ApiError("there is none", 404)
        if kept["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise Conflict("is another one", 409)
        return self._keep(key, document)

    def get(self, plural: str, name: str) -> Json:
        """What is kept, to look at and to spoil."""
        namespace = None if plural.endswith("webhookconfigurations") else HERE.namespace
        return self._kept[plural, namespace, name]

    def drop(self, plural: str, name: str) -> None:
        """Take it away."""
        del self._kept[plural, HERE.namespace, name]

    async def register(self) -> None:
        """Both webhook configurations, with two webhooks of ours in one of them and one of somebody else's."""

        def webhook(name: str, service: str) -> Json:
            place = {"namespace": HERE.namespace, "name": service, "path": "/"}
            return {"name": name, "clientConfig": {"service": place}}

        webhooks = [webhook("one", HERE.name), webhook("two", HERE.name), webhook("other", "other")]
        for resource, found in zip(CONFIGURATIONS, (webhooks, webhooks[:1]), strict=True):
            await self.create(resource, None, {"metadata": {"name": HERE.name}, "webhooks": deepcopy(found)})

    def _refuse(self, resource: Resource) -> None:
        if (status := self.refusing.get(resource.plural)) is not None:
            raise ApiError(f"the API server answers {status}", status)

    def _keep(self, key: tuple[str, str | None, str], document: Json) -> Json:
        self._version += 1
        kept = deepcopy(document)
        kept["metadata"] |= {"resourceVersion": str(self._version), "creationTimestamp": f"{START:%Y-%m-%dT%H:%M:%SZ}"}
        self._kept[key] = kept
        return deepcopy(kept)
