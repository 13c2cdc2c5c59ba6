"""One review from Secret to decision: parse the write, apply skip flags, judge its entries, conclude.

Both stages judge in the same way. `/validate` enforces, whatever `/mutate` did; `/mutate` records what was found, and
denies only what it cannot parse. Audits use the same code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar, TypeVarTuple

from webhook.credentials.entries import Undecodable
from webhook.credentials.extract import extract
from webhook.credentials.matching import Match
from webhook.decision import Allow, Decision, Stage
from webhook.keyring.opener import Opener
from webhook.keyring.ring import KeyRing
from webhook.offload import offload
from webhook.providers.findings import Outcome
from webhook.providers.inspector import SupportsInspect
from webhook.providers.requirements import Role
from webhook.review import messages
from webhook.review.annotations import restoring_patch
from webhook.review.applications import ApiServer
from webhook.review.conclusion import ALLOWED, Conclusion, Reviewed
from webhook.review.exemptions import Exemptions, find_exemptions
from webhook.review.judge import Judge
from webhook.review.policy import Verdict
from webhook.review.sealing import unsealed_causes
from webhook.review.write import WriteParser, asks_no_more, is_large, is_stored, only_finishes_deletion
from webhook.settings.model import Settings
from webhook.subject import Operation, SecretObject, Subject

_Arguments = TypeVarTuple("_Arguments")
_Result = TypeVar("_Result")

_MARGIN = 0.05
"""Seconds between our decision and the deadline, to encode and send it in time."""
_LATE = "The token could not be checked in time, so it cannot be verified; a retry may pass."


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a stored Secret, or of a manifest.

    Attributes:
        match: falsy if the Secret holds no Git credentials.
        verdicts: by key; empty if there is nothing to check.
        unreadable: why none of its entries can be read, as a sentence; empty if they can.
        unsealed: the fields of user tokens in plain text, if the settings ask to seal them.
    """

    match: Match
    verdicts: Mapping[str, Verdict] = field(default_factory=dict, repr=False)  # a key may be a token by mistake
    exemptions: Exemptions = field(default_factory=Exemptions)
    unreadable: str = ""
    unsealed: frozenset[str] = frozenset()


class Reviewer:
    """Reviews Secrets by one set of settings."""

    def __init__(
        self,
        settings: Settings,
        inspector: SupportsInspect,
        cluster: ApiServer | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ring: Callable[[], KeyRing] | None = None,
        *,
        admitted_as: Callable[[str], str] = messages.admitted,
    ) -> None:
        """
        Args:
            cluster: the API server, if there is one.
            ring: returns the current keys, which sign attestations and seal values; without them, nothing is signed
                or sealed.
            admitted_as: makes a warning of a denial that the settings turn into one.
        """
        self._settings = settings
        self._cluster = cluster
        self._for_dry_runs: Reviewer | None = None
        if settings.mode == "enforce" and settings.on_dry_run == "warn":
            lenient = settings.model_copy(update={"mode": "warn"})
            dry_run = messages.admitted_dry_run
            self._for_dry_runs = Reviewer(lenient, inspector, cluster, clock, ring, admitted_as=dry_run)
        self._seals = settings.encryption.mode == "seal"
        self._parser = WriteParser(settings, ring)
        self._judge = Judge(settings, inspector, cluster, clock)
        self._conclusion = Conclusion(settings, ring, clock, admitted_as=admitted_as)

    async def review(self, subject: Subject, stage: Stage, deadline: float) -> Reviewed:
        """Review one write.

        Args:
            deadline: when the decision is needed, by the event loop's clock.
        """
        if subject.dry_run and self._for_dry_runs is not None:
            return await self._for_dry_runs.review(subject, stage, deadline)
        secret = subject.object
        if secret is None or not is_stored(subject) or only_finishes_deletion(subject):
            return ALLOWED
        run = offload if is_large(subject) else _at_once
        write = await run(self._parser.parse, subject, secret)
        match, conclusion = write.match, self._conclusion
        if not match:
            return await run(conclusion.release, write) if stage is Stage.MUTATE else ALLOWED
        if write.unreadable:
            return conclusion.whole(write, stage, write.unreadable, Outcome.MALFORMED)
        if not write.changed:
            return await run(conclusion.judged, write, stage, {}, Exemptions())
        exemptions = await self._exemptions(subject, match.roles, deadline)
        if (excess := self._judge.excess(match, write.changed, exemptions)) is not None:
            return await run(conclusion.whole, write, stage, excess, Outcome.MALFORMED)
        attestation = conclusion.attestation(secret, match.roles) if stage is Stage.VALIDATE else None
        verdicts = await self._judge.verdicts(write.changed, match, exemptions, attestation, deadline - _MARGIN)
        return await run(conclusion.judged, write, stage, verdicts, exemptions)

    def late(self, subject: Subject, stage: Stage) -> Decision:
        """Return the decision for a review that did not end in time, without waiting for anything."""
        if subject.dry_run and self._for_dry_runs is not None:
            return self._for_dry_runs.late(subject, stage)
        secret, old = subject.object, subject.old
        if secret is None or not is_stored(subject) or only_finishes_deletion(subject):
            return Allow()
        write = self._parser.unparsed(subject, secret, _LATE)
        if not write.match:
            return self._conclusion.release(write).decision if stage is Stage.MUTATE else Allow()
        unchanged = old is not None and old.data == secret.data and asks_no_more(write.match, write.before)
        if unchanged and old is not None and not self._seals:
            return Allow(patch=restoring_patch(secret, old) if stage is Stage.MUTATE else ())
        return self._conclusion.whole(write, stage, _LATE, Outcome.UNVERIFIED).decision

    async def judge(self, secret: SecretObject, deadline: float) -> Standing:
        """Judge a stored Secret or a manifest, however many tokens it holds.

        Args:
            deadline: when the verdicts are needed, by the event loop's clock.
        """
        match = self._parser.match(secret)
        if not match:
            return Standing(match)
        opener = self._parser.opener()
        try:
            entries = extract(secret, match, opener)
        except Undecodable as error:
            return Standing(match, unreadable=f"{error}.")
        subject = Subject(Operation.CREATE, secret)
        exemptions = await self._exemptions(subject, match.roles, deadline)
        verdicts = await self._judge.verdicts(entries, match, exemptions, None, deadline)
        unsealed = unsealed_causes(subject, match, opener) if self._seals and opener is not None else []
        return Standing(match, verdicts, exemptions, unsealed=frozenset(cause.field for cause in unsealed))

    def match(self, secret: SecretObject) -> Match:
        """Return the rules that a Secret matches."""
        return self._parser.match(secret)

    def opener(self, stored: SecretObject | None = None) -> Opener | None:
        """Return an opener for the values of one Secret; None without a key ring.

        Args:
            stored: the Secret before the write under review.
        """
        return self._parser.opener(stored)

    async def _exemptions(self, subject: Subject, roles: frozenset[Role], deadline: float) -> Exemptions:
        # At most half of the time: the request to the provider comes afterwards.
        now = asyncio.get_running_loop().time()
        patience = now + max(0.0, deadline - now) / 2
        return await find_exemptions(subject, roles, self._settings, self._cluster, patience)


async def _at_once(function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
    return function(*arguments)
