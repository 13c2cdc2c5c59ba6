"""The state of all entries that the user may see, kept up to date by watches.

Secrets are listed and watched without their data. If the user cannot list those of the whole cluster, each namespace
where the user can has a watch of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from webhook.audit.watch.report_objects import KINDS, SELECTOR, known_from
from webhook.audit.watch.state import Known
from webhook.cluster.listing import Listed, Listing
from webhook.cluster.objects import ApiObjects
from webhook.cluster.requests import ApiError
from webhook.cluster.secrets import StoredSecrets
from webhook.cluster.watch import ListTracker, Reflector
from webhook.console.dependents import Place, dependents
from webhook.console.entries import Entry, aged, entries_of
from webhook.credentials.matching import classify
from webhook.names import PREFIX
from webhook.report.model import Row
from webhook.settings.model import Settings

_REFRESH = 30.0
"""Seconds between two readings of reports and Applications."""
_MOST_WATCHES = 50
_ROLE = PREFIX + "role"
_NO_NAMESPACES = (
    "Your account can list neither the Secrets of all namespaces nor the namespaces. Start the console with -n for the "
    "namespaces where it has the verbs get, list and watch on secrets."
)


@dataclass(slots=True)
class _Scope:
    """The Secrets of one namespace, or of the cluster for None."""

    namespace: str | None
    on_change: Callable[[str], None]
    secrets: dict[str, Listed] = field(default_factory=dict)
    complete: bool = False
    error: ApiError | None = None

    def updated(self, one: Listed) -> None:
        self.secrets[one.uid] = one
        self.on_change(one.uid)

    def deleted(self, one: Listed) -> None:
        self.secrets.pop(one.uid, None)
        self.on_change(one.uid)

    def listed(self, uids: set[str]) -> None:
        for uid in self.secrets.keys() - uids:
            del self.secrets[uid]
            self.on_change(uid)
        self.complete = True
        self.on_change("")


class Overview:
    """All entries. `run` keeps them up to date."""

    def __init__(
        self,
        secrets: StoredSecrets,
        settings: Settings,
        namespaces: tuple[str, ...] = (),
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Args:
            namespaces: those to show; empty for all that the user may list.
        """
        self._secrets = secrets
        self._listing = Listing(secrets.client)
        self._objects = ApiObjects(secrets.client)
        self._settings = settings
        self._rules = [rule.model_copy(update={"urls": ()}) for rule in settings.all_rules if not rule.urls]
        self._wanted = namespaces
        self._clock = clock
        self._scopes: list[_Scope] = []
        self._entries: dict[str, list[Entry]] = {}
        self._known: dict[str, Known] = {}
        self._checked: dict[str, tuple[str, tuple[Row, ...]]] = {}
        self._dependents: Mapping[Place, tuple[str, ...]] | None = None
        self._aged: tuple[object, list[Entry]] = (None, [])
        self._changed = asyncio.Event()
        self.applications_read = asyncio.Event()
        """Set when the Applications have been read for the first time, or cannot be read."""
        self.revision = 0
        """Rises with each change."""
        self.as_of: datetime | None = None
        """When the API server last showed that this is the present state; None before the first list."""
        self.problem = ""
        """Why something is missing, as whole sentences; empty if nothing is."""

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that are watched; empty for the whole cluster."""
        return tuple(scope.namespace for scope in self._scopes if scope.namespace is not None)

    @property
    def complete(self) -> bool:
        """Whether all Secrets have been listed."""
        return bool(self._scopes) and all(scope.complete for scope in self._scopes)

    @property
    def live(self) -> bool:
        """Whether all watches work."""
        return self.complete and not any(scope.error for scope in self._scopes)

    def entries(self) -> list[Entry]:
        """Return all entries as of now."""
        now = self._clock()
        state = (self.revision, now.replace(second=0, microsecond=0))
        if self._aged[0] != state:
            within = self._settings.expiry.warn_within
            found = [aged(entry, now, within) for entries in self._entries.values() for entry in entries]
            self._aged = state, found
        return self._aged[1]

    def of_secret(self, namespace: str, name: str) -> list[Entry]:
        """Return the entries of one Secret."""
        return [entry for entry in self.entries() if (entry.namespace, entry.name) == (namespace, name)]

    def listed(self) -> list[Listed]:
        """Return the metadata of all credential Secrets."""
        return [one for scope in self._scopes for one in scope.secrets.values() if one.uid in self._entries]

    def checked(self, uid: str, version: str, rows: Iterable[Row]) -> None:
        """Keep the result of a check of this version of a Secret."""
        self._checked[uid] = version, tuple(rows)
        self._update(uid)

    async def changes(self, seconds: float) -> bool:
        """Wait for a change; False if none comes within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._refresh())
            for namespace in await self._visible():
                scope = _Scope(namespace, self._update)
                self._scopes.append(scope)
                tasks.create_task(self._reflector(scope).run())

    def _reflector(self, scope: _Scope) -> Reflector:
        pages = partial(self._listing.secrets, scope.namespace)
        handler = ListTracker(scope.updated, scope.deleted, scope.listed)
        return Reflector(pages, self._listing.watch_secrets(scope.namespace), handler, partial(self._set_status, scope))

    async def _visible(self) -> list[str | None]:
        """Return the namespaces to watch; None for the whole cluster."""
        if self._wanted:
            return list(self._wanted)
        while True:
            try:
                return await self._listable()
            except ApiError as error:
                self._tell(f"The API server does not list Secrets: {error}.")
                await asyncio.sleep(2.0)

    async def _listable(self) -> list[str | None]:
        if await self._may_list(None):
            return [None]
        try:
            names = await self._listing.namespaces()
        except ApiError as error:
            if error.status not in (401, 403):
                raise
            self._tell(_NO_NAMESPACES)
            return []
        own = [name for name in names if await self._may_list(name)]
        if not own:
            self._tell("Your account has the verb list on secrets in no namespace.")
        if len(own) > _MOST_WATCHES:
            self._tell(f"Only the first {_MOST_WATCHES} of {len(own)} namespaces are shown. Choose others with -n.")
        else:
            self._tell("")
        return list(own[:_MOST_WATCHES])

    async def _may_list(self, namespace: str | None) -> bool:
        return await self._objects.may("list", "secrets", namespace or "")

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self._notify()

    def _set_status(self, scope: _Scope, error: ApiError | None) -> None:
        before, scope.error = self.live, error
        if error is None:
            self.as_of = self._clock()
        if before != self.live:
            self._notify()

    @property
    def outage(self) -> str:
        """Why the state may be outdated, as a sentence; empty while all watches work."""
        errors = dict.fromkeys(str(scope.error) for scope in self._scopes if scope.error is not None)
        return f"Updates have stopped: {'; '.join(errors)}." if errors else ""

    def _update(self, uid: str) -> None:
        """Compute the entries of a Secret again."""
        one = next((scope.secrets[uid] for scope in self._scopes if uid in scope.secrets), None)
        roles = self._roles(one) if one is not None else ()
        if one is None or not roles:
            self._entries.pop(uid, None)
            if one is None:
                self._checked.pop(uid, None)
        else:
            version, rows = self._checked.get(uid, ("", ()))
            used = self._dependents
            place = (one.secret.namespace, one.secret.name)
            self._entries[uid] = entries_of(
                one,
                roles,
                self._known.get(uid),
                rows if version == one.version else None,
                used.get(place, ()) if used is not None else None,
            )
        self._notify()

    def _roles(self, one: Listed) -> tuple[str, ...]:
        label = one.secret.labels.get(_ROLE)
        if label:
            return tuple(role for role in label.split(".") if role in ("runtime", "user"))
        return tuple(str(role) for role in classify(one.secret, self._rules).roles)

    def _notify(self) -> None:
        self.revision += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def _refresh(self) -> None:
        """Read reports and Applications again and again. Clusters without them, and users who may not, do without."""
        while True:
            with contextlib.suppress(ApiError):
                await self._read_reports()
            if self.complete:
                try:
                    namespaces = self.namespaces or (None,)
                    found = await dependents(self._secrets, self._listing, self.listed(), namespaces)
                    if found != self._dependents:
                        self._dependents = found
                        self._update_all()
                except ApiError:
                    pass
                finally:
                    self.applications_read.set()
            await asyncio.sleep(_REFRESH if self.applications_read.is_set() else 0.1)

    async def _read_reports(self) -> None:
        for kind in KINDS:
            if kind.plural not in await self._objects.served(kind.api):
                continue
            known: dict[str, Known] = {}
            for namespace in self.namespaces or (None,):
                async for page in self._objects.pages(kind, namespace=namespace, selector=SELECTOR):
                    known |= {one.uid: one for found in page if (one := known_from(found)) is not None}
            if known != self._known:
                self._known = known
                self._update_all()
            return

    def _update_all(self) -> None:
        for uid in list(self._entries):
            self._update(uid)
