"""The rows of a report, from the result for a Secret."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime

from webhook.audit.manifests import SecretManifest
from webhook.audit.questions import Questions
from webhook.credentials.entries import Checkable, Entry
from webhook.keyring.ring import KeyRing
from webhook.names import ATTESTATION
from webhook.providers.findings import Outcome
from webhook.providers.requirements import Role
from webhook.providers.token_shapes import name_holds_token
from webhook.report.evidence import Evidence, evidence_of
from webhook.report.model import Attested, Place, Row, Severity
from webhook.review import messages
from webhook.review.attestation import Untrusted, verify
from webhook.review.policy import Judged, Verdict
from webhook.review.reviewer import Standing
from webhook.settings.model import Settings
from webhook.subject import SecretObject

_WORST_FIRST = (
    Outcome.MALFORMED,
    Outcome.INVALID,
    Outcome.BLOCKED,
    Outcome.INSUFFICIENT,
    Outcome.UNVERIFIED,
    Outcome.UNKNOWN_HOST,
    Outcome.UNSUPPORTED,
    Outcome.SKIPPED,
    Outcome.SUFFICIENT,
)
_TOKEN_KEYS = frozenset({"token", "password", "accessToken", "bearerToken"})
_NOT_ATTESTED = {
    Attested.NEVER: "The webhook has never checked it.",
    Attested.CHANGED: "It differs from what the webhook checked: it was changed without the webhook.",
    Attested.UNTRUSTED: "Its attestation is not valid for this Secret and key ring.",
}
_UNSEALED = "It is stored in plain text, but the configuration seals users' tokens. Write the Secret again."


def place_of(secret: SecretObject, cluster: str = "") -> Place:
    """Return the location of a Secret."""
    return Place(_shown(secret.namespace), _shown(secret.name or f"{secret.generate_name}*"), cluster=cluster)


def _shown(name: str) -> str:
    return "(a name that holds a token)" if name_holds_token(name) else name


class Rows:
    """Creates the rows of one run."""

    def __init__(self, settings: Settings, questions: Questions, ring: KeyRing | None = None) -> None:
        """
        Args:
            ring: the webhook's key ring, which verifies attestations.
        """
        self._settings = settings
        self._questions = questions
        self._ring = ring

    def of_manifest(self, standing: Standing, manifest: SecretManifest) -> list[Row]:
        """Return the rows of a Secret in a manifest, which has no attestation yet."""
        where, place = manifest.where, place_of(manifest.secret)

        def locate(key: str, field: str) -> Place:
            own = manifest.field(key, field)
            return replace(place, field=own, file=where.file, line=manifest.line(key))

        # The webhook seals its tokens when it is applied.
        return self._rows(replace(standing, unsealed=frozenset()), locate, lambda entry: Attested.UNKNOWN)

    def of_stored(self, standing: Standing, secret: SecretObject, cluster: str, now: datetime) -> list[Row]:
        """Return the rows of a Secret in a cluster.

        Args:
            cluster: the name of the cluster if the report covers several; else empty.
        """
        place = place_of(secret, cluster)
        attested = attested_by(secret, standing.match.roles, self._ring, now)
        return self._rows(standing, lambda key, field: replace(place, field=field), attested)

    def _rows(
        self, standing: Standing, locate: Callable[[str, str], Place], attested: Callable[[Entry], Attested]
    ) -> list[Row]:
        if not standing.unreadable:
            return [self._row(verdict, standing, locate, attested) for verdict in standing.verdicts.values()]
        roles = _roles(standing)
        return [
            Row(
                locate("", "data"),
                roles,
                Outcome.MALFORMED,
                Severity.ERROR,
                _rules(standing),
                outcomes=dict.fromkeys(roles, Outcome.MALFORMED),
                message=standing.unreadable,
            )
        ]

    def _row(
        self,
        verdict: Verdict,
        standing: Standing,
        locate: Callable[[str, str], Place],
        attested: Callable[[Entry], Attested],
    ) -> Row:
        judged, roles = verdict.judged, _roles(standing)
        entry, content, facts = judged.entry, judged.entry.content, judged.facts
        outcomes = {str(role): finding.outcome for role, finding in judged.findings.items()}
        checked = attested(entry) if judged.asked is not None else Attested.UNKNOWN
        warnings = [warning.removeprefix(f"{entry.field}: ") for warning in verdict.warnings]
        if entry.field in standing.unsealed:
            warnings.append(_UNSEALED)
        if self._ring is not None and checked in _NOT_ATTESTED:
            warnings.append(_NOT_ATTESTED[checked])
        url = content.destination.url if isinstance(content, Checkable) else None
        message = verdict.cause.message if verdict.cause is not None else ""
        wrong = judged.key  # another key than the entry's own, such as url
        return Row(
            locate(wrong or entry.key, f"data.{wrong}" if wrong else entry.field),
            roles,
            worst(outcomes.values()),
            _severity(outcomes.values(), warnings, self._settings),
            _rules(standing),
            user=_user(entry, roles),
            outcomes=outcomes,
            message=message,
            warnings=(*warnings, *standing.exemptions.reports),
            remedy=messages.link_in(judged.remedy),
            todo=_todo(judged, message),
            provider=str(judged.host.kind) if judged.host is not None else "",
            host=judged.host_name,
            url=str(url) if url is not None else "",
            account=facts.account or "",
            token_type=facts.token_type,
            scopes=facts.holds,
            expires_at=facts.expires_at,
            short_lived=facts.short_lived,
            skip_reason="; ".join(dict.fromkeys(skip.reason for skip in judged.skips.values())),
            attested=checked,
            token=self._questions.number(content.credential) if isinstance(content, Checkable) else None,
            validated_at=judged.checked_at,
            evidence=judged_evidence(judged),
        )


def judged_evidence(judged: Judged) -> Evidence | None:
    """Return what a result rests on; None if no provider was asked."""
    if judged.asked is None:
        return None
    kind = judged.host.kind if judged.host is not None else None
    return evidence_of(judged.findings, kind, judged.asked.answer)


def _roles(standing: Standing) -> tuple[str, ...]:
    return tuple(str(role) for role in Role if role in standing.match.roles)


def _rules(standing: Standing) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule.name for rule in standing.match.rules))


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst outcome; sufficient if there is none."""
    return min(outcomes, key=_WORST_FIRST.index, default=Outcome.SUFFICIENT)


