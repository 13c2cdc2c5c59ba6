"""The verdict on each entry of a Secret: skipped, attested, or from its provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from webhook.credentials.destination import Target, UnknownHost, resolve, unchecked_at
from webhook.credentials.entries import Checkable, Entry, External, Malformed, Unsupported
from webhook.credentials.matching import Match
from webhook.providers import PROVIDERS
from webhook.providers.findings import Credential, Finding, Outcome, Question, RepositoryNeed
from webhook.providers.hosts import Kind
from webhook.providers.inspector import InspectionResult, SupportsInspect
from webhook.providers.requirements import Requirement, Role, union
from webhook.providers.urls import GitUrl
from webhook.review.applications import ApiServer, needs_of
from webhook.review.attestation import Asked, Attestation
from webhook.review.exemptions import Exemptions
from webhook.review.policy import Judged, Verdict, decide
from webhook.settings.model import Settings

_ROLES = tuple(Role)
# Entries of one Secret that are checked at the same time: a Secret with thousands leaves room for others.
_AT_ONCE = 16
# How many entries of any kind one write may change for each token that it may change.
_ENTRIES_PER_TOKEN = 8


class Judge:
    """Judges entries by one set of settings."""

    def __init__(
        self,
        settings: Settings,
        inspector: SupportsInspect,
        cluster: ApiServer | None,
        clock: Callable[[], datetime],
    ) -> None:
        """
        Args:
            cluster: lists the Applications that use a credential; None without an API server.
        """
        self._settings = settings
        self._hosts = settings.hosts()
        self._repositories = settings.repositories.needs()
        self._usual = {(kind, role): settings.requirement(kind, role) for kind in PROVIDERS for role in Role}
        self._inspector = inspector
        self._cluster = cluster
        self._clock = clock

    async def verdicts(
        self,
        entries: Mapping[str, Entry],
        match: Match,
        exemptions: Exemptions,
        attestation: Attestation | None,
        deadline: float,
    ) -> dict[str, Verdict]:
        """Return the verdict on each entry.

        Args:
            attestation: what the mutating call of the same write found.
            deadline: when the verdicts are needed, by the event loop's clock.
        """
        if len(entries) == 1:  # as usual, without the cost of a task
            judged = [await self._judge(entry, match, exemptions, attestation, deadline) for entry in entries.values()]
        else:
            slots = asyncio.Semaphore(_AT_ONCE)

            async def in_a_slot(entry: Entry) -> Judged:
                async with slots:
                    return await self._judge(entry, match, exemptions, attestation, deadline)

            judged = await asyncio.gather(*map(in_a_slot, entries.values()))
        now = self._clock()
        return {found.entry.key: decide(found, self._settings, now) for found in judged}

    def excess(self, match: Match, changed: Mapping[str, Entry], exemptions: Exemptions) -> str | None:
        """Return why a write changes more than can be checked in time, as sentences; None if it does not."""
        if not match.roles - exemptions.skips.keys():
            return None
        most = self._settings.limits.tokens_per_write
        tokens = sum(isinstance(entry.content, Checkable) for entry in changed.values())
        if tokens <= most:
            # The others cost no request, but a sentence each: tens of thousands would delay other reviews.
            most *= _ENTRIES_PER_TOKEN
            tokens = len(changed)
        if tokens <= most:
            return None
        return (
            f"This write changes {tokens} tokens, more than the {most} that can be checked in time; "
            "change them in several writes, or split the Secret."
        )

    async def _judge(
        self, entry: Entry, match: Match, exemptions: Exemptions, attestation: Attestation | None, deadline: float
    ) -> Judged:
        """Return what is known of one entry. The provider gets a request unless the entry is attested."""
        skips = {role: skip for role, skip in exemptions.skips.items() if role in match.roles}
        asked = [role for role in _ROLES if role in match.roles and role not in skips]
        skipped = {role: Finding(Outcome.SKIPPED, reason=skip.reason) for role, skip in skips.items()}

        def unasked(outcome: Outcome, reason: str, *, host: str = "", key: str = "") -> Judged:
            findings = {role: Finding(outcome, reason=reason) for role in asked}
            return Judged(entry, skipped | findings, host_name=host, skips=skips, key=key)

        content = entry.content
        if isinstance(content, Malformed | External) and content.destination is not None:
            content = unchecked_at(content.destination, self._hosts) or content
        target = (
            resolve(content, self._hosts, self._settings.defaults.user_host)
            if isinstance(content, Checkable)
            else content
        )
        match target:
            case Malformed():
                return unasked(Outcome.MALFORMED, target.why, key=target.key)
            case Unsupported():
                return unasked(Outcome.UNSUPPORTED, f"is {target.what}")
            case External():
                return unasked(Outcome.UNSUPPORTED, target.how)
            case UnknownHost():
                return unasked(Outcome.UNKNOWN_HOST, "", host=target.name)
        host = target.host
        warnings: tuple[str, ...] = ()
        if target.insecure:
            warnings = (
                f"The URL begins with http://, so Git sends this token to {host.name} unencrypted; use https://.",
            )
        if not asked or not isinstance(content, Checkable):
            return Judged(entry, skipped, host, host.name, skips=skips, warnings=warnings)
        question, doubts = await self._question(content.credential, target, asked, match, deadline)
        attested = attestation.answer(entry, question, self._clock()) if attestation is not None else None
        if attested is not None:
            inspected = InspectionResult(attested.answer, attested.checked_at, cached=True)
        else:
            inspected = await self._inspector.inspect(question, deadline=deadline)
        answer = inspected.answer
        return Judged(
            entry,
            {**skipped, **answer.findings},
            host,
            host.name,
            answer.facts,
            answer.remedy,
            skips=skips,
            warnings=(*warnings, *doubts),
            checked_at=inspected.checked_at,
            cached=inspected.cached,
            coalesced=inspected.coalesced,
            asked=Asked(entry, question, answer, inspected.checked_at),
            attested=attested is not None,
        )

    async def _question(
        self, credential: Credential, target: Target, asked: list[Role], match: Match, deadline: float
    ) -> tuple[Question, tuple[str, ...]]:
        """Return what to ask the provider about a credential, and warnings about repositories that are not known."""
        requirements = {role: self._requirement(target.host.kind, role, match) for role in asked}
        reached: tuple[RepositoryNeed, ...] = ()
        doubts: tuple[str, ...] = ()
        if Role.RUNTIME in requirements:
            reached, doubts = await self._reached(target, deadline)
        return Question(credential, target.host, target.path, requirements, reached, target.open_ended), doubts

    async def _reached(self, target: Target, deadline: float) -> tuple[tuple[RepositoryNeed, ...], tuple[str, ...]]:
        """Return the repositories that a runtime token must reach, and warnings about those that are not known."""
        declared = tuple(self._repositories.get(target.host.name, ()))
        if not self._settings.repositories.applications:
            return declared, ()
        url = GitUrl("https", target.host.name, target.path, target.insecure)
        synced, doubts = await needs_of(url, declared, self._cluster, deadline, open_ended=target.open_ended)
        return (*declared, *synced), tuple(doubts)

    def _requirement(self, kind: Kind, role: Role, match: Match) -> Requirement:
        """Return what a role needs; if several of its rules match, what all of them need."""
        cells = [rule.requirements.get(kind) for rule in match.rules if rule.role is role]
        if not any(cell is not None for cell in cells):
            return self._usual[kind, role]
        needed = dict.fromkeys(self._settings.requirement(kind, role, cell) for cell in cells)
        if len(needed) == 1:
            return next(iter(needed))
        # Each rule's requirement is complete, so that none weakens another by the terms it is written in.
        return union(map(PROVIDERS[kind].profile.vocabulary.complete, needed))
