"""The story of one review: which Secret, which tokens, who may skip, what the provider says, what follows.

Both stages judge alike. `/validate` alone enforces, whatever `/mutate` did; `/mutate` writes what was found and
denies nothing but what it can't read. The same code serves audits, which have no stage of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar, TypeVarTuple

from webhook.credentials.destination import UnknownHost, resolve, unchecked_at
from webhook.credentials.entries import Checkable, Entry, External, Malformed, Undecodable, Unsupported
from webhook.credentials.extract import extract, opener_for, url_of
from webhook.credentials.masks import DRY_RUN as MASKED
from webhook.credentials.masks import masked_entries, with_masks_malformed
from webhook.credentials.matching import Match, classify
from webhook.decision import Allow, Cause, Decision, Deny, Stage
from webhook.keyring.opener import Opener
from webhook.keyring.ring import KeyRing
from webhook.names import ATTESTATION
from webhook.offload import offload
from webhook.providers import PROVIDERS
from webhook.providers.findings import Finding, Outcome, Question
from webhook.providers.hosts import Kind
from webhook.providers.inspector import InspectionResult, SupportsInspect
from webhook.providers.requirements import Requirement, Role, union
from webhook.providers.token_shapes import name_holds_token
from webhook.providers.urls import GitUrl
from webhook.review import messages
from webhook.review.annotations import keeps_marks, patch_for, removal_for, restoring_patch, unjudged_patch
from webhook.review.applications import ApiServer, needs_of
from webhook.review.attestation import FRESH, Asked, Attestation, Untrusted, attest, verify
from webhook.review.carried_marks import carried_marks
from webhook.review.exemptions import Exemptions, find_exemptions
from webhook.review.policy import Judged, Validation, Verdict, decide, worst
from webhook.review.sealing import Sealed, immutable_warnings, seal_values, unsealed_causes
from webhook.settings.model import RequirementSettings, Settings
from webhook.subject import Operation, SecretObject, Subject

_Arguments = TypeVarTuple("_Arguments")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A decision, and what it was made of, for logs, metrics and reports.

    Attributes:
        roles: of the Secret; empty where it is no credential Secret.
        verdicts: by entry, of those that were judged now.
        validation: what logs and the audit log say: a value of the label, or `denied`; empty if nothing was judged.
    """

    decision: Decision
    roles: frozenset[Role] = frozenset()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict, repr=False)  # a key may be a token, by a slip
    exemptions: Exemptions = field(default_factory=Exemptions)
    validation: str = ""

    def describe(self) -> dict[str, object]:
        """What a log line says of it: names and outcomes, never a value of the Secret."""
        if not self.roles:
            return {}
        judged = [verdict.judged for verdict in self.verdicts.values()]
        return {
            "roles": sorted(self.roles),
            "validation": self.validation or "unchanged",
            "providers": sorted({str(j.host.kind) for j in judged if j.host is not None}),
            "hosts": sorted({j.host_name for j in judged if j.host_name}),
            "outcomes": {
                j.entry.field: {str(role): str(finding.outcome) for role, finding in j.findings.items()} for j in judged
            },
            "cached": bool(judged) and all(j.cached for j in judged),
            "attested": bool(judged) and all(j.attested for j in judged),
            "skips": sorted({skip.source for skip in self.exemptions.skips.values()}),
        }


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a Secret that is there already, whoever has written it.

    Attributes:
        match: falsy where it is no credential Secret.
        verdicts: by entry; empty where it holds nothing that would have to be checked.
        unreadable: why none of its entries can be read, a whole sentence; empty where they can.
        unsealed: the fields of users' tokens that are stored in plain text, although the settings want them sealed.
    """

    match: Match
    verdicts: Mapping[str, Verdict] = field(default_factory=dict, repr=False)  # a key may be a token, by a slip
    exemptions: Exemptions = field(default_factory=Exemptions)
    unreadable: str = ""
    unsealed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ParsedWrite:
    """A write, matched, opened and extracted once.

    Attributes:
        match: falsy where it is no credential Secret.
        before: of the stored Secret.
        entries: all entries of the new Secret.
        changed: the entries to judge.
        notes: warnings about entries that are not judged.
        unreadable: why the entries are not known, as a sentence; empty where they are.
    """

    subject: Subject
    match: Match
    before: Match
    opener: Opener | None
    entries: Mapping[str, Entry] = field(default_factory=dict, repr=False)  # a key may be a token by mistake
    changed: Mapping[str, Entry] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    unreadable: str = ""


_ALLOWED = Reviewed(Allow())
_SMALL = 32 * 1024
"""Characters of a Secret that take a few milliseconds at most. A usual one has a few hundred."""
_FEW = 128
"""Keys of a Secret, as above."""
# What is left between our own answer and the deadline, in seconds, so that it is encoded and sent in time.
_MARGIN = 0.05
# Entries of one Secret that are asked about at the same time: a Secret with thousands leaves room for its neighbours.
_AT_ONCE = 16


# How many entries of any kind one write may change for each token that it may change.
_ENTRIES_PER_TOKEN = 8


class Reviewer:
    """Judges Secrets by one set of settings."""

    def __init__(
        self,
        settings: Settings,
        inspector: SupportsInspect,
        cluster: ApiServer | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ring: Callable[[], KeyRing] | None = None,
    ) -> None:
        """
        Args:
            cluster: the API server, where there is one.
            ring: the keys of the moment, by which attestations are signed and believed, and values sealed and opened;
                without, none are.
        """
        self._settings = settings
        self._for_dry_runs: Reviewer | None = None
        self._admitted_as = messages.admitted
        if settings.mode == "enforce" and settings.on_dry_run == "warn":
            lenient = settings.model_copy(update={"mode": "warn"})
            self._for_dry_runs = Reviewer(lenient, inspector, cluster, clock, ring)
            self._for_dry_runs._admitted_as = messages.admitted_dry_run
        self._ring = ring
        self._seals = settings.encryption.mode == "seal"
        self._rules = settings.all_rules
        self._rules_by_url = any(rule.urls for rule in self._rules)
        self._hosts = settings.hosts()
        self._repositories = settings.repositories.needs()
        self._usual = {(kind, role): settings.requirement(kind, role) for kind in PROVIDERS for role in Role}
        self._inspector = inspector
        self._cluster = cluster
        self._clock = clock

    async def review(self, subject: Subject, stage: Stage, deadline: float) -> Reviewed:
        """Judge one write.

        Args:
            deadline: when the decision must stand, by the event loop's clock.
        """
        if subject.dry_run and self._for_dry_runs is not None:
            return await self._for_dry_runs.review(subject, stage, deadline)
        secret = subject.object
        if secret is None or not _is_written(subject) or only_finishes_deletion(subject):
            return _ALLOWED
        run = offload if is_large(subject) else _at_once
        write = await run(self._parse, subject, secret)
        match = write.match
        if not match:
            return await run(self._release, write) if stage is Stage.MUTATE else _ALLOWED
        if write.unreadable:
            return self._conclude_whole(write, stage, write.unreadable, Outcome.MALFORMED)
        if not write.changed:
            return await run(self._conclude, write, stage, {}, Exemptions())
        exemptions = await self._exemptions(subject, match.roles, deadline)
        if (excess := self._excess(match, write.changed, exemptions)) is not None:
            return await run(self._conclude_whole, write, stage, excess, Outcome.MALFORMED)
        end = deadline - _MARGIN
        attestation = self._attestation(secret, match.roles) if stage is Stage.VALIDATE else None
        verdicts = await self._verdicts(write.changed, match, exemptions, attestation, end)
        return await run(self._conclude, write, stage, verdicts, exemptions)

    def _parse(self, subject: Subject, secret: SecretObject) -> ParsedWrite:
        """Match, open and extract a write."""
        match, before = self._classify(secret), self._classify(subject.old)
        write = ParsedWrite(subject, match, before, self.opener(subject.old))
        if not match:
            return write
        try:
            entries = extract(secret, match, write.opener)
        except Undecodable as error:
            return replace(write, unreadable=f"{error}.")
        changed = self._changed(write, entries)
        masked = masked_entries(secret, changed)
        if masked and subject.dry_run:
            changed = {key: entry for key, entry in changed.items() if key not in masked}
        elif masked:
            changed = with_masks_malformed(changed, masked)
        notes = (MASKED,) if masked and subject.dry_run else ()
        return replace(write, entries=entries, changed=changed, notes=notes)

    def match(self, secret: SecretObject) -> Match:
        """The rules that a Secret matches."""
        return self._classify(secret)

    def opener(self, stored: SecretObject | None = None) -> Opener | None:
        """An opener for the values of one Secret; None without a key ring.

        Args:
            stored: the Secret as it is before the write under review.
        """
        if self._ring is None:
            return None
        return opener_for(stored, self._ring(), self._hosts, self._settings.defaults.user_host)

    async def judge(self, secret: SecretObject, deadline: float) -> Standing:
        """Judge what stands there already, however many tokens it holds: for manifests and audits.

        Args:
            deadline: when the verdicts must stand, by the event loop's clock.
        """
        match = self._classify(secret)
        if not match:
            return Standing(match)
        opener = self.opener()
        try:
            entries = extract(secret, match, opener)
        except Undecodable as error:
            return Standing(match, unreadable=f"{error}.")
        subject = Subject(Operation.CREATE, secret)
        exemptions = await self._exemptions(subject, match.roles, deadline)
        verdicts = await self._verdicts(entries, match, exemptions, None, deadline)
        unsealed = unsealed_causes(subject, match, opener) if self._seals and opener is not None else []
        return Standing(match, verdicts, exemptions, unsealed=frozenset(cause.field for cause in unsealed))

    async def _verdicts(
        self,
        entries: Mapping[str, Entry],
        match: Match,
        exemptions: Exemptions,
        attestation: Attestation | None,
        deadline: float,
    ) -> dict[str, Verdict]:
        if len(entries) == 1:  # as usual, without the cost of a task
            judged = [await self._judge(entry, match, exemptions, attestation, deadline) for entry in entries.values()]
        else:
            turns = asyncio.Semaphore(_AT_ONCE)

            async def in_turn(entry: Entry) -> Judged:
                async with turns:
                    return await self._judge(entry, match, exemptions, attestation, deadline)

            judged = await asyncio.gather(*map(in_turn, entries.values()))
        now = self._clock()
        return {found.entry.key: decide(found, self._settings, now) for found in judged}

    def late(self, subject: Subject, stage: Stage) -> Decision:
        """Return the decision for a review that wasn't finished in time, without waiting for anything."""
        if subject.dry_run and self._for_dry_runs is not None:
            return self._for_dry_runs.late(subject, stage)
        secret = subject.object
        if secret is None or not _is_written(subject) or only_finishes_deletion(subject):
            return Allow()
        match, before = self._classify(secret), self._classify(subject.old)
        if not match:
            write = ParsedWrite(subject, match, before, None)
            return self._release(write).decision if stage is Stage.MUTATE else Allow()
        old = subject.old
        if old is not None and old.data == secret.data and not self._seals and _asks_no_more(match, before):
            return Allow(patch=restoring_patch(secret, old) if stage is Stage.MUTATE else ())
        sentence = "The token could not be checked in time, so it cannot be verified; a retry may pass."
        write = ParsedWrite(subject, match, before, None, unreadable=sentence)
        return self._conclude_whole(write, stage, sentence, Outcome.UNVERIFIED).decision

    def _release(self, write: ParsedWrite) -> Reviewed:
        """Remove our labels and annotations from a Secret that is not, or no longer, a credential Secret."""
        subject, entries = write.subject, {}
        if write.before and subject.object is not None:
            with contextlib.suppress(Undecodable):
                entries = extract(subject.object, write.before, write.opener)
        return Reviewed(Allow(patch=removal_for(subject, entries)))

    def _conclude_whole(self, write: ParsedWrite, stage: Stage, sentence: str, outcome: Outcome) -> Reviewed:
        """Decide on a Secret as a whole, without judging an entry."""
        subject, match = write.subject, write.match
        entries = None if write.unreadable else write.entries
        denied = self._settings.effect(outcome) == "deny"
        label = Validation.UNVERIFIED if outcome is Outcome.UNVERIFIED else Validation.WARNED
        validation = "denied" if denied else str(label)
        audit = _audit_annotations(match.roles, validation, Exemptions())
        unreadable = outcome is Outcome.MALFORMED and entries is None
        decision: Decision
        if denied and (stage is Stage.VALIDATE or unreadable):  # `/mutate` denies what it can't parse
            decision = _deny(subject, [Cause("data", sentence)], audit_annotations=audit)
        elif stage is Stage.VALIDATE:
            decision = Allow((self._admitted(sentence, [outcome]),), audit_annotations=audit)
        else:
            sealed = Sealed() if denied or entries is None else self._seal(write)
            patch = unjudged_patch(subject, match.roles, label, sentence, entries, sealed)
            decision = Allow(sealed.warnings, patch, audit)
        return Reviewed(decision, match.roles, validation=validation)

    def _admitted(self, sentence: str, outcomes: Iterable[Outcome]) -> str:
        """The warning that takes a refusal's place: with what would have been, where `mode` alone lets it in."""
        spared = self._settings.mode == "warn" and any(self._settings.own_effect(one) == "deny" for one in outcomes)
        return self._admitted_as(sentence) if spared else sentence

    def _classify(self, secret: SecretObject | None) -> Match:
        url = url_of(secret) if secret is not None and self._rules_by_url else None
        return classify(secret, self._rules, url)

    def _changed(self, write: ParsedWrite, entries: Mapping[str, Entry]) -> Mapping[str, Entry]:
        """Return the entries to judge: those that changed, sealed or not.

        All of them, if the write adds a role, or a rule with requirements of its own.
        """
        stored = write.subject.old
        if stored is None or not _asks_no_more(write.match, write.before):
            return entries
        try:
            old = extract(stored, write.match, write.opener)
        except Undecodable:
            return entries
        return {key: entry for key, entry in entries.items() if old.get(key) != entry}

    def _excess(self, match: Match, changed: Mapping[str, Entry], exemptions: Exemptions) -> str | None:
        """What to say of a write with more tokens to ask about than could be answered for in time; None of others."""
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

    async def _exemptions(self, subject: Subject, roles: frozenset[Role], deadline: float) -> Exemptions:
        # Half of the time that is left at most: asking the provider must still be possible afterwards.
        now = asyncio.get_running_loop().time()
        patience = now + max(0.0, deadline - now) / 2
        return await find_exemptions(subject, roles, self._settings, self._cluster, patience)

    async def _judge(
        self, entry: Entry, match: Match, exemptions: Exemptions, attestation: Attestation | None, deadline: float
    ) -> Judged:
        """What is known of one entry, asking its provider where there is something to ask that isn't attested."""
        skips = {role: exemptions.skips[role] for role in match.roles if role in exemptions.skips}
        asked = [role for role in Role if role in match.roles and role not in skips]
        skipped = {role: Finding(Outcome.SKIPPED, reason=skip.reason) for role, skip in skips.items()}

        def unasked(outcome: Outcome, reason: str, *, host: str = "", key: str = "") -> Judged:
            findings = {role: Finding(outcome, reason=reason) for role in asked}
            return Judged(entry, skipped | findings, host_name=host, skips=skips, key=key)

        content = entry.content
        if isinstance(content, Malformed | External) and content.destination is not None:
            content = unchecked_at(content.destination, self._hosts) or content
        match content:
            case Malformed():
                return unasked(Outcome.MALFORMED, content.why, key=content.key)
            case Unsupported():
                return unasked(Outcome.UNSUPPORTED, f"is {content.what}")
            case External():
                return unasked(Outcome.UNSUPPORTED, content.how)
        target = resolve(content, self._hosts, self._settings.defaults.user_host)
        match target:
            case Malformed():
                return unasked(Outcome.MALFORMED, target.why, key=target.key)
            case Unsupported():
                return unasked(Outcome.UNSUPPORTED, f"is {target.what}")
            case UnknownHost():
                return unasked(Outcome.UNKNOWN_HOST, "", host=target.name)
        host = target.host
        warnings: tuple[str, ...] = ()
        if target.insecure:
            warnings = (
                f"The URL begins with http://, so Git sends this token to {host.name} unencrypted; use https://.",
            )
        if not asked:
            return Judged(entry, skipped, host, host.name, skips=skips, warnings=warnings)
        requirements = {role: self._requirement(host.kind, role, match) for role in asked}
        reached = self._repositories.get(host.name, ()) if Role.RUNTIME in requirements else ()
        if self._settings.repositories.applications and Role.RUNTIME in requirements:
            url = GitUrl("https", host.name, target.path, target.insecure)
            synced, doubts = await needs_of(url, reached, self._cluster, deadline, open_ended=target.open_ended)
            reached, warnings = (*reached, *synced), (*warnings, *doubts)
        question = Question(content.credential, host, target.path, requirements, reached, target.open_ended)
        attested = attestation.answer(entry, question, self._clock()) if attestation is not None else None
        if attested is not None:
            inspected = InspectionResult(attested.answer, attested.checked_at, cached=True)
        else:
            inspected = await self._inspector.inspect(question, deadline=deadline)
        answer = inspected.answer
        return Judged(
            entry,
            skipped | dict(answer.findings),
            host,
            host.name,
            answer.facts,
            answer.remedy,
            skips,
            warnings,
            inspected.checked_at,
            inspected.cached,
            inspected.coalesced,
            asked=Asked(entry, question, answer, inspected.checked_at),
            attested=attested is not None,
        )

    def _attestation(
        self, secret: SecretObject | None, roles: frozenset[Role], *, old: bool = False
    ) -> Attestation | None:
        """What a Secret's own annotation proves. One that proves nothing is worth as much as none.

        Args:
            old: it may be of an earlier write.
        """
        text = secret.annotations.get(ATTESTATION) if secret is not None else None
        if text is None or secret is None or self._ring is None:
            return None
        try:
            return verify(text, secret, roles, self._ring(), self._clock(), max_age=None if old else FRESH)
        except Untrusted:
            return None

    def _signed_anew(self, subject: Subject, roles: frozenset[Role], entries: list[Entry]) -> str | None:
        """What the stored Secret's attestation says, by the key of now where an older one has signed it, which may be
        taken away some day; None where there is nothing to sign."""
        before = self._attestation(subject.old, roles, old=True)
        if before is None or self._ring is None or subject.object is None:
            return None
        ring, now = self._ring(), self._clock()
        if before.key.name >= ring.active(now).name:
            return None
        return attest(subject.object, roles, (), ring, now, before=before, unchanged=entries)

    def _attest(
        self,
        subject: Subject,
        roles: frozenset[Role],
        verdicts: Mapping[str, Verdict],
        entries: Mapping[str, Entry],
    ) -> str | None:
        """The attestation of what was judged now, and of what was before and goes on being so."""
        secret = subject.object
        asked = [verdict.judged.asked for verdict in verdicts.values() if verdict.judged.asked is not None]
        if self._ring is None or secret is None:
            return None
        unchanged = [entry for key, entry in entries.items() if key not in verdicts]
        if not verdicts:
            return self._signed_anew(subject, roles, unchanged)
        if not asked:
            return None
        # Called again for the same write, because another webhook changed something, we have nothing new to say.
        said = self._attestation(secret, roles)
        if said is not None and said.is_of(asked, unchanged, self._clock()):
            return secret.annotations[ATTESTATION]
        before = self._attestation(subject.old, roles, old=True)
        return attest(secret, roles, asked, self._ring(), self._clock(), before=before, unchanged=unchanged)

    def _seal(self, write: ParsedWrite) -> Sealed:
        """Seal users' tokens that would be stored in plain text, if the settings ask for that."""
        if not self._seals or write.opener is None:
            return Sealed()
        return seal_values(write.subject, write.match, write.opener, self._clock())

    def _requirement(self, kind: Kind, role: Role, match: Match) -> Requirement:
        """What the role needs; where several rules of it match, what all of them need."""
        cells = [rule.requirements.get(kind) for rule in match.rules if rule.role is role]
        if not any(cell is not None for cell in cells):
            return self._usual[kind, role]
        needed = dict.fromkeys(self._settings.requirement(kind, role, cell) for cell in cells)
        if len(needed) == 1:
            return next(iter(needed))
        # Each rule's requirement is whole, so that none of them weakens another by the words that it is stated in.
        return union(map(PROVIDERS[kind].profile.vocabulary.complete, needed))

    def _conclude(
        self, write: ParsedWrite, stage: Stage, verdicts: Mapping[str, Verdict], exemptions: Exemptions
    ) -> Reviewed:
        """Decide on a write by the verdicts on its changed entries."""
        subject, match, opener = write.subject, write.match, write.opener
        roles = match.roles
        enforced = self._settings.mode == "enforce"
        warnings = [messages.skipped(skipped, reason) for reason, skipped in _by_reason(exemptions).items()]
        warnings += (*write.notes, *exemptions.reports)
        for verdict in verdicts.values():
            warnings += verdict.warnings
        # Two tokens of one Secret may share a malformed URL.
        causes = list(dict.fromkeys(v.cause for v in verdicts.values() if v.cause and v.denied))
        if exemptions.forbidden:
            forbidden = Cause("metadata.annotations", f"{exemptions.forbidden}.", "FieldValueForbidden")
            if enforced:
                causes.insert(0, forbidden)
            else:
                warnings.append(self._admitted_as(f"{forbidden.field}: {forbidden.message}"))
        for verdict in verdicts.values():
            if (told := verdict.cause) is not None and not verdict.denied:
                outcomes = [finding.outcome for finding in verdict.judged.findings.values()]
                warnings.append(self._admitted(f"{told.field}: {told.message}", outcomes))
        if stage is Stage.VALIDATE and self._seals and opener is not None:
            named = {cause.field for cause in causes}
            unsealed = [cause for cause in unsealed_causes(subject, match, opener) if cause.field not in named]
            if enforced:
                causes += unsealed
            else:
                warnings += [self._admitted_as(f"{cause.field}: {cause.message}") for cause in unsealed]
        # The label says `warned` of what would have been denied; here it is.
        worst_found = str(worst(verdict.validation for verdict in verdicts.values())) if verdicts else ""
        validation = "denied" if causes else worst_found
        audit = _audit_annotations(roles, validation, exemptions)
        decision: Decision
        if stage is Stage.MUTATE:
            attestation = self._attest(subject, roles, verdicts, write.entries)
            sealed = self._seal(write)
            warnings += sealed.warnings
            warnings += immutable_warnings(subject, (verdict.judged.entry for verdict in verdicts.values()))
            marked = subject if write.before else replace(subject, old=None)
            patch = patch_for(marked, roles, verdicts, write.entries, self._hosts, attestation, sealed)
            warnings += carried_marks(subject, patch)
            decision = Allow(tuple(warnings), patch, audit)
        elif causes:
            decision = _deny(subject, causes, tuple(warnings), audit)
        else:
            decision = Allow(tuple(warnings), (), audit)
        return Reviewed(decision, roles, verdicts, exemptions, validation)


