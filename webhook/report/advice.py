"""What a person can do about one row, and the order in which rows deserve it."""

from __future__ import annotations

from datetime import datetime

from webhook.providers.findings import Outcome
from webhook.report.model import Attested, Report, Row, Severity
from webhook.text import day

_ADVICE = {
    Outcome.INSUFFICIENT: "Make a token that has what is missing, and put it in the place of this one.",
    Outcome.INVALID: "Make a new token, and put it in the place of this one.",
    Outcome.BLOCKED: "Lift at the provider what stops it, or put another token in its place.",
    Outcome.UNVERIFIED: "Do what the message says; until then nothing is known of this token.",
    Outcome.UNSUPPORTED: "See for yourself that it works: nobody can be asked about it.",
    Outcome.UNKNOWN_HOST: "Declare its host under providers: in the configuration, or correct the URL.",
    Outcome.MALFORMED: "Write it anew, in a form that can be read.",
    Outcome.SKIPPED: "Take the skip away once it is no longer needed.",
}
_ATTESTED = {
    Attested.NEVER: "Write the Secret once more, so that the webhook checks it.",
    Attested.CHANGED: "Find out who changed it behind the webhook's back, and write it once more.",
    Attested.UNTRUSTED: "Find out whose attestation it has, and write the Secret once more.",
}
_REPLACED = frozenset({Outcome.INSUFFICIENT, Outcome.INVALID, Outcome.BLOCKED, Outcome.MALFORMED})
"""Of what must be written anew anyway, so that the webhook sees it."""
_WORST_FIRST = {severity: rank for rank, severity in enumerate(Severity)}
_OUTCOMES = {outcome: rank for rank, outcome in enumerate((Outcome.INVALID, Outcome.BLOCKED, Outcome.INSUFFICIENT))}


def advice(row: Row, now: datetime) -> str:
    """Whole sentences that say what to do; empty where there is nothing."""
    sentences = []
    if row.outcome is not Outcome.SUFFICIENT:
        sentences.append(row.todo or _ADVICE[row.outcome])
    elif row.severity is not Severity.NONE and row.expires_at is not None and row.expires_at > now:
        sentences.append(f"Replace it before {day(row.expires_at)}, when it ends.")
    known_anew = row.attested is Attested.NEVER and row.outcome in _REPLACED
    if row.severity is not Severity.NONE and row.attested in _ATTESTED and not known_anew:
        sentences.append(_ATTESTED[row.attested])
    return " ".join(sentences)


def rank(row: Row) -> tuple[int, int, str, str, str, str]:
    """Sorts rows: the worst first, then by place."""
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
    """Who holds a token: the platform's user, or its runtime; what is known of them."""
    if row.user:
        return f"user {row.user}"
    return " and ".join(row.roles)


def link(text: str) -> str:
    """`text` where it is an address that a person may follow from a report, else nothing."""
    return text if text.startswith("https://") and text.isprintable() and " " not in text else ""


def of_tokens(report: Report) -> list[Row]:
    """One row for each distinct token, the worst of those that hold it, and each row that no token was read from."""
    worst: dict[int, Row] = {}
    others: list[Row] = []
    for row in sorted(report.rows, key=rank):
        if row.token is None:
            others.append(row)
        else:
            worst.setdefault(row.token, row)
    return [*worst.values(), *others]
