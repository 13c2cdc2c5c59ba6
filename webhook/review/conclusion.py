"""The decision on a parsed write, with the patch that records what was found."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from webhook.credentials.entries import Entry, Undecodable
from webhook.credentials.extract import extract
from webhook.decision import Allow, Cause, Decision, Deny, Stage
from webhook.keyring.ring import KeyRing
from webhook.names import ATTESTATION
from webhook.providers.findings import Outcome
from webhook.providers.requirements import Role
from webhook.providers.token_shapes import name_holds_token
from webhook.review import messages
from webhook.review.annotations import patch_for, removal_for, unjudged_patch
from webhook.review.attestation import FRESH, Attestation, Untrusted, attest, verify
from webhook.review.carried_marks import carried_marks
from webhook.review.exemptions import Exemptions
from webhook.review.policy import Validation, Verdict, worst
from webhook.review.sealing import Sealed, immutable_warnings, seal_values, unsealed_causes
from webhook.review.write import ParsedWrite
from webhook.settings.model import Settings
from webhook.subject import SecretObject, Subject


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A decision and what led to it, for logs, metrics and reports.

    Attributes:
        roles: the roles of the Secret; empty if it holds no Git credentials.
        verdicts: by key, of the entries that were judged now.
        validation: for logs and the audit log: a value of the label, or `denied`; empty if nothing was judged.
    """

    decision: Decision
    roles: frozenset[Role] = frozenset()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict, repr=False)  # a key may be a token by mistake
    exemptions: Exemptions = field(default_factory=Exemptions)
    validation: str = ""

    def describe(self) -> dict[str, object]:
        """Return the fields of a log line: names and outcomes, and no value of the Secret."""
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


ALLOWED = Reviewed(Allow())


