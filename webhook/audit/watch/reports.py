"""The reports of a cluster: of the kind that it has, one for each Secret, written only when something has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from webhook.audit.watch.conditions import Troubles
from webhook.audit.watch.report_objects import KINDS, SELECTOR, document, known_from, name_of
from webhook.audit.watch.state import Known
from webhook.cluster.objects import ApiError, ApiObjects, Conflict, Json, Resource
from webhook.logs import Logger

_READING, _WRITING = "reports", "report-writes"
_TRIES = 3
_READ_AGAIN = 3600.0
"""Seconds after which what others have done to our reports is mended."""

Key = tuple[str, str]
"""A namespace, and the uid of a Secret there: whoever may write reports elsewhere says nothing about it."""


class Reports:
    """Reads and writes them. What can't be written is a trouble and no more: Events and metrics go on."""

    def __init__(
        self,
        objects: ApiObjects,
        troubles: Troubles,
        log: Logger,
        on_write: Callable[[str], None] = lambda operation: None,
    ) -> None:
        """
        Args:
            on_write: told what was done: ``write`` or ``delete``.
        """
        self._objects = objects
        self._troubles = troubles
        self._log = log
        self._on_write = on_write
        self._kind: Resource | None = None
        self._said: str | None = None
        self._stored: dict[Key, Known | None] = {}
        self._read_at = 0.0
        self.refused = False
        """The last report that could not be written was denied, so that another namespace may still accept one."""

    @property
    def stored(self) -> Mapping[Key, Known | None]:
        """What the reports say that there are; None of one that says nothing to us."""
        return self._stored

    async def look(self) -> None:
        """Find out which kind the cluster has, and now and then, whether our reports are still there."""
        kind, now = self._kind, asyncio.get_running_loop().time()
        try:
            kind = await self._served()
            if kind is None:
                self._stored = {}
            elif kind is not self._kind or now - self._read_at > _READ_AGAIN:
                stored = await self._read(kind)
                if kind is not self._kind:
                    await self._leave_others(kind)
                self._stored, self._read_at = stored, now
        except ApiError as error:
            self._trouble(_READING, error, kind)
            return
        self._troubles.say(_READING, None)
        self._kind = kind
        self._say(kind)

    async def write(self, known: Known) -> bool:
        """Bring the report on a Secret up to date; whether it is, or there are none."""
        key = (known.namespace, known.uid)
        if self._kind is None or self._stored.get(key) == known:
            return True
        try:
            await self._write(self._kind, known)
        except ApiError as error:
            self.refused = error.status == 403
            self._trouble(_WRITING, error, self._kind)
            return False
        self._stored[key] = known
        self._on_write("write")
        self._troubles.say(_WRITING, None)
        return True

    async def remove(self, key: Key) -> None:
        """Take away the report on a Secret that is nothing to report on any more, if there is one."""
        if self._kind is None or key not in self._stored:
            return
        namespace, uid = key
        try:
            await self._objects.delete(self._kind, namespace, name_of(uid))
        except ApiError as error:
            self._trouble(_WRITING, error, self._kind)
        else:
            self._stored.pop(key, None)
            self._on_write("delete")

    def gone(self, key: Key) -> None:
        """A Secret is deleted, and its report with it, by its owner reference."""
        self._stored.pop(key, None)

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
        """Take away what was written as another kind, when this one wasn't there yet."""
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
        raise ApiError("somebody else changes it again and again")

    def _trouble(self, what: str, error: ApiError, kind: Resource | None) -> None:
        name = f"{kind.plural} of {kind.api_version}" if kind is not None else "reports"
        lacking = f" (this account lacks a verb on {name})" if error.status == 403 else ""
        verb = "written" if what == _WRITING else "read"
        self._troubles.say(what, f"the reports can't be {verb}: {error}{lacking}")
        if error.status == 404:  # the kind is gone, or the namespace
            self._kind = None

    def _say(self, kind: Resource | None) -> None:
        told = f"{kind.kind} ({kind.api_version})" if kind is not None else "none"
        if told == self._said:
            return
        self._said = told
        if kind is None:
            what = "the cluster has neither OpenReports nor PolicyReports: there are metrics and Events alone"
            self._log.info("no reports", detail=what)
        else:
            self._log.info("reports", kind=told, found=len(self._stored))


def _over(found: Json, wanted: Json) -> Json:
    """The report as it is wanted, with the labels and annotations that others have put on it."""
    before, after = found["metadata"], wanted["metadata"]
    kept = {key: {**(before.get(key) or {}), **after[key]} for key in ("labels", "annotations")}
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        **wanted,
        "metadata": {**before, **after, **kept},
    }
