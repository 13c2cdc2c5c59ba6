"""Argo CD Applications that would fail to sync, with the credentials that Argo CD would use.

Argo CD searches its own namespace. A ``repository`` Secret with the same URL comes first, and one of the Application's
project before one without a project. If that holds no credential, Argo CD uses the ``repo-creds`` Secret with the
longest URL that is a prefix of the repository's (Argo CD: util/db/repository.go GetRepository,
util/db/repository_secrets.go getRepositorySecret and getRepositoryCredentialIndex). `normalized` URLs are compared.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from webhook.audit.rows import place_of
from webhook.cluster.argocd import sources_of
from webhook.cluster.listing import Syncer
from webhook.credentials.destination import Target, UnknownHost, resolve
from webhook.credentials.entries import Checkable, Entry, External, Malformed, Undecodable, Unsupported
from webhook.credentials.extract import extract, url_of
from webhook.credentials.matching import Match
from webhook.keyring.opener import stored_text
from webhook.names import ARGOCD_SECRET_TYPE
from webhook.providers import PROVIDERS
from webhook.providers.findings import Outcome, Question, RepositoryNeed
from webhook.providers.inspector import SupportsInspect
from webhook.providers.known_hosts import Hosts
from webhook.providers.requirements import Level, Role
from webhook.providers.token_shapes import name_holds_token
from webhook.providers.urls import MalformedUrl, parse_git_url
from webhook.report.model import ApplicationRow, Place
from webhook.review.policy import Judged, decide
from webhook.settings.model import Settings
from webhook.settings.rules import Rule
from webhook.subject import SecretObject

ARGOCD_TYPES = ("repository", "repo-creds")
"""Values of Argo CD's label for Secrets with which it reads repositories."""

_SSH = re.compile(r"(ssh://)?([^/:]*?)@[^@]+\Z")
_RULES = {
    kind: Rule(name=f"argocd-{kind}", role=Role.RUNTIME, labels={ARGOCD_SECRET_TYPE: kind}) for kind in ARGOCD_TYPES
}


def is_argocds(secret: SecretObject) -> bool:
    """Whether Argo CD reads repositories with this Secret."""
    return secret.labels.get(ARGOCD_SECRET_TYPE) in ARGOCD_TYPES


def normalized(url: str) -> str:
    """Return a URL in the form that Argo CD compares (Argo CD: util/git/git.go NormalizeGitURL)."""
    text = url.strip().lower()
    if _SSH.match(text) and not text.startswith("ssh://"):
        text = f"ssh://{text.replace(':', '/', 1)}"
    return text.removesuffix(".git").removeprefix("ssh://")


@dataclass(frozen=True, slots=True)
class Credential:
    """One of Argo CD's Secrets.

    Attributes:
        exact: whether it is for one repository, not for all with a prefix.
        url: the normalized URL that it is for.
        entries: its entries; empty if it holds no credential.
        unreadable: why it cannot be read, as a sentence; empty if it can.
    """

    secret: SecretObject = field(repr=False)
    place: Place
    exact: bool
    url: str = field(repr=False)
    project: str = ""
    entries: tuple[Entry, ...] = ()
    unreadable: str = ""

    @classmethod
    def of(cls, secret: SecretObject, cluster: str) -> Credential:
        """Read a Secret."""
        kind = secret.labels[ARGOCD_SECRET_TYPE]
        entries: tuple[Entry, ...] = ()
        unreadable = ""
        try:
            entries = tuple(extract(secret, Match((_RULES[kind],))).values())
        except Undecodable as error:
            unreadable = f"{error}."
        url = normalized(url_of(secret) or "")
        project = stored_text(secret.data.get("project", "")) or ""
        return cls(secret, place_of(secret, cluster), kind == "repository", url, project, entries, unreadable)


class Credentials:
    """Argo CD's Secrets of a cluster, by namespace."""

    def __init__(self, cluster: str = "") -> None:
        self._cluster = cluster
        self._by_namespace: defaultdict[str, dict[str, Credential]] = defaultdict(dict)

    def add(self, secret: SecretObject) -> None:
        """Add a Secret."""
        self._by_namespace[secret.namespace][secret.name] = Credential.of(secret, self._cluster)

    def home(self, namespace: str) -> str | None:
        """Return the namespace of the Argo CD that syncs the Applications of `namespace`.

        This is `namespace` if it has an Argo CD, else that of the cluster's only Argo CD. None if there are several.
        """
        if namespace in self._by_namespace or not self._by_namespace:
            return namespace
        return next(iter(self._by_namespace)) if len(self._by_namespace) == 1 else None

    def used_for(self, repository: str, project: str, home: str) -> Credential | None:
        """Return the credential that Argo CD uses for a repository; None if it has none."""
        wanted = normalized(repository)
        there = [credential for _, credential in sorted(self._by_namespace.get(home, {}).items())]
        exact = [credential for credential in there if credential.exact and credential.url == wanted]
        own = [credential for credential in exact if credential.project == project]
        shared = [credential for credential in exact if not credential.project]
        for found in (*own[:1], *shared[:1])[:1]:
            if found.entries or found.unreadable:
                return found
        prefixes = [one for one in there if not one.exact and one.url and wanted.startswith(one.url)]
        return max(prefixes, key=lambda one: len(one.url), default=None)