class Conclusion:
    """Decides by one set of settings. Nothing here waits, so a large Secret can be decided in another thread."""

    def __init__(
        self,
        settings: Settings,
        ring: Callable[[], KeyRing] | None,
        clock: Callable[[], datetime],
        *,
        admitted_as: Callable[[str], str],
    ) -> None:
        """
        Args:
            ring: returns the current key ring, which signs attestations and seals values; None if there is none.
            admitted_as: makes a warning of a denial that the settings turn into one.
        """
        self._settings = settings
        self._ring = ring
        self._clock = clock
        self._seals = settings.encryption.mode == "seal"
        self._hosts = settings.hosts()
        self._admitted_as = admitted_as

    def release(self, write: ParsedWrite) -> Reviewed:
        """Remove our labels and annotations from a Secret that holds no Git credentials any more."""
        subject, entries = write.subject, {}
        if write.before and subject.object is not None and not write.unreadable:  # late: extracting takes too long
            with contextlib.suppress(Undecodable):
                entries = extract(subject.object, write.before, write.opener)
        return Reviewed(Allow(patch=removal_for(subject, entries)))

    def whole(self, write: ParsedWrite, stage: Stage, sentence: str, outcome: Outcome) -> Reviewed:
        """Decide on a Secret as a whole, without judging an entry, for the reason `sentence`."""
        subject, match = write.subject, write.match
        entries = None if write.unreadable else write.entries
        denied = self._settings.effect(outcome) == "deny"
        label = Validation.UNVERIFIED if outcome is Outcome.UNVERIFIED else Validation.WARNED
        validation = "denied" if denied else str(label)
        audit = _audit_annotations(match.roles, validation, Exemptions())
        unreadable = outcome is Outcome.MALFORMED and entries is None
        decision: Decision
        if denied and (stage is Stage.VALIDATE or unreadable):  # `/mutate` denies what it cannot parse
            decision = _deny(subject, [Cause("data", sentence)], audit_annotations=audit)
        elif stage is Stage.VALIDATE:
            decision = Allow((self._admitted(sentence, [outcome]),), audit_annotations=audit)
        else:
            sealed = Sealed() if denied or entries is None else self._seal(write)
            patch = unjudged_patch(subject, match.roles, label, sentence, entries, sealed)
            decision = Allow(sealed.warnings, patch, audit)
        return Reviewed(decision, match.roles, validation=validation)

    def judged(
        self, write: ParsedWrite, stage: Stage, verdicts: Mapping[str, Verdict], exemptions: Exemptions
    ) -> Reviewed:
        """Decide on a write by the verdicts on its changed entries."""
        # Two tokens of one Secret may share a malformed URL.
        causes = list(dict.fromkeys(v.cause for v in verdicts.values() if v.cause and v.denied))
        warnings = self._warnings(write, verdicts, exemptions)
        self._add_forbidden(exemptions, causes, warnings)
        for verdict in verdicts.values():
            if (cause := verdict.cause) is not None and not verdict.denied:
                outcomes = [finding.outcome for finding in verdict.judged.findings.values()]
                warnings.append(self._admitted(f"{cause.field}: {cause.message}", outcomes))
        if stage is Stage.VALIDATE:
            self._add_unsealed(write, causes, warnings)
        # The label says `warned` of what would have been denied; here it is.
        worst_found = str(worst(verdict.validation for verdict in verdicts.values())) if verdicts else ""
        validation = "denied" if causes else worst_found
        audit = _audit_annotations(write.match.roles, validation, exemptions)
        decision: Decision
        if stage is Stage.MUTATE:
            decision = self._mutate(write, verdicts, warnings, audit)
        elif causes:
            decision = _deny(write.subject, causes, tuple(warnings), audit)
        else:
            decision = Allow(tuple(warnings), (), audit)
        return Reviewed(decision, write.match.roles, verdicts, exemptions, validation)

    def attestation(
        self, secret: SecretObject | None, roles: frozenset[Role], *, old: bool = False
    ) -> Attestation | None:
        """Return what the attestation of a Secret proves; None if it proves nothing.

        Args:
            old: accept one of an earlier write.
        """
        text = secret.annotations.get(ATTESTATION) if secret is not None else None
        if text is None or secret is None or self._ring is None:
            return None
        try:
            return verify(text, secret, roles, self._ring(), self._clock(), max_age=None if old else FRESH)
        except Untrusted:
            return None

    def _admitted(self, sentence: str, outcomes: Iterable[Outcome]) -> str:
        """Return the warning that replaces a denial; if only `mode` allows the write, with what would be denied."""
        spared = self._settings.mode == "warn" and any(self._settings.own_effect(one) == "deny" for one in outcomes)
        return self._admitted_as(sentence) if spared else sentence

    def _warnings(self, write: ParsedWrite, verdicts: Mapping[str, Verdict], exemptions: Exemptions) -> list[str]:
        warnings = [messages.skipped(skipped, reason) for reason, skipped in _by_reason(exemptions).items()]
        warnings += (*write.notes, *exemptions.reports)
        for verdict in verdicts.values():
            warnings += verdict.warnings
        return warnings

    def _add_forbidden(self, exemptions: Exemptions, causes: list[Cause], warnings: list[str]) -> None:
        if not exemptions.forbidden:
            return
        forbidden = Cause("metadata.annotations", f"{exemptions.forbidden}.", "FieldValueForbidden")
        if self._settings.mode == "enforce":
            causes.insert(0, forbidden)
        else:
            warnings.append(self._admitted_as(f"{forbidden.field}: {forbidden.message}"))

    def _add_unsealed(self, write: ParsedWrite, causes: list[Cause], warnings: list[str]) -> None:
        if not self._seals or write.opener is None:
            return
        named = {cause.field for cause in causes}
        unsealed = unsealed_causes(write.subject, write.match, write.opener)
        unsealed = [cause for cause in unsealed if cause.field not in named]
        if self._settings.mode == "enforce":
            causes += unsealed
        else:
            warnings += [self._admitted_as(f"{cause.field}: {cause.message}") for cause in unsealed]

    def _mutate(
        self, write: ParsedWrite, verdicts: Mapping[str, Verdict], warnings: list[str], audit: Mapping[str, str]
    ) -> Allow:
        subject, roles = write.subject, write.match.roles
        attestation = self._attest(write, verdicts)
        sealed = self._seal(write)
        warnings += sealed.warnings
        warnings += immutable_warnings(subject, (verdict.judged.entry for verdict in verdicts.values()))
        marked = subject if write.before else replace(subject, old=None)
        patch = patch_for(marked, roles, verdicts, write.entries, self._hosts, attestation, sealed)
        warnings += carried_marks(subject, patch)
        return Allow(tuple(warnings), patch, audit)

    def _seal(self, write: ParsedWrite) -> Sealed:
        """Seal users' tokens that would be stored in plain text, if the settings ask for that."""
        if not self._seals or write.opener is None:
            return Sealed()
        return seal_values(write.subject, write.match, write.opener, self._clock())

    def _attest(self, write: ParsedWrite, verdicts: Mapping[str, Verdict]) -> str | None:
        """Return the attestation of what was judged now, and of what was judged before and did not change."""
        secret, roles = write.subject.object, write.match.roles
        if self._ring is None or secret is None:
            return None
        asked = [verdict.judged.asked for verdict in verdicts.values() if verdict.judged.asked is not None]
        unchanged = [entry for key, entry in write.entries.items() if key not in verdicts]
        if not verdicts:
            return self._signed_again(write.subject, roles, unchanged)
        if not asked:
            return None
        # If another webhook changed something, the API server calls again for the same write: nothing is new.
        current = self.attestation(secret, roles)
        if current is not None and current.is_of(asked, unchanged, self._clock()):
            return secret.annotations[ATTESTATION]
        before = self.attestation(write.subject.old, roles, old=True)
        return attest(secret, roles, asked, self._ring(), self._clock(), before=before, unchanged=unchanged)

    def _signed_again(self, subject: Subject, roles: frozenset[Role], entries: list[Entry]) -> str | None:
        """Return the stored attestation with a signature of the active key, as older keys may be retired.

        None if there is nothing to sign.
        """
        before = self.attestation(subject.old, roles, old=True)
        if before is None or self._ring is None or subject.object is None:
            return None
        ring, now = self._ring(), self._clock()
        if before.key.name >= ring.active(now).name:
            return None
        return attest(subject.object, roles, (), ring, now, before=before, unchanged=entries)


def _deny(
    subject: Subject,
    causes: list[Cause],
    warnings: tuple[str, ...] = (),
    audit_annotations: Mapping[str, str] | None = None,
) -> Deny:
    """Return a denial whose message names the Secret, as a file may hold several, and all causes."""
    secret = subject.secret
    name = secret.name or f"{secret.generate_name}*"
    place = f"{secret.namespace}/{'(a name that holds a token)' if name_holds_token(name) else name}"
    message = f"{place}: {' '.join(f'{cause.field}: {cause.message}' for cause in causes)}"
    return Deny(message, tuple(causes), warnings=warnings, audit_annotations=audit_annotations or {})


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
