"""The story of an audit: every credential Secret of some clusters, judged as the webhook would judge it today.

Secrets are listed without their data; of those that a rule matches the data is read, judged and forgotten. What nobody
could say is asked again at the end. Whatever stops an audit, it tells what it has found until then.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from webhook.audit.argocd import Credentials, Syncs, is_argocds
from webhook.audit.checkpoint import Earlier, Judged, Record
from webhook.audit.progress import Shown
from webhook.audit.questions import Questions
from webhook.audit.retries import ask_again, is_open
from webhook.audit.rows import Rows, place_of
from webhook.audit.selecting import Selection
from webhook.cluster.argocd import Synced
from webhook.cluster.listing import Listed, Listing, Page
from webhook.cluster.lookups import KubernetesCluster
from webhook.cluster.objects import ApiError, Unavailable
from webhook.cluster.secrets import Stored, StoredSecrets
from webhook.credentials.entries import Checkable, Undecodable
from webhook.credentials.extract import extract
from webhook.errors import ConfigurationError
from webhook.keyring.ring import KeyRing
from webhook.providers.requirements import Role
from webhook.report.model import ApplicationRow, NotLookedAt, Report, Row
from webhook.review.reviewer import Reviewer
from webhook.settings.model import Settings
from webhook.subject import Requester, SecretObject
from webhook.text import join

_IN_FLIGHT = 32
"""Secrets that are read and judged at the same time: each may have a megabyte."""
_MOST_NAMES = 20
_MOST_TRIES = 3
_INTERRUPTED = "It was interrupted before everything was looked at."
_OVERDUE = "The time that --timeout gives was over before everything was asked."


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at.

    Attributes:
        namespaces: empty for all.
        selector: for labels of Secrets, as kubectl takes it.
        rules: only Secrets that one of these rules matches; empty for all.
        since: only Secrets that were written after that.
        applications: say which Argo CD Applications would sync.
    """

    namespaces: tuple[str, ...] = ()
    selector: str = ""
    rules: tuple[str, ...] = ()
    since: datetime | None = None
    applications: bool = False


@dataclass(frozen=True, slots=True)
class Cluster:
    """One that is audited.

    Attributes:
        label: its name in the report, where that is about several; else empty.
        source: what it is called where the report says what was looked at.
    """

    secrets: StoredSecrets
    label: str
    source: str


