"""The reports of a cluster: of the kind that it has, one for each Secret, written only when something has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from webhook.api_objects import ApiObjects, Conflict, Json, NotDone, Resource
from webhook.audit.continuous.documents import KINDS, SELECTOR, document, known_from, name_of
from webhook.audit.continuous.known import Known
from webhook.audit.continuous.troubles import Troubles
from webhook.logs import Logger

_READING, _WRITING = "reports", "report-writes"
_TRIES = 3


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
        self._stored: dict[str, Known | None] = {}
        self._places: dict[str, str] = {}

    @property
    def stored(self) -> Mapping[str, Known | None]:
        """What the reports say that there are, by the uid of their Secrets; None of one that says nothing to us."""
        return self._stored

    async def look(self) -> bool:
        """Find out which kind the cluster has; whether that is another one than before."""
        kind = self._kind
        try:
            kind = await self._served()
            if kind is not None and kind is not self._kind:
                stored = await self._read(kind)
                await self._leave(kind)
            elif kind is None:
                stored = {}
            else:
                stored = self._stored
        except NotDone as error:
            self._trouble(_READING, error, kind)
            return False
        self._troubles.say(_READING, None)
        changed = kind is not self._kind
        self._kind, self._stored = kind, stored
        self._say(kind)
        return changed

    async def write(self, known: Known) -> bool:
        """Bring the report on a Secret up to date; whether it is, or there are none."""
        if self._kind is None or self._stored.get(known.uid) == known:
            return True
        try:
            await self._write(self._kind, known)
        except NotDone as error:
            self._trouble(_WRITING, error, self._kind)
            return False
        self._stored[known.uid] = known
        self._on_write("write")
        self._troubles.say(_WRITING, None)
        return True

    async def remove(self, uid: str) -> None:
        """Take away the report on a Secret that is nothing to report on any more, if there is one."""
        if self._kind is None or uid not in self._stored:
            return
        try:
            await self._objects.delete(self._kind, self._places[uid], name_of(uid))
        except NotDone as error:
            self._trouble(_WRITING, error, self._kind)
        else:
            self._forget(uid)
            self._on_write("delete")

    def gone(self, uid: str) -> None:
        """A Secret is deleted, and its report with it, by its owner reference."""
        self._forget(uid)

    def _forget(self, uid: str) -> None:
        self._stored.pop(uid, None)
        self._places.pop(uid, None)

    async def _served(self) -> Resource | None:
        for kind in KINDS:
            if kind.plural in await self._objects.served(kind.api):
                return kind
        return None

    async def _read(self, kind: Resource) -> dict[str, Known | None]:
        stored: dict[str, Known | None] = {}
        self._places = {}
        async for page in self._objects.pages(kind, selector=SELECTOR):
            for found in page:
                uid = found["metadata"]["name"].removeprefix(name_of(""))
                stored[uid] = known_from(found)
                self._places[uid] = found["metadata"]["namespace"]
        return stored

    async def _leave(self, chosen: Resource) -> None:
        """Take away what was written as another kind, when this one wasn't there yet."""
        for kind in KINDS:
            if kind is chosen or kind.plural not in await self._objects.served(kind.api):
                continue
            async for page in self._objects.pages(kind, selector=SELECTOR):
                for found in page:
                    metadata = found["metadata"]
                    await self._objects.delete(kind, metadata["namespace"], metadata["name"])

    async def _write(self, kind: Resource, known: Known) -> None:
        wanted = document(known, kind)
        for _ in range(_TRIES):
            found = await self._objects.read(kind, known.namespace, name_of(known.uid))
            try:
                if found is None:
                    await self._objects.create(kind, known.namespace, wanted)
                else:
                    await self._objects.replace(kind, _over(found, wanted))
                self._places[known.uid] = known.namespace
                return
            except Conflict:
                continue
        raise NotDone("somebody else changes it again and again")

    def _trouble(self, what: str, error: NotDone, kind: Resource | None) -> None:
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