def _deny(
    subject: Subject,
    causes: list[Cause],
    warnings: tuple[str, ...] = (),
    audit_annotations: Mapping[str, str] | None = None,
) -> Deny:
    """Return the denial whose message names the Secret, for files that hold several, and says what all causes say."""
    secret = subject.secret
    name = secret.name or f"{secret.generate_name}*"
    place = f"{secret.namespace}/{'(a name that holds a token)' if name_holds_token(name) else name}"
    message = f"{place}: {' '.join(f'{cause.field}: {cause.message}' for cause in causes)}"
    return Deny(message, tuple(causes), warnings=warnings, audit_annotations=audit_annotations or {})


def _asked_by(match: Match) -> list[tuple[Role, Mapping[Kind, RequirementSettings]]]:
    """What each rule asks of a Secret."""
    return [(rule.role, rule.requirements) for rule in match.rules]


def _asks_no_more(match: Match, before: Match) -> bool:
    """Return whether every requirement was one already: no new role, and no rule with a requirement of its own."""
    asked_before = _asked_by(before)
    return all(asked in asked_before for asked in _asked_by(match))


def is_large(subject: Subject) -> bool:
    """Return whether to parse a write outside of the event loop, which would stand still for many milliseconds."""
    return any(version is not None and _is_large(version) for version in (subject.object, subject.old))


