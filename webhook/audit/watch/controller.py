"""The story of the replica that leads: follow the Secrets, look at each when it is time, report and tell what changed.

What is known survives in the reports, so that whoever takes over goes on from there: it tells nothing twice, and looks
at what has not changed only when its turn comes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webhook.audit.questions import Questions
from webhook.audit.rows import Rows, place_of
from webhook.audit.run import AsAuditor
from webhook.audit.selecting import Selection
from webhook.audit.watch.conditions import Troubles
from webhook.audit.watch.events import MUTED, Telling
from webhook.audit.watch.metrics import Snapshot, WatchMetrics
from webhook.audit.watch.reports import Key, Reports
from webhook.audit.watch.schedule import Schedule, next_look, place, retry
from webhook.audit.watch.state import Entry, Known, entries_of, news_of
from webhook.cluster.listing import Listed, Listing
from webhook.cluster.lookups import KubernetesCluster
from webhook.cluster.objects import ApiError
from webhook.cluster.secrets import Stored, StoredSecrets
from webhook.cluster.watch import Follower
from webhook.keyring.ring import KeyRing
from webhook.logs import Logger
from webhook.providers.token_shapes import name_holds_token
from webhook.review.reviewer import Reviewer
from webhook.settings.model import Settings

_IN_FLIGHT = 16
"""Secrets that are read and judged at the same time: each may have a megabyte."""
_PATIENCE = 120.0
"""Seconds for one Secret, waiting for its turn at a busy provider included."""
_BACK_WITHIN = timedelta(seconds=30)
"""After a provider answers again, so soon the others that it owes an answer are asked about."""
_LONGEST_WAIT = 60.0
_LATE = timedelta(minutes=10)
"""What is due for longer is overdue."""


@dataclass(frozen=True, slots=True)
class Judging:
    """What Secrets are judged by.

    Attributes:
        rules: only what one of these matches; empty for all.
        selector: for labels of Secrets, as kubectl takes it.
        digest: of all that a judgement depends on besides the Secret and its provider.
    """

    settings: Settings
    questions: Questions
    ring: KeyRing | None
    rules: tuple[str, ...]
    selector: str
    digest: str


@dataclass(frozen=True, slots=True)
class Pace:
    """How often something is done.

    Attributes:
        interval: between two looks at a Secret.
        look_again: for what is missing: a kind of reports, a right.
    """

    interval: timedelta
    look_again: timedelta


@dataclass(slots=True)
class _Followed:
    """A Secret that a rule may match, by its name and labels.

    Attributes:
        known: None before it was looked at, and where its data say that it is none of ours.
        attempts: how often in a row somebody has not answered.
        hastened: meanwhile another token had an answer, so that this one was tried again at once.
        waiting: it is to be looked at again as soon as the present look is over.
    """

    listed: Listed
    known: Known | None = None
    attempts: int = 0
    hastened: bool = False
    looking: bool = False
    waiting: bool = False


class Watching:
    """One term as leader, with one set of settings."""

    def __init__(
        self,
        secrets: StoredSecrets,
        judging: Judging,
        pace: Pace,
        reports: Reports,
        memory: Mapping[str, Known],
        *,
        metrics: WatchMetrics,
        troubles: Troubles,
        log: Logger,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Args:
            memory: what an earlier term of this process has known, by uid; for clusters without reports.
        """
        self._secrets = secrets
        self._judging = judging
        self._pace = pace
        self._reports = reports
        self._memory = memory
        self._metrics = metrics
        self._troubles = troubles
        self._log = log
        self._clock = clock
        self._namespaces: dict[str, Listed] = {}
        self._telling = Telling(secrets, troubles, metrics.told)
        cluster = _Cluster(KubernetesCluster(secrets.client), self._namespaces)
        ring = judging.ring
        self._reviewer = Reviewer(
            judging.settings, judging.questions, cluster, ring=(lambda: ring) if ring is not None else None
        )
        self._rows = Rows(judging.settings, judging.questions, ring)
        wanted = [rule for rule in judging.settings.all_rules if not judging.rules or rule.name in judging.rules]
        self._selection = Selection(wanted)
        self._schedule = Schedule()
        self._followed: dict[str, _Followed] = {}
        self.complete = False
        """Whether all that there is has been listed."""
        self._tidy = asyncio.Event()
        self._changed = asyncio.Event()
        self._turns = asyncio.Semaphore(_IN_FLIGHT)

    async def run(self) -> None:
        """Until cancelled."""
        listing = Listing(self._secrets.client, selector=self._judging.selector)
        core = listing.core
        await self._reports.look()
        secrets = Follower(
            listing.secrets,
            lambda **options: core.list_secret_for_all_namespaces_without_preload_content(
                label_selector=self._judging.selector or None, **options
            ),
            _Secrets(self),
            lambda error: self._say("secrets", error),
            lambda: self._log.info("listing anew", what="secrets", detail=_EXPIRED),
        )
        namespaces = Follower(
            listing.namespace_pages,
            core.list_namespace_without_preload_content,
            _Namespaces(self),
            lambda error: self._say("namespaces", error),
            lambda: self._log.info("listing anew", what="namespaces", detail=_EXPIRED),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(namespaces.run())
            tasks.create_task(secrets.run())
            tasks.create_task(self._keep_reports())
            tasks.create_task(self._look_at_what_is_due(tasks))

    @property
    def known(self) -> dict[str, Known]:
        """All that is known, by uid."""
        return {uid: one.known for uid, one in self._followed.items() if one.known is not None}

    def snapshot(self) -> Snapshot:
        """What is known at the moment."""
        overdue = self._schedule.overdue(self._clock() - _LATE)
        return Snapshot(self._entries(), sum(one.known is not None for one in self._followed.values()), overdue)

    def _entries(self) -> Iterator[tuple[Entry, bool]]:
        for followed in self._followed.values():
            if followed.known is not None:
                muted = self._is_muted(followed.listed)
                for entry in followed.known.entries:
                    yield entry, muted

    # --- what there is ---

    def follows(self, uid: str) -> bool:
        """Whether it is one of ours, by its name and labels."""
        return uid in self._followed

    def secret_seen(self, listed: Listed) -> None:
        """A Secret is there, and like this."""
        if not self._selection.may_match(listed.secret):
            self.secret_gone(listed, deleted=False)
            return
        followed = self._followed.get(listed.uid)
        if followed is None:
            followed = _Followed(listed, self._remembered(listed))
            self._followed[listed.uid] = followed
        before, followed.listed = followed.listed, listed
        unmuted = before.notifications == MUTED != listed.notifications
        if followed.known is not None and followed.known.version == listed.version and not unmuted:
            self._plan(followed)
        else:
            followed.attempts = 0
            self._look_soon(listed.uid)

    def secret_gone(self, listed: Listed, *, deleted: bool) -> None:
        """A Secret is no longer there, or none of ours any more."""
        self._followed.pop(listed.uid, None)
        self._schedule.drop(listed.uid)
        if deleted:
            self._reports.gone(_key(listed))
        elif _key(listed) in self._reports.stored:
            self._tidy.set()

    def secrets_are(self, uids: set[str]) -> None:
        """These are all that there are; what else was known is gone."""
        for followed in [one for uid, one in self._followed.items() if uid not in uids]:
            self.secret_gone(followed.listed, deleted=True)
        self.complete = True
        self._tidy.set()
        self._log.info("following", secrets=len(self._followed), reports=len(self._reports.stored))

    def namespace_seen(self, listed: Listed) -> None:
        """A namespace is there, and says so of its Secrets."""
        name = listed.secret.name
        before = self._namespaces.get(name)
        self._namespaces[name] = listed
        if before is None:
            return
        unmuted = before.notifications == MUTED != listed.notifications
        if before.skip != listed.skip or unmuted:
            for uid, followed in self._followed.items():
                if followed.listed.secret.namespace == name:
                    self._look_soon(uid)

    def namespace_gone(self, uid: str) -> None:
        """A namespace is no longer there."""
        for name in [name for name, one in self._namespaces.items() if one.uid == uid]:
            del self._namespaces[name]

    def namespaces_are(self, uids: set[str]) -> None:
        """These are all that there are."""
        for name in [name for name, one in self._namespaces.items() if one.uid not in uids]:
            del self._namespaces[name]

    def _remembered(self, listed: Listed) -> Known | None:
        """What its report says, where that is still about this Secret as it is, and judged as we would."""
        known = self._before(listed)
        same = known is not None and (known.version, known.judged_by) == (listed.version, self._judging.digest)
        return known if same else None

    def _before(self, listed: Listed) -> Known | None:
        return self._reports.stored.get(_key(listed)) or self._memory.get(listed.uid)

    def _is_muted(self, listed: Listed) -> bool:
        namespace = self._namespaces.get(listed.secret.namespace)
        return MUTED in (listed.notifications, namespace.notifications if namespace is not None else "")

    # --- when ---

    def _look_soon(self, uid: str) -> None:
        followed = self._followed[uid]
        if followed.looking:
            followed.waiting = True
        else:
            self._schedule.set(uid, self._clock())
            self._changed.set()

    def _plan(self, followed: _Followed) -> None:
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
            due = next_look(uid, now, interval, ends=known.ends, warn_within=warn_within)
        self._schedule.set(uid, due)
        self._changed.set()

    def _hasten_others(self, known: Known) -> None:
        """A host has answered: ask it about the others to which it owes an answer."""
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

    async def _look_at_what_is_due(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._changed.clear()
            while (uid := self._schedule.take(self._clock())) is not None:
                await self._turns.acquire()
                tasks.create_task(self._look_in_turn(uid))
            due = self._schedule.next
            # Now and then in any case, because somebody may set the clock.
            wait = min(max(0.0, (due - self._clock()).total_seconds()), _LONGEST_WAIT) if due is not None else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def _keep_reports(self) -> None:
        """Take away those on what is none of ours, and write those that are missing."""
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
            refused: set[str] = set()  # namespaces: one that is being deleted accepts no new objects
            for followed in list(self._followed.values()):
                known = followed.known
                if known is None or followed.looking or not _may_be_shown(known) or known.namespace in refused:
                    continue
                if await self._reports.write(known):
                    continue
                if not self._reports.refused:
                    break  # the API server is unavailable, so the next write fails too
                refused.add(known.namespace)
            self._tell_what_is_untold()

    def _tell_what_is_untold(self) -> None:
        """News of which nobody could be told: as long as that is so, one of them is tried."""
        now = self._clock()
        for uid, followed in self._followed.items():
            known = followed.known
            if known is None or followed.looking or not _may_be_shown(known) or self._is_muted(followed.listed):
                continue
            if news_of(known.entries, now) is not None:
                self._look_soon(uid)
                if self._troubles["events"] is not None:
                    return

    # --- what is found ---

    async def _look_in_turn(self, uid: str) -> None:
        try:
            followed = self._followed.get(uid)
            if followed is None:
                return
            followed.looking = True
            try:
                await self._look_at(followed)
            except ApiError as error:
                self._metrics.looked("unread")
                self._unread(followed, error)
            except Exception as error:  # a bug: one Secret must not keep the others from being looked at
                self._metrics.looked("failed")
                place = place_of(followed.listed.secret)
                self._log.error("a Secret could not be judged", secret=place.secret, exc_info=error)
                self._again_later(followed)
            finally:
                followed.looking = False
                if followed.waiting and uid in self._followed:
                    followed.waiting = False
                    self._look_soon(uid)
        finally:
            self._turns.release()

    async def _look_at(self, followed: _Followed) -> None:
        listed = followed.listed
        stored = await self._secrets.read(listed.secret.namespace, listed.secret.name)
        self._troubles.say("reading", None)
        if stored is None or stored.uid != listed.uid:
            return  # whoever follows the Secrets will be told
        known = await self._judge(followed, stored)
        self._metrics.looked("judged")
        if self._followed.get(listed.uid) is not followed:
            return  # it has gone in the meantime
        followed.known = known
        if known is None:
            await self._reports.remove(_key(listed))
        elif _may_be_shown(known):
            if not self._is_muted(followed.listed):
                known = await self._telling.tell(known, stored, self._clock())
                followed.known = known
            await self._reports.write(known)
        self._plan(followed)
        if known is not None:
            self._hasten_others(known)

    async def _judge(self, followed: _Followed, stored: Stored) -> Known | None:
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

    def _unread(self, followed: _Followed, error: ApiError) -> None:
        lacking = " (this account lacks the verb get on secrets)" if error.status == 403 else ""
        self._troubles.say("reading", f"Secrets can't be read: {error}{lacking}")
        self._again_later(followed)

    def _again_later(self, followed: _Followed) -> None:
        followed.attempts += 1
        uid = followed.listed.uid
        self._schedule.set(uid, retry(uid, self._clock(), self._pace.interval, followed.attempts))
        self._changed.set()

    def _say(self, what: str, error: ApiError | None) -> None:
        if error is None:
            self._troubles.say(what, None)
            return
        lacking = f" (this account lacks the verbs list and watch on {what})" if error.status == 403 else ""
        self._troubles.say(what, f"{what} can't be followed: {error}{lacking}")


class _Cluster(AsAuditor):
    """The API server as it is asked here: what is followed anyway is known already."""

    def __init__(self, cluster: KubernetesCluster, namespaces: Mapping[str, Listed]) -> None:
        super().__init__(cluster)
        self._namespaces = namespaces

    async def skip_annotation(self, namespace: str) -> str | None:
        known = self._namespaces.get(namespace)
        return known.skip or None if known is not None else await super().skip_annotation(namespace)


_EXPIRED = "the API server has forgotten where we were"


def _key(listed: Listed) -> Key:
    return (listed.secret.namespace, listed.uid)


def _may_be_shown(known: Known) -> bool:
    """Whether a report or an Event would spread what stands in its name, by somebody's slip."""
    return not name_holds_token(known.name)


class _Secrets:
    """What the API server says of Secrets."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self._seen: set[str] = set()
        self._listing = False

    def begins(self) -> None:
        self._seen, self._listing = set(), True

    def seen(self, one: Listed) -> None:
        self._watching.secret_seen(one)
        if self._listing and self._watching.follows(one.uid):
            self._seen.add(one.uid)

    def gone(self, one: Listed) -> None:
        self._watching.secret_gone(one, deleted=True)

    def complete(self) -> None:
        self._watching.secrets_are(self._seen)
        self._seen, self._listing = set(), False


class _Namespaces:
    """What it says of namespaces."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self._seen: set[str] = set()

    def begins(self) -> None:
        self._seen = set()

    def seen(self, one: Listed) -> None:
        self._watching.namespace_seen(one)
        self._seen.add(one.uid)

    def gone(self, one: Listed) -> None:
        self._watching.namespace_gone(one.uid)

    def complete(self) -> None:
        self._watching.namespaces_are(self._seen)
