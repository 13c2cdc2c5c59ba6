"""The run of `audit`, which checks the credential Secrets of clusters.

Secrets are listed without their data. The data of Secrets that a rule matches is read, checked and dropped. Unverified
tokens are retried at the end. An interrupted audit reports what it found until then.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from webhook.audit.argocd import Credentials, Syncs, is_argocds
from webhook.audit.checkpoint import Earlier, Judged, Record
from webhook.audit.progress import ProgressDisplay
from webhook.audit.questions import Questions
from webhook.audit.retries import ask_again, is_open
from webhook.audit.rows import Rows, place_of
from webhook.audit.scope import AsAuditor, Cluster, Scope
from webhook.audit.selecting import Selection
from webhook.cluster.listing import Listed, Listing, Page
from webhook.cluster.lookups import KubernetesCluster
from webhook.cluster.requests import ApiError
from webhook.cluster.secrets import Stored
from webhook.credentials.entries import Checkable, Undecodable
from webhook.credentials.extract import extract
from webhook.errors import ConfigurationError
from webhook.keyring.ring import KeyRing
from webhook.providers.requirements import Role
from webhook.report.model import ApplicationRow, NotLookedAt, Report, Row
from webhook.review.reviewer import Reviewer
from webhook.settings.model import Settings
from webhook.subject import SecretObject
from webhook.text import join

_IN_FLIGHT = 32
"""Secrets that are read and checked at the same time. Each may have a megabyte."""
_MOST_NAMES = 20
_MOST_TRIES = 3
_INTERRUPTED = "The run was interrupted before everything was checked."
_OVERDUE = "The time limit of --timeout passed before everything was checked."


@dataclass(slots=True)
class _Found:
    """The result for one Secret; a retry replaces its rows."""

    namespace: str
    name: str
    rows: list[Row]


@dataclass(slots=True)
class _ClusterRun:
    """The state of the audit of one cluster."""

    cluster: Cluster
    listing: Listing
    reviewer: Reviewer
    credentials: Credentials
    found: dict[str, _Found] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, NotLookedAt] = field(default_factory=dict)
    applications: list[ApplicationRow] = field(default_factory=list)

    def about(self, sentence: str) -> str:
        """Return the sentence, with the cluster before it if the report covers several."""
        return f"{self.cluster.label}: {sentence}" if self.cluster.label else sentence


class Audit:
    """One run."""

    def __init__(
        self,
        settings: Settings,
        scope: Scope,
        questions: Questions,
        *,
        ring: KeyRing | None,
        record: Record | None,
        progress: ProgressDisplay,
        seconds: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Args:
            ring: the webhook's key ring, which opens sealed values and verifies attestations.
            record: the checkpoint file with earlier results, to which results are written.
            seconds: the time limit; what is not checked by then is unverified.
        """
        self._settings = settings
        self._scope = scope
        self._questions = questions
        self._ring = ring
        self._record = record
        self._earlier = record.earlier if record is not None else Earlier()
        self._progress = progress
        self._clock = clock
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._rows = Rows(settings, questions, ring)
        wanted = [rule for rule in settings.all_rules if not scope.rules or rule.name in scope.rules]
        self._selection = Selection(wanted)
        self._turns = asyncio.Semaphore(_IN_FLIGHT)
        self._clusters: list[_ClusterRun] = []
        self._problems: dict[str, None] = {}
        self._forbidden: dict[tuple[str, str], None] = {}
        self._listed = 0
        self._started = clock()

    def problem(self, sentence: str) -> None:
        """Add a reason why the report is not complete."""
        self._problems[sentence] = None

    async def run(self, clusters: Iterable[Cluster]) -> Report:
        """Audit the clusters. If cancelled, return a report on what was checked until then.

        Raises:
            ConfigurationError: the API server rejects the selector.
        """
        try:
            for cluster in clusters:
                await self._look_at(cluster)
            await ask_again(
                self._questions,
                lambda: any(is_open(found.rows) for one in self._clusters for found in one.found.values()),
                self._again,
                deadline=self._deadline,
                waiting=self._progress.waiting,
            )
            if self._scope.applications:
                for one in self._clusters:
                    await self._look_at_applications(one)
        except asyncio.CancelledError:
            self.problem(_INTERRUPTED)
        if asyncio.get_running_loop().time() >= self._deadline:
            self.problem(_OVERDUE)
        return self._report()

    async def _look_at(self, cluster: Cluster) -> None:
        client, ring = cluster.secrets.client, self._ring
        one = _ClusterRun(
            cluster,
            Listing(client, selector=self._scope.selector),
            Reviewer(
                self._settings,
                self._questions,
                AsAuditor(KubernetesCluster(client)),
                ring=(lambda: ring) if ring is not None else None,
            ),
            Credentials(cluster.label),
        )
        self._clusters.append(one)
        await self._recall_tokens(one)
        for namespace in self._scope.namespaces or (None,):
            await self._look_into(one, namespace)
        self._tell_forbidden(one)

    async def _look_into(self, one: _ClusterRun, namespace: str | None) -> None:
        """Audit a namespace or the cluster. If the cluster cannot be listed, audit each namespace."""
        try:
            await self._look_through(one, namespace)
        except ApiError as error:
            if error.status == 400 and self._scope.selector:
                raise ConfigurationError(
                    "--selector: the API server rejects it; use kubectl's syntax, such as team=atlas"
                ) from None
            if error.status != 403:
                where = f" of namespace {namespace}" if namespace else ""
                self.problem(one.about(f"The Secrets{where} cannot be listed: {error}."))
            elif namespace is not None:
                self._forbidden[one.cluster.label, namespace] = None
            else:
                await self._look_into_each(one)

    async def _look_into_each(self, one: _ClusterRun) -> None:
        try:
            names = await one.listing.namespaces()
        except ApiError:
            self.problem(
                one.about(
                    "This account can list neither the Secrets of all namespaces nor the namespaces. Grant it the "
                    "verbs get and list on secrets in the cluster, or use -n for the namespaces where it has them."
                )
            )
            return
        for name in names:
            await self._look_into(one, name)

    def _tell_forbidden(self, one: _ClusterRun) -> None:
        names = [namespace for label, namespace in self._forbidden if label == one.cluster.label]
        if not names:
            return
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        which = ", ".join(names[:_MOST_NAMES]) + more if more else join(names)
        many = len(names) > 1
        self.problem(
            one.about(
                f"The {'namespaces' if many else 'namespace'} {which} {'are' if many else 'is'} left out: this account "
                "lacks the verbs get and list on secrets there."
            )
        )

    async def _look_through(self, one: _ClusterRun, namespace: str | None) -> None:
        """List the Secrets of a namespace or the cluster, and check those in scope."""
        seen, failure = Counter[str](), None
        async with asyncio.TaskGroup() as tasks:
            try:
                async for page in one.listing.secrets(namespace):
                    if page.is_first:
                        seen.clear()
                    await self._look_at_page(one, page, seen, tasks)
            except ApiError as error:  # checks in flight are finished first
                failure = error
        one.passed_over += seen
        if failure is not None:
            raise failure
        if namespace is not None and not seen and not one.found and not await one.listing.is_namespace(namespace):
            self.problem(one.about(f"There is no namespace {namespace}."))

    async def _look_at_page(self, one: _ClusterRun, page: Page, seen: Counter[str], tasks: asyncio.TaskGroup) -> None:
        for listed in page.secrets:
            if listed.uid in one.found:  # the listing was restarted
                continue
            if (what := self._passed_over(listed)) is not None:
                seen[what] += 1
                continue
            self._progress.found()
            await self._turns.acquire()  # limits the pages in memory
            tasks.create_task(self._take(one, listed))
        self._listed += len(page.secrets)
        self._progress.listed(self._listed, page.remaining, one.cluster.label)

    def _passed_over(self, listed: Listed) -> str | None:
        """Return what a Secret out of scope is; None if it is in scope."""
        argocds = self._scope.applications and is_argocds(listed.secret)
        if not (argocds or self._selection.may_match(listed.secret)):
            return "Secret"
        if self._scope.since is not None and listed.written < self._scope.since and not argocds:
            return "Secret that was written before"
        return None

    async def _take(self, one: _ClusterRun, listed: Listed) -> None:
        try:
            known = self._earlier.still_holds(one.cluster.label, listed.uid, listed.version)
            needed = self._scope.applications and is_argocds(listed.secret)
            if known is not None and not needed:
                self._keep(one, listed.uid, known)
            else:
                await self._judge(one, listed.secret.namespace, listed.secret.name, listed.uid)
        finally:
            self._turns.release()
            self._progress.judged()

    def _keep(self, one: _ClusterRun, uid: str, known: Judged) -> None:
        one.found[uid] = _Found(known.namespace, known.name, list(known.rows))

    async def _judge(self, one: _ClusterRun, namespace: str, name: str, uid: str) -> None:
        stored = await self._read(one, namespace, name, uid)
        if stored is None:
            one.found.pop(uid, None)  # drop earlier results
            return
        secret = stored.secret
        if self._scope.applications and is_argocds(secret):
            one.credentials.add(secret)
        standing = await one.reviewer.judge(secret, self._deadline)
        rules = {rule.name for rule in standing.match.rules}
        if not standing.match or (self._scope.rules and not rules.intersection(self._scope.rules)):
            one.passed_over["Secret"] += 1
            return
        rows = self._rows.of_stored(standing, secret, one.cluster.label, self._clock())
        one.found[uid] = _Found(namespace, name, rows)
        if self._record is not None and not is_open(rows):
            self._record.judged(Judged(one.cluster.label, uid, stored.version, namespace, name, tuple(rows)))

    async def _read(self, one: _ClusterRun, namespace: str, name: str, uid: str) -> Stored | None:
        """Return the Secret with its data; None if it was deleted, or cannot be read, which is reported."""
        try:
            stored = await one.cluster.secrets.read(namespace, name)
        except ApiError as error:
            if error.status == 403:
                self._forbidden[one.cluster.label, namespace] = None
            else:
                self.problem(one.about(f"The Secret {namespace}/{name} cannot be read: {error}."))
            place = place_of(SecretObject(namespace, name), one.cluster.label)
            one.left_out[uid] = NotLookedAt(place, "Secret", f"It cannot be read: {error}.")
            return None
        return stored

    async def _again(self) -> None:
        """Read and check again what is unverified."""

        async def one_more(one: _ClusterRun, uid: str, found: _Found) -> None:
            async with self._turns:
                await self._judge(one, found.namespace, found.name, uid)
            self._progress.judged()

        async with asyncio.TaskGroup() as tasks:
            for one in self._clusters:
                for uid, found in one.found.items():
                    if is_open(found.rows):
                        self._progress.found()
                        tasks.create_task(one_more(one, uid, found))

    async def _recall_tokens(self, one: _ClusterRun) -> None:
        """Restore the token numbers of an earlier run from Secrets that still hold the tokens."""
        holders = self._earlier.holders()
        self._questions.begin_after(max(holders, default=0))

        async def recall(number: int, held: list[tuple[Judged, Row]]) -> None:
            for known, row in held[:_MOST_TRIES]:
                async with self._turns:
                    if await self._recall(one, number, known, row):
                        return

        here = {
            number: [(known, row) for known, row in held if known.cluster == one.cluster.label]
            for number, held in holders.items()
        }
        async with asyncio.TaskGroup() as tasks:
            for number, held in here.items():
                tasks.create_task(recall(number, held))

    async def _recall(self, one: _ClusterRun, number: int, known: Judged, row: Row) -> bool:
        try:
            stored = await one.cluster.secrets.read(known.namespace, known.name)
        except ApiError:
            return False
        if stored is None or (stored.uid, stored.version) != (known.uid, known.version):
            return False
        try:
            entries = extract(stored.secret, one.reviewer.match(stored.secret), one.reviewer.opener())
        except Undecodable:
            return False
        for entry in entries.values():
            if entry.field == row.place.field and isinstance(entry.content, Checkable):
                self._questions.recall(entry.content.credential, number, self._earlier.answers.get(number, []))
                return True
        return False

    async def _look_at_applications(self, one: _ClusterRun) -> None:
        syncs = Syncs(self._settings, self._questions, self._clock)
        label = one.cluster.label
        for namespace in self._scope.namespaces or (None,):
            try:
                syncers = await one.listing.applications(namespace)
            except ApiError as error:
                lacking = " (this account lacks the verb list on applications and applicationsets of argoproj.io)"
                why = f"{error}{lacking if error.status == 403 else ''}"
                self.problem(one.about(f"Argo CD's Applications cannot be listed: {why}."))
                return
            one.applications += await syncs.rows(syncers, one.credentials, label, self._deadline)

    def _report(self) -> Report:
        rows: list[Row] = []
        for one in self._clusters:
            used = _by_credential(one.applications)
            for found in one.found.values():
                for row in found.rows:
                    names = used.get((row.place.namespace, row.place.name), ())
                    rows.append(replace(row, applications=names) if names and Role.RUNTIME in row.roles else row)
        return Report(
            "audit",
            self._started,
            self._clock(),
            tuple(one.cluster.source for one in self._clusters),
            tuple(rows),
            tuple(item for one in self._clusters for item in one.left_out.values()),
            tuple(row for one in self._clusters for row in one.applications),
            secrets=sum(len(one.found) for one in self._clusters),
            passed_over=dict(sum((one.passed_over for one in self._clusters), Counter[str]())),
            tokens=len({row.token for row in rows if row.token is not None}),
            asked=self._questions.asked,
            problems=tuple(self._problems),
        )


def _by_credential(applications: Iterable[ApplicationRow]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the names of Applications by the namespace and name of the Secret that they sync with."""
    used: dict[tuple[str, str], dict[str, None]] = {}
    for row in applications:
        if row.credential is not None:
            place = (row.credential.namespace, row.credential.name)
            used.setdefault(place, {})[f"{row.namespace}/{row.name}"] = None
    return {place: tuple(names) for place, names in used.items()}