def _is_large(secret: SecretObject) -> bool:
    if len(secret.data) > _FEW:
        return True
    return sum(map(len, secret.data.values())) + sum(map(len, secret.annotations.values())) > _SMALL


async def _at_once(function: Callable[[*_Arguments], _Result], *arguments: *_Arguments) -> _Result:
    return function(*arguments)


def _is_written(subject: Subject) -> bool:
    return subject.operation in (Operation.CREATE, Operation.UPDATE) and subject.object is not None


def only_finishes_deletion(subject: Subject) -> bool:
    """Return whether the write only lets a Secret go that was already being deleted, as by removing its finalizers.

    The stored object alone says that it is being deleted: in a new object anybody can write a deletionTimestamp. The
    matchConditions leave these writes out too, so that they pass while the webhook is down.
    """
    secret, old = subject.object, subject.old
    if secret is None or old is None or not old.deleting:
        return False
    return secret.data == old.data and secret.labels == old.labels and keeps_marks(secret, old)


def _by_reason(exemptions: Exemptions) -> dict[str, list[Role]]:
    reasons: dict[str, list[Role]] = {}
    for role, skip in exemptions.skips.items():
        reasons.setdefault(skip.reason, []).append(role)
    return reasons


def _audit_annotations(roles: frozenset[Role], validation: str, exemptions: Exemptions) -> dict[str, str]:
    annotations = {"roles": ".".join(role for role in Role if role in roles)}
    if validation:
        annotations["validation"] = validation
    if exemptions.skips:
        annotations["skip-reason"] = "; ".join(sorted({skip.reason for skip in exemptions.skips.values()}))
    return annotations
