"""The reports in a cluster, one for each Secret, written only on changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from webhook.audit.watch.conditions import Conditions
from webhook.audit.watch.report_objects import KINDS, SELECTOR, document, known_from, name_of
from webhook.audit.watch.state import Known
from webhook.cluster.objects import ApiObjects, Json, Resource
from webhook.cluster.requests import ApiError, Conflict, explained
from webhook.logs import Logger

_READING, _WRITING = "reports", "report-writes"
_NEWER = "apis/wgpolicyk8s.io/v1beta1"
_TRIES = 3
_READ_AGAIN = 3600.0
"""Seconds after which the reports are read again, to repair changes by other programs."""

Key = tuple[str, str]
"""Namespace and uid of a Secret. A report in another namespace does not count, because other users may write there."""


class Reports:
    """Reads and writes reports. A failure sets a condition, and does not stop Events and metrics."""

    def __init__(
        self,
        objects: ApiObjects,
        conditions: Conditions,
        log: Logger,
        on_write: Callable[[str], None] = lambda operation: None,
    ) -> None:
        """
        Args:
            on_write: called with the operation, ``write`` or ``delete``.
        """
        self._objects = objects
        self._conditions = conditions
        self._log = log
        self._on_write = on_write
        self._kind: Resource | None = None
        self._logged: str | None = None
        self._only_newer = False
        self._stored: dict[Key, Known | None] = {}
        self._read_at = 0.0
        self.rejected = False
        """Whether the API server rejected the last report that was not written: another namespace may accept one."""

    @property
    def stored(self) -> Mapping[Key, Known | None]:
        """The states in the existing reports; None for a report that cannot be read."""
        return self._stored

    async def look(self) -> None:
        """Find out which report API the cluster serves, and read the reports periodically."""
        kind, now = self._kind, asyncio.get_running_loop().time()
        try:
            kind = await self._served()
            if kind is None:
                self._stored = {}
                self._only_newer = "policyreports" in await self._objects.served(_NEWER)
            elif kind is not self._kind or now - self._read_at > _READ_AGAIN:
                stored = await self._read(kind)
                if kind is not self._kind:
                    await self._leave_others(kind)
                self._stored, self._read_at = stored, now
        except ApiError as error:
            self._set_condition(_READING, error)
            return
        self._conditions.set(_READING, None)
        self._kind = kind
        self._log_kind(kind)

    async def write(self, known: Known) -> bool:
        """Write the report on a Secret if it changed. Return whether it is up to date, or no API is served."""
        key = (known.namespace, known.uid)
        if self._kind is None or self._stored.get(key) == known:
            return True
        try:
            await self._write(self._kind, known)
        except ApiError as error:
            self.rejected = 400 <= error.status < 500
            self._set_condition(_WRITING, error, known.uid)
            return False
        self._stored[key] = known
        self._on_write("write")
        self._conditions.set(_WRITING, None, place=known.uid)
        return True

    async def remove(self, key: Key) -> None:
        """Delete the report on a Secret that is no longer audited, if there is one."""
        if self._kind is None or key not in self._stored:
            return
        namespace, uid = key
        try:
            await self._objects.delete(self._kind, namespace, name_of(uid))
        except ApiError as error:
            self._set_condition(_WRITING, error, uid)
        else:
            self._stored.pop(key, None)
            self._conditions.set(_WRITING, None, place=uid)
            self._on_write("delete")

    def gone(self, key: Key) -> None:
        """Forget the report on a deleted Secret, which its owner reference deletes."""
        self._stored.pop(key, None)
        self._conditions.set(_WRITING, None, place=key[1])

    async def _served(self) -> Resource | None:
        for kind in KINDS:
            if kind.plural in await self._objects.served(kind.api):
                return kind
        return None

    async def _read(self, kind: Resource) -> dict[Key, Known | None]:
        stored: dict[Key, Known | None] = {}
        async for page in self._objects.pages(kind, selector=SELECTOR):
            for found in page:
                metadata = found["metadata"]
                if metadata["name"].startswith(name_of("")):
                    stored[metadata["namespace"], metadata["name"].removeprefix(name_of(""))] = known_from(found)
        return stored

    async def _leave_others(self, chosen: Resource) -> None:
        """Delete the reports of the other kind, from before this one was served."""
        for kind in KINDS:
            if kind is chosen or kind.plural not in await self._objects.served(kind.api):
                continue
            for namespace, uid in await self._read(kind):
                await self._objects.delete(kind, namespace, name_of(uid))

    async def _write(self, kind: Resource, known: Known) -> None:
        wanted = document(known, kind)
        for _ in range(_TRIES):
            found = await self._objects.read(kind, known.namespace, name_of(known.uid))
            try:
                if found is None:
                    await self._objects.create(kind, known.namespace, wanted)
                else:
                    await self._objects.replace(kind, _over(found, wanted))
                return
            except Conflict:
                continue
        raise ApiError("another program keeps changing it")

    def _set_condition(self, what: str, error: ApiError, place: str = "") -> None:
        # After a 404, the namespace is gone, or the kind, which the next `look` finds out.
        verb = "written" if what == _WRITING else "read"
        self._conditions.set(what, f"the reports cannot be {verb}: {explained(error)}", place=place)

    def _log_kind(self, kind: Resource | None) -> None:
        none = "only v1beta1" if self._only_newer else "none"
        served = f"{kind.kind} ({kind.api_version})" if kind is not None else none
        if served == self._logged:
            return
        self._logged = served
        if kind is None:
            lacking = (
                "PolicyReports are served as v1beta1 only, which this version does not write"
                if self._only_newer
                else "the cluster serves neither OpenReports nor PolicyReports"
            )
            self._log.info("no reports", detail=f"{lacking}; only metrics and Events are written")
        else:
            self._log.info("reports", kind=served, found=len(self._stored))


def _over(found: Json, wanted: Json) -> Json:
    """Return the wanted report with the labels and annotations that other programs have set."""
    before, after = found["metadata"], wanted["metadata"]
    kept = {key: {**(before.get(key) or {}), **after[key]} for key in ("labels", "annotations")}
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        **wanted,
        "metadata": {**before, **after, **kept},
    }