class AsAuditor:
    """The API server as an audit asks it: nobody knows any more who has set a Secret's own skip annotation."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        self._cluster = cluster

    async def skip_annotation(self, namespace: str) -> str | None:
        return await self._cluster.skip_annotation(namespace)

    async def platform_flag(self, namespace: str) -> str | None:
        return await self._cluster.platform_flag(namespace)

    async def synced_repositories(self) -> Synced:
        return await self._cluster.synced_repositories()

    async def may_skip(self, requester: Requester, namespace: str, name: str) -> bool:
        raise Unavailable("an audit doesn't know who has set it")


@dataclass(slots=True)
class _Found:
    """What is known of one Secret; its rows are replaced where it is asked about again."""

    namespace: str
    name: str
    rows: list[Row]


@dataclass(slots=True)
class _Progressing:
    """One cluster, while it is looked at."""

    cluster: Cluster
    listing: Listing
    reviewer: Reviewer
    credentials: Credentials
    found: dict[str, _Found] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, NotLookedAt] = field(default_factory=dict)
    applications: list[ApplicationRow] = field(default_factory=list)

    def about(self, sentence: str) -> str:
        """The sentence, with the cluster that it is about where there are several."""
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
        progress: Shown,
        seconds: float,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Args:
            ring: the webhook's keys, which open what it has sealed and recognise its attestations.
            record: where findings are kept for another run, and those of an earlier one are.
            seconds: how long all of it may take; what isn't answered by then is unverified.
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
        self._clusters: list[_Progressing] = []
        self._problems: dict[str, None] = {}
        self._forbidden: dict[tuple[str, str], None] = {}
        self._listed = 0
        self._started = clock()

    def problem(self, sentence: str) -> None:
        """Something keeps the report from being complete."""
        self._problems[sentence] = None

    async def run(self, clusters: Iterable[Cluster]) -> Report:
        """Look at all of them. Interrupted, it ends with what it knows.

        Raises:
            ConfigurationError: the API server doesn't understand the selector.
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
        one = _Progressing(
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

    async def _look_into(self, one: _Progressing, namespace: str | None) -> None:
        """A namespace, or the whole cluster: at once, or where that isn't allowed, one namespace after the other."""
        try:
            await self._look_through(one, namespace)
        except ApiError as error:
            if error.status == 400 and self._scope.selector:
                raise ConfigurationError(
                    "--selector: the API server doesn't understand it; write it as for kubectl, such as team=atlas"
                ) from None
            if error.status != 403:
                where = f" of namespace {namespace}" if namespace else ""
                self.problem(one.about(f"The Secrets{where} can't be listed: {error}."))
            elif namespace is not None:
                self._forbidden[one.cluster.label, namespace] = None
            else:
                await self._look_into_each(one)

    async def _look_into_each(self, one: _Progressing) -> None:
        try:
            names = await one.listing.namespaces()
        except ApiError:
            self.problem(
                one.about(
                    "This account may list neither the Secrets of all namespaces nor the namespaces. Give it the verbs "
                    "get and list on secrets in the cluster, or name those namespaces with -n where it has them."
                )
            )
            return
        for name in names:
            await self._look_into(one, name)

    def _tell_forbidden(self, one: _Progressing) -> None:
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

    async def _look_through(self, one: _Progressing, namespace: str | None) -> None:
        """List the Secrets of a namespace, or of the cluster, and judge each that matters."""
        seen, failure = Counter[str](), None
        async with asyncio.TaskGroup() as tasks:
            try:
                async for page in one.listing.secrets(namespace):
                    if page.anew:
                        seen.clear()
                    await self._look_at_page(one, page, seen, tasks)
            except ApiError as error:  # what is under way shall come to its end
                failure = error
        one.passed_over += seen
        if failure is not None:
            raise failure
        if namespace is not None and not seen and not one.found and not await one.listing.is_namespace(namespace):
            self.problem(one.about(f"There is no namespace {namespace}."))

    async def _look_at_page(self, one: _Progressing, page: Page, seen: Counter[str], tasks: asyncio.TaskGroup) -> None:
        for listed in page.secrets:
            if listed.uid in one.found:  # the list began anew
                continue
            if (what := self._passed_over(listed)) is not None:
                seen[what] += 1
                continue
            self._progress.found()
            await self._turns.acquire()  # no more pages before there is room for what they bring
            tasks.create_task(self._take(one, listed))
        self._listed += len(page.secrets)
        self._progress.listed(self._listed, page.remaining, one.cluster.label)

    def _passed_over(self, listed: Listed) -> str | None:
        """What a Secret is that isn't looked at; None of one that is."""
        argocds = self._scope.applications and is_argocds(listed.secret)
        if not (argocds or self._selection.may_match(listed.secret)):
            return "Secret"
        if self._scope.since is not None and listed.written < self._scope.since and not argocds:
            return "Secret that was written before"
        return None

    async def _take(self, one: _Progressing, listed: Listed) -> None:
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

    def _keep(self, one: _Progressing, uid: str, known: Judged) -> None:
        one.found[uid] = _Found(known.namespace, known.name, list(known.rows))

    async def _judge(self, one: _Progressing, namespace: str, name: str, uid: str) -> None:
        stored = await self._read(one, namespace, name, uid)
        if stored is None:
            one.found.pop(uid, None)  # whatever was found of it before
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

    async def _read(self, one: _Progressing, namespace: str, name: str, uid: str) -> Stored | None:
        """The Secret with its data; None where it is gone, or can't be read, which the report says."""
        try:
            stored = await one.cluster.secrets.read(namespace, name)
        except ApiError as error:
            if error.status == 403:
                self._forbidden[one.cluster.label, namespace] = None
            else:
                self.problem(one.about(f"The Secret {namespace}/{name} can't be read: {error}."))
            place = place_of(SecretObject(namespace, name), one.cluster.label)
            one.left_out[uid] = NotLookedAt(place, "Secret", f"It can't be read: {error}.")
            return None
        return stored

    async def _again(self) -> None:
        """Read and judge anew what is still unverified."""

        async def one_more(one: _Progressing, uid: str, found: _Found) -> None:
            async with self._turns:
                await self._judge(one, found.namespace, found.name, uid)
            self._progress.judged()

        async with asyncio.TaskGroup() as tasks:
            for one in self._clusters:
                for uid, found in one.found.items():
                    if is_open(found.rows):
                        self._progress.found()
                        tasks.create_task(one_more(one, uid, found))

    async def _recall_tokens(self, one: _Progressing) -> None:
        """Learn which token has which number in what an earlier run has found, from a Secret that holds it still."""
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

    async def _recall(self, one: _Progressing, number: int, known: Judged, row: Row) -> bool:
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

    async def _look_at_applications(self, one: _Progressing) -> None:
        syncs = Syncs(self._settings, self._questions, self._clock)
        label = one.cluster.label
        for namespace in self._scope.namespaces or (None,):
            try:
                syncers = await one.listing.applications(namespace)
            except ApiError as error:
                lacking = " (this account lacks the verb list on applications and applicationsets of argoproj.io)"
                why = f"{error}{lacking if error.status == 403 else ''}"
                self.problem(one.about(f"Argo CD's Applications can't be listed: {why}."))
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
    """The names of Applications by the namespace and name of the Secret that they are synced with."""
    used: dict[tuple[str, str], dict[str, None]] = {}
    for row in applications:
        if row.credential is not None:
            place = (row.credential.namespace, row.credential.name)
            used.setdefault(place, {})[f"{row.namespace}/{row.name}"] = None
    return {place: tuple(names) for place, names in used.items()}
