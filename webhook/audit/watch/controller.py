"""The controller of the leader, which watches Secrets, checks them on schedule, and reports changes.

The state is in the reports. The next leader continues from there: it repeats no Event, and checks unchanged Secrets
only when they are due.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from webhook.audit.rows import Rows, place_of
from webhook.audit.scope import WatchedCluster
from webhook.audit.selecting import Selection
from webhook.audit.watch.conditions import Conditions
from webhook.audit.watch.events import MUTED, EventWriter
from webhook.audit.watch.inputs import Judging, Pace
from webhook.audit.watch.metrics import Snapshot, WatchMetrics
from webhook.audit.watch.reports import Key, Reports
from webhook.audit.watch.schedule import Schedule, next_check, place, retry
from webhook.audit.watch.state import Entry, Followed, Known, entries_of, news_of
from webhook.cluster.listing import Listed, Listing
from webhook.cluster.lookups import KubernetesCluster
from webhook.cluster.requests import ApiError, explained
from webhook.cluster.secrets import Stored, StoredSecrets
from webhook.cluster.watch import ListTracker, Reflector
from webhook.logs import Logger
from webhook.providers.token_shapes import name_holds_token
from webhook.review.reviewer import Reviewer

_IN_FLIGHT = 16
"""Secrets that are read and checked at the same time. Each may have a megabyte."""
_PATIENCE = 120.0
"""Seconds for one Secret, including the time in the queue of a provider."""
_BACK_WITHIN = timedelta(seconds=30)
"""Time over which unverified tokens are checked again after their provider has recovered."""
_LONGEST_WAIT = 60.0
_LATE = timedelta(minutes=10)
"""A Secret that is due for longer is overdue."""


class Controller:
    """One term as leader, with one configuration."""

    def __init__(
        self,
        secrets: StoredSecrets,
        judging: Judging,
        pace: Pace,
        reports: Reports,
        memory: Mapping[str, Known],
        *,
        metrics: WatchMetrics,
        conditions: Conditions,
        log: Logger,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Args:
            memory: the states from an earlier term of this process, by uid, for clusters without reports.
        """
        self._secrets = secrets
        self._judging = judging
        self._pace = pace
        self._reports = reports
        self._memory = memory
        self._metrics = metrics
        self._conditions = conditions
        self._log = log
        self._clock = clock
        self._namespaces: dict[str, Listed] = {}
        self._events = EventWriter(secrets, conditions, metrics.event_written)
        cluster = WatchedCluster(KubernetesCluster(secrets.client), self._namespaces)
        ring = judging.ring
        self._reviewer = Reviewer(
            judging.settings, judging.questions, cluster, ring=(lambda: ring) if ring is not None else None
        )
        self._rows = Rows(judging.settings, judging.questions, ring)
        wanted = [rule for rule in judging.settings.all_rules if not judging.rules or rule.name in judging.rules]
        self._selection = Selection(wanted)
        self._schedule = Schedule()
        self._followed: dict[str, Followed] = {}
        self.complete = False
        """Whether the first listing is complete."""
        self._tidy = asyncio.Event()
        self._changed = asyncio.Event()
        self._turns = asyncio.Semaphore(_IN_FLIGHT)

    async def run(self) -> None:
        """Run until cancelled."""
        listing = Listing(self._secrets.client, selector=self._judging.selector)
        await self._reports.look()
        secrets = Reflector(
            listing.secrets,
            listing.watch_secrets(),
            ListTracker(
                self.secret_seen,
                lambda one: self.secret_gone(one, deleted=True),
                self.secrets_are,
                counts=self.follows,
            ),
            lambda error: self._set_condition("secrets", error),
            lambda: self._log.info("listing again", what="secrets", detail=_EXPIRED),
        )
        namespaces = Reflector(
            listing.namespace_pages,
            listing.watch_namespaces(),
            ListTracker(self.namespace_seen, lambda one: self.namespace_gone(one.uid), self.namespaces_are),
            lambda error: self._set_condition("namespaces", error),
            lambda: self._log.info("listing again", what="namespaces", detail=_EXPIRED),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(namespaces.run())
            tasks.create_task(secrets.run())
            tasks.create_task(self._keep_reports())
            tasks.create_task(self._check_due(tasks))

    @property
    def known(self) -> dict[str, Known]:
        """All states, by uid."""
        return {uid: one.known for uid, one in self._followed.items() if one.known is not None}

    def snapshot(self) -> Snapshot:
        """Return the current numbers for metrics."""
        overdue = self._schedule.overdue(self._clock() - _LATE)
        return Snapshot(self._entries(), sum(one.known is not None for one in self._followed.values()), overdue)

    def _entries(self) -> Iterator[tuple[Entry, bool]]:
        for followed in self._followed.values():
            if followed.known is not None:
                muted = self._is_muted(followed.listed)
                for entry in followed.known.entries:
                    yield entry, muted

    # --- watched objects ---

    def follows(self, uid: str) -> bool:
        """Whether a rule may match the Secret, by its name and labels."""
        return uid in self._followed

    def secret_seen(self, listed: Listed) -> None:
        """Handle a new or changed Secret."""
        if not self._selection.may_match(listed.secret):
            self.secret_gone(listed, deleted=False)
            return
        listed = replace(listed, marks={})  # the results of the last write, which would cost memory
        followed = self._followed.get(listed.uid)
        if followed is None:
            followed = Followed(listed, self._remembered(listed))
            self._followed[listed.uid] = followed
        before, followed.listed = followed.listed, listed
        unmuted = before.notifications == MUTED != listed.notifications
        if followed.known is not None and followed.known.version == listed.version and not unmuted:
            self._plan(followed)
        else:
            followed.attempts = 0
            self._check_soon(listed.uid)

    def secret_gone(self, listed: Listed, *, deleted: bool) -> None:
        """Handle a Secret that was deleted, or that no rule matches any more."""
        self._followed.pop(listed.uid, None)
        self._schedule.drop(listed.uid)
        self._conditions.set("events", None, place=listed.uid)
        if deleted:
            self._reports.gone(_key(listed))
        elif _key(listed) in self._reports.stored:
            self._tidy.set()

    def secrets_are(self, uids: set[str]) -> None:
        """Handle the end of a listing, which drops all other Secrets."""
        for followed in [one for uid, one in self._followed.items() if uid not in uids]:
            self.secret_gone(followed.listed, deleted=True)
        self.complete = True
        self._tidy.set()
        self._log.info("watching", secrets=len(self._followed), reports=len(self._reports.stored))

    def namespace_seen(self, listed: Listed) -> None:
        """Handle a new or changed namespace."""
        name = listed.secret.name
        before = self._namespaces.get(name)
        self._namespaces[name] = listed
        if before is None:
            return
        unmuted = before.notifications == MUTED != listed.notifications
        if before.skip != listed.skip or unmuted:
            for uid, followed in self._followed.items():
                if followed.listed.secret.namespace == name:
                    self._check_soon(uid)

    def namespace_gone(self, uid: str) -> None:
        """Handle a deleted namespace."""
        for name in [name for name, one in self._namespaces.items() if one.uid == uid]:
            del self._namespaces[name]

    def namespaces_are(self, uids: set[str]) -> None:
        """Handle the end of a listing, which drops all other namespaces."""
        for name in [name for name, one in self._namespaces.items() if one.uid not in uids]:
            del self._namespaces[name]

    def _remembered(self, listed: Listed) -> Known | None:
        """Return the state from the report if the Secret and the inputs of the check are unchanged."""
        known = self._before(listed)
        same = known is not None and (known.version, known.judged_by) == (listed.version, self._judging.digest)
        return known if same else None

    def _before(self, listed: Listed) -> Known | None:
        return self._reports.stored.get(_key(listed)) or self._memory.get(listed.uid)

    def _is_muted(self, listed: Listed) -> bool:
        namespace = self._namespaces.get(listed.secret.namespace)
        return MUTED in (listed.notifications, namespace.notifications if namespace is not None else "")

    # --- schedule ---

    def _check_soon(self, uid: str) -> None:
        followed = self._followed[uid]
        if followed.looking:
            followed.waiting = True
        else:
            self._schedule.set(uid, self._clock())
            self._changed.set()

    def _plan(self, followed: Followed) -> None:
        uid, now, interval = followed.listed.uid, self._clock(), self._pace.interval
        known = followed.known
        if known is None:
            self._schedule.drop(uid)  # a change of the Secret brings it back
            return
        if known.unverified_hosts:
            followed.attempts += 1
            due = retry(uid, now, interval, followed.attempts, self._judging.questions.pause())
        else:
            followed.attempts, followed.hastened = 0, False
            warn_within = self._judging.settings.expiry.warn_within
            due = next_check(uid, now, interval, ends=known.ends, warn_within=warn_within)
        self._schedule.set(uid, due)
        self._changed.set()

    def _hasten_others(self, known: Known) -> None:
        """Check the other unverified tokens of the hosts that answered."""
        answered = {entry.host for entry in known.entries if entry.host} - known.unverified_hosts
        if not answered:
            return
        now = self._clock()
        for uid, other in self._followed.items():
            if other.known is None or other.hastened:
                continue
            if other.attempts and answered & other.known.unverified_hosts:
                other.hastened = True
                self._schedule.hasten(uid, now + _BACK_WITHIN * place(uid))

    async def _check_due(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._changed.clear()
            while (uid := self._schedule.take(self._clock())) is not None:
                await self._turns.acquire()
                tasks.create_task(self._check_in_turn(uid))
            due = self._schedule.next
            # With an upper limit, because the system clock may be changed.
            wait = min(max(0.0, (due - self._clock()).total_seconds()), _LONGEST_WAIT) if due is not None else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def _keep_reports(self) -> None:
        """Delete reports that are no longer needed, and write missing ones."""
        while True:
            self._tidy.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.look_again.total_seconds()):
                    await self._tidy.wait()
            await self._reports.look()
            if self.complete:
                wanted = {_key(followed.listed) for followed in self._followed.values()}
                for key in self._reports.stored.keys() - wanted:
                    await self._reports.remove(key)
            rejected: set[str] = set()  # namespaces: one that is being deleted accepts no new objects
            for followed in list(self._followed.values()):
                known = followed.known
                if known is None or followed.looking or not _may_be_shown(known) or known.namespace in rejected:
                    continue
                if await self._reports.write(known):
                    continue
                if not self._reports.rejected:
                    break  # the API server is unavailable, so the next write fails too
                rejected.add(known.namespace)
            self._retry_events()

    def _retry_events(self) -> None:
        """Schedule Secrets with unwritten Events: one while writing fails, all when it works."""
        now = self._clock()
        for uid, followed in self._followed.items():
            known = followed.known
            if known is None or followed.looking or not _may_be_shown(known) or self._is_muted(followed.listed):
                continue
            if news_of(known.entries, now) is not None:
                self._check_soon(uid)
                if self._conditions["events"] is not None:
                    return

    # --- checks ---

    async def _check_in_turn(self, uid: str) -> None:
        try:
            followed = self._followed.get(uid)
            if followed is None:
                return
            followed.looking = True
            try:
                await self._check(followed)
            except ApiError as error:
                self._metrics.checked("unread")
                self._unread(followed, error)
            except Exception as error:  # a bug: one Secret must not stop the checks of the others
                self._metrics.checked("failed")
                place = place_of(followed.listed.secret)
                self._log.error("check of a Secret failed", secret=place.secret, exc_info=error)
                self._retry_later(followed)
            finally:
                followed.looking = False
                if followed.waiting and uid in self._followed:
                    followed.waiting = False
                    self._check_soon(uid)
        finally:
            self._turns.release()

    async def _check(self, followed: Followed) -> None:
        listed = followed.listed
        stored = await self._secrets.read(listed.secret.namespace, listed.secret.name)
        self._conditions.set("reading", None)
        if stored is None or stored.uid != listed.uid:
            return  # the watch will report the change
        known = await self._judge(followed, stored)
        self._metrics.checked("judged")
        if self._followed.get(listed.uid) is not followed:
            return  # it was deleted in the meantime
        followed.known = known
        if known is None:
            await self._reports.remove(_key(listed))
        elif _may_be_shown(known):
            if not self._is_muted(followed.listed):
                known = await self._events.write(known, stored, self._clock())
                followed.known = known
            await self._reports.write(known)
        self._plan(followed)
        if known is not None:
            self._hasten_others(known)

    async def _judge(self, followed: Followed, stored: Stored) -> Known | None:
        judging = self._judging
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        standing = await self._reviewer.judge(stored.secret, deadline)
        rules = {rule.name for rule in standing.match.rules}
        if not standing.match or (judging.rules and not rules.intersection(judging.rules)):
            return None
        now = self._clock()
        rows = self._rows.of_stored(standing, stored.secret, "", now)
        before = followed.known or self._before(followed.listed)
        entries = entries_of(rows, before.entries if before else (), now, judging.settings.expiry.warn_within)
        secret = stored.secret
        return Known(stored.uid, secret.namespace, secret.name, stored.version, judging.digest, entries)

    def _unread(self, followed: Followed, error: ApiError) -> None:
        self._conditions.set("reading", f"Secrets cannot be read: {explained(error)}")
        self._retry_later(followed)

    def _retry_later(self, followed: Followed) -> None:
        followed.attempts += 1
        uid = followed.listed.uid
        self._schedule.set(uid, retry(uid, self._clock(), self._pace.interval, followed.attempts))
        self._changed.set()

    def _set_condition(self, what: str, error: ApiError | None) -> None:
        if error is None:
            self._conditions.set(what, None)
            return
        self._conditions.set(what, f"{what} cannot be watched: {explained(error)}")


_EXPIRED = "the resource version of the watch has expired"


def _key(listed: Listed) -> Key:
    return (listed.secret.namespace, listed.uid)


def _may_be_shown(known: Known) -> bool:
    """Whether the name of the Secret is no token, which a report or an Event would expose."""
    return not name_holds_token(known.name)