def _severity(outcomes: Collection[Outcome], warnings: list[str], settings: Settings) -> Severity:
    bad = {outcome for outcome in outcomes if outcome not in (Outcome.SUFFICIENT, Outcome.SKIPPED)}
    # As with `mode: enforce`, because an audit prepares for it.
    if any(settings.own_effect(outcome) == "deny" for outcome in bad):
        return Severity.ERROR
    if bad or warnings:
        return Severity.WARNING
    return Severity.NOTE if Outcome.SKIPPED in outcomes else Severity.NONE


def _todo(judged: Judged, message: str) -> str:
    """Return the sentences at the end of `message` that say what to do."""
    remedies = (judged.remedy, *(finding.remedy for finding in judged.findings.values()))
    return next((remedy for remedy in remedies if remedy and message.endswith(remedy)), "")


def _user(entry: Entry, roles: tuple[str, ...]) -> str:
    """Return the user of a token if the Secret holds one entry for each user."""
    of_a_user = Role.USER in roles and entry.key and entry.key not in _TOKEN_KEYS and not entry.hidden
    return entry.key if of_a_user and isinstance(entry.content, Checkable) else ""


def attested_by(
    secret: SecretObject, roles: Iterable[Role], ring: KeyRing | None, now: datetime
) -> Callable[[Entry], Attested]:
    """Return a function for the state of each entry by the Secret's attestation.

    Args:
        ring: the webhook's key ring; without it, only a missing attestation is detected.
    """
    text = secret.annotations.get(ATTESTATION)
    if text is None or ring is None:
        return lambda entry: Attested.NEVER if text is None else Attested.UNKNOWN
    try:
        attestation = verify(text, secret, roles, ring, now, max_age=None)
    except Untrusted:
        return lambda entry: Attested.UNTRUSTED

    def state(entry: Entry) -> Attested:
        if attestation.entry(entry) is not None:
            return Attested.YES
        return Attested.CHANGED if entry.key in attestation.claims.entries else Attested.NEVER

    return state