class Syncs:
    """Finds out whether Applications would sync, with one check for each repository and credential."""

    def __init__(self, settings: Settings, asker: SupportsInspect, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._hosts: Hosts = settings.hosts()
        self._asker = asker
        self._clock = clock

    async def rows(
        self, syncers: Iterable[Syncer], credentials: Credentials, cluster: str, deadline: float
    ) -> list[ApplicationRow]:
        """Return a row for each Application or ApplicationSet and each of its repositories."""
        wanted = [(syncer, url) for syncer in syncers for url in _repositories(syncer)]
        return list(
            await asyncio.gather(*(self._row(syncer, url, credentials, cluster, deadline) for syncer, url in wanted))
        )

    async def _row(
        self, syncer: Syncer, url: str, credentials: Credentials, cluster: str, deadline: float
    ) -> ApplicationRow:
        def row(would_sync: bool | None, message: str, credential: Credential | None = None) -> ApplicationRow:
            place = credential.place if credential is not None else None
            shown = "(a URL that holds a token)" if name_holds_token(url) else url
            return ApplicationRow(
                syncer.kind, syncer.namespace, syncer.name, shown, cluster, place, would_sync, message
            )

        try:
            repository = parse_git_url(url)
        except MalformedUrl as error:
            return row(None, f"The URL of its repository {error}.")
        if not repository.uses_token:
            return row(None, "It syncs without a token, which cannot be checked.")
        home = credentials.home(syncer.namespace)
        if home is None:
            return row(None, "The cluster has several Argo CDs, and it is unknown which of them syncs it.")
        used = credentials.used_for(url, syncer.spec.project, home)
        if used is None:
            return row(None, "Argo CD has no credential for it, so it syncs only if the repository is public.")
        if used.unreadable:
            return row(False, f"Its credential cannot be read: {used.unreadable}", used)
        if not used.entries:
            return row(None, "Its credential is empty, so it syncs only if the repository is public.", used)
        entry = used.entries[0]
        content = entry.content
        match content:
            case Malformed():
                return row(False, f"Its credential {content.why}.", used)
            case Unsupported():
                return row(None, f"Its credential is {content.what}, which cannot be checked.", used)
            case External():
                return row(None, f"Its credential {content.how}, so it cannot be checked.", used)
        target = resolve(content, self._hosts, self._settings.defaults.user_host)
        match target:
            case Malformed():
                return row(False, f"Its {target.key or 'credential'} {target.why}.", used)
            case Unsupported():
                return row(None, f"Its credential is {target.what}, which cannot be checked.", used)
            case UnknownHost():
                return row(None, f"{target.name} is not a declared Git host, so its credential was not checked.", used)
        if target.host.name != repository.host or target.host.kind not in PROVIDERS:
            return row(None, "Its credential is for another host than its repository, so it was not checked.", used)
        # Check the repository as one of several: for the repository of the URL, more than read access may be required.
        named = [segment.lower() for segment in target.path]
        above = [segment.lower() for segment in repository.path[: len(named)]]
        # If the URL ends inside a name, only the path before that name can be checked.
        path = target.path if named == above and len(named) < len(repository.path) else target.path[:-1]
        at = replace(target, path=path, open_ended=False)
        would_sync, message = await self._reads(entry, at, repository.path, deadline)
        return row(would_sync, message, used)

    async def _reads(
        self, entry: Entry, target: Target, repository: tuple[str, ...], deadline: float
    ) -> tuple[bool | None, str]:
        """Return whether a credential can read a repository, None if unknown, and the reason if it is not True."""
        host, content = target.host, entry.content
        if not isinstance(content, Checkable):
            return None, ""
        profile = PROVIDERS[host.kind].profile
        need, role = RepositoryNeed(repository, Level.READ), Role.RUNTIME
        question = Question(content.credential, host, target.path, {role: profile.reading}, (need,))
        answer = (await self._asker.inspect(question, deadline=deadline)).answer
        judged = Judged(entry, dict(answer.findings), host, host.name, answer.facts, answer.remedy)
        verdict = decide(judged, self._settings, self._clock())
        message = verdict.cause.message if verdict.cause is not None else ""
        match verdict.judged.findings[role].outcome:
            case Outcome.SUFFICIENT:
                return True, ""
            case Outcome.INVALID | Outcome.BLOCKED:
                return False, message
            case Outcome.INSUFFICIENT if profile.reading_is_certain:
                return False, message
            case _ if answer.unseen:
                return False, f"{host.name} does not show {need.name} to this {answer.facts.described}."
            case _:
                return None, message


def _repositories(syncer: Syncer) -> list[str]:
    """Return the distinct Git repositories. Generated ones of an ApplicationSet are in its Applications."""
    urls = [source.repo_url for source in sources_of(syncer.spec) if not source.chart]
    return [url for url in dict.fromkeys((*urls, *syncer.generators)) if url and "{{" not in url]
