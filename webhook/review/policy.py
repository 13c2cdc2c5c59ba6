"""The verdict on one entry, from the findings and the settings. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from webhook.credentials.entries import Entry
from webhook.decision import Cause
from webhook.providers.findings import Conclusion, Facts, Finding, Outcome, Proof
from webhook.providers.hosts import Host
from webhook.providers.requirements import Role
from webhook.review import messages
from webhook.review.attestation import Asked
from webhook.review.exemptions import Skip
from webhook.settings.model import Settings
from webhook.text import day


class Validation(StrEnum):
    """The values of the label ``git-token-webhook/validation``, the worst first."""

    WARNED = "warned"
    UNVERIFIED = "unverified"
    UNSUPPORTED = "unsupported"
    SKIPPED = "skipped"
    PASSED = "passed"


_VALIDATION = {
    Outcome.SUFFICIENT: Validation.PASSED,
    Outcome.SKIPPED: Validation.SKIPPED,
    Outcome.UNSUPPORTED: Validation.UNSUPPORTED,
    Outcome.UNKNOWN_HOST: Validation.UNSUPPORTED,
    Outcome.UNVERIFIED: Validation.UNVERIFIED,
    Outcome.INSUFFICIENT: Validation.WARNED,
    Outcome.INVALID: Validation.WARNED,
    Outcome.BLOCKED: Validation.WARNED,
    Outcome.MALFORMED: Validation.WARNED,
}


_RANKS = {validation: rank for rank, validation in enumerate(Validation)}


def worst(validations: Iterable[Validation]) -> Validation:
    """Return the worst value; `PASSED` if there is none."""
    return min(validations, key=_RANKS.__getitem__, default=Validation.PASSED)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is known of one entry.

    Attributes:
        findings: one for each role.
        host: where its token goes; None if unknown.
        host_name: the name of the host for messages, also of a host that is not declared.
        skips: the roles that were not checked, and why.
        checked_at: the time of the provider's response.
        cached: whether the response was cached.
        coalesced: whether a concurrent review shared the response.
        asked: the question to the provider and its answer.
        attested: whether the mutating call signed the answer, so that the provider got no request.
        key: the key of `data` that is wrong, if it is not the entry's own.
    """

    entry: Entry
    findings: Mapping[Role, Finding]
    host: Host | None = None
    host_name: str = ""
    facts: Facts = field(default_factory=Facts)
    remedy: str = ""
    skips: Mapping[Role, Skip] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    checked_at: datetime | None = None
    cached: bool = False
    coalesced: bool = False
    asked: Asked | None = field(default=None, repr=False)
    attested: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The consequence for the write.

    Attributes:
        judged: with expiry taken into account.
        denied: whether the settings deny the write.
        cause: what is wrong, for a denial or a warning.
        warnings: sentences about what does not deny the write.
    """

    judged: Judged
    validation: Validation
    denied: bool = False
    cause: Cause | None = None
    warnings: tuple[str, ...] = ()


def decide(judged: Judged, settings: Settings, now: datetime) -> Verdict:
    """Return the verdict on one entry."""
    judged = _expire(judged, now)
    bad = {role: f for role, f in judged.findings.items() if f.outcome not in (Outcome.SUFFICIENT, Outcome.SKIPPED)}
    validation = worst(_validation(finding.outcome, settings) for finding in judged.findings.values())
    warnings = [*judged.warnings, *judged.facts.warnings]
    if (soon := _expires_soon(judged, settings, now)) is not None:
        warnings.append(soon)
    place = f"data.{judged.key}" if judged.key else judged.entry.field
    cause = None
    if bad:
        whole = not judged.entry.key
        sentence = messages.failure(judged.host_name, judged.facts, bad, judged.remedy, whole_secret=whole)
        cause = Cause(place, sentence)
    denied = any(settings.effect(finding.outcome) == "deny" for finding in bad.values())
    return Verdict(judged, validation, denied, cause, tuple(f"{place}: {text}" for text in warnings))


def _validation(outcome: Outcome, settings: Settings) -> Validation:
    usual = _VALIDATION[outcome]
    # `mode: warn` allowed what would be denied. If the token could not be verified, the label says that instead.
    would_be_denied = settings.mode == "warn" and settings.own_effect(outcome) == "deny"
    return Validation.WARNED if would_be_denied and usual is not Validation.UNVERIFIED else usual


def _expire(judged: Judged, now: datetime) -> Judged:
    end = judged.facts.expires_at
    if end is None or end > now:
        return judged
    expired = Finding(Outcome.INVALID, reason=f"says that this {judged.facts.described} expired on {day(end)}")
    proof = Proof("not expired", Conclusion.MISSING, judged.facts.expiry_sources, expired.reason)
    ended = {
        role: finding
        for role, finding in judged.findings.items()
        if finding.outcome in (Outcome.SUFFICIENT, Outcome.INSUFFICIENT)
    }
    if not ended:
        return judged
    # The remedy was for a valid token: it names a missing scope, or a higher role of the account.
    about_the_token = not any(finding.reason for finding in ended.values())
    remedy = messages.replacement(messages.link_in(judged.remedy) if about_the_token else "")
    shown = {role: replace(expired, proofs=(*finding.proofs, proof)) for role, finding in ended.items()}
    return replace(judged, findings={**judged.findings, **shown}, remedy=remedy)


def _expires_soon(judged: Judged, settings: Settings, now: datetime) -> str | None:
    end = judged.facts.expires_at
    if end is None or judged.facts.short_lived or end <= now or end - now >= settings.expiry.warn_within:
        return None
    return messages.expires_soon(judged.host_name, judged.facts, end, now)
