"""The advice for a row of a report, and the order of rows."""

from __future__ import annotations

from datetime import datetime

from webhook.providers.findings import Outcome
from webhook.report.model import Attested, Report, Row, Severity
from webhook.text import day

_ADVICE = {
    Outcome.INSUFFICIENT: "Create a token with what is missing, and replace this one with it.",
    Outcome.INVALID: "Create a new token, and replace this one with it.",
    Outcome.BLOCKED: "Remove the block at the provider, or replace the token.",
    Outcome.UNVERIFIED: "Follow the message. Until then, the token is not verified.",
    Outcome.UNSUPPORTED: "Verify yourself that it works. The webhook cannot check it.",
    Outcome.UNKNOWN_HOST: "Declare its host under providers: in the configuration, or correct the URL.",
    Outcome.MALFORMED: "Write it again in a valid format.",
    Outcome.SKIPPED: "Remove the skip when it is no longer needed.",
}
_ATTESTED = {
    Attested.NEVER: "Write the Secret again, so that the webhook checks it.",
    Attested.CHANGED: "Find out who changed it without the webhook, and write it again.",
    Attested.UNTRUSTED: "Find out where its attestation comes from, and write the Secret again.",
}
_REPLACED = frozenset({Outcome.INSUFFICIENT, Outcome.INVALID, Outcome.BLOCKED, Outcome.MALFORMED})
"""Outcomes whose token must be replaced anyway, so that the webhook checks the new one."""
_WORST_FIRST = {severity: rank for rank, severity in enumerate(Severity)}
_OUTCOMES = {outcome: rank for rank, outcome in enumerate((Outcome.INVALID, Outcome.BLOCKED, Outcome.INSUFFICIENT))}


def advice(row: Row, now: datetime) -> str:
    """Return what to do about a row as whole sentences; empty if there is nothing to do."""
    sentences = []
    if row.outcome is not Outcome.SUFFICIENT:
        sentences.append(row.todo or _ADVICE[row.outcome])
    elif row.severity is not Severity.NONE and row.expires_at is not None and row.expires_at > now:
        sentences.append(f"Replace it before {day(row.expires_at)}, when it expires.")
    checked_anyway = row.attested is Attested.NEVER and row.outcome in _REPLACED
    if row.severity is not Severity.NONE and row.attested in _ATTESTED and not checked_anyway:
        sentences.append(_ATTESTED[row.attested])
    return " ".join(sentences)


def rank(row: Row) -> tuple[int, int, str, str, str, str]:
    """Return the sort key of a row: the worst first, then by place."""
    place = row.place
    return (
        _WORST_FIRST[row.severity],
        _OUTCOMES.get(row.outcome, len(_OUTCOMES)),
        place.cluster,
        place.namespace,
        place.name,
        place.field,
    )


def holder(row: Row) -> str:
    """Return who holds a token: the platform's user, or the roles."""
    if row.user:
        return f"user {row.user}"
    return " and ".join(row.roles)


def link(text: str) -> str:
    """Return `text` if it is safe as a link in a report, else an empty string."""
    return text if text.startswith("https://") and text.isprintable() and " " not in text else ""


def of_tokens(report: Report) -> list[Row]:
    """Return the worst row of each distinct token, and all rows without a readable token."""
    worst: dict[int, Row] = {}
    others: list[Row] = []
    for row in sorted(report.rows, key=rank):
        if row.token is None:
            others.append(row)
        else:
            worst.setdefault(row.token, row)
    return [*worst.values(), *others]
