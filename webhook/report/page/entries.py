"""The entries of a page, for the script and for the table of browsers without JavaScript.

Text goes through `shown`, because on a page, too, it could change the writing direction or hide in white space.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

from webhook.report.advice import advice, holder, link, rank
from webhook.report.document import timestamp
from webhook.report.evidence import Evidence
from webhook.report.evidence_text import lines
from webhook.report.model import Attested, Report, Row
from webhook.report.page.figures import left
from webhook.text import day, shown

_CLASSES = {"green": "none", "red": "error", "yellow": "warning", "dim": "quiet", "": ""}
_ATTESTED = {
    Attested.YES: "checked by the webhook",
    Attested.NEVER: "never checked by the webhook",
    Attested.CHANGED: "changed without the webhook",
    Attested.UNTRUSTED: "has an untrusted attestation",
    Attested.UNKNOWN: "",
}
HEADINGS = ("State", "Secret", "Held by", "Token", "Expires", "Finding and advice")


class EvidenceLine(NamedTuple):
    """A line of evidence.

    Attributes:
        style: a class of the styles; may be empty.
    """

    depth: int
    style: str
    text: str


def data(report: Report) -> dict[str, Any]:
    """Return the entries, the worst first."""
    shared = Counter(row.token for row in report.rows if row.token is not None)
    return {
        "now": timestamp(report.finished_at),
        "entries": [_entry(row, report.finished_at, shared) for row in sorted(report.rows, key=rank)],
    }


def _entry(row: Row, now: datetime, shared: Counter[int]) -> dict[str, Any]:
    place = row.place
    more = shared[row.token] - 1 if row.token is not None else 0
    known = {
        "URL": shown(row.url),
        "Scopes": shown(", ".join(row.scopes)),
        "Roles": shown(", ".join(f"{role}: {outcome}" for role, outcome in row.outcomes.items())),
        "Rules": shown(", ".join(row.rules)),
        "Skipped because of": shown(row.skip_reason),
        "Attestation": _ATTESTED[row.attested],
        "Checked": f"{row.validated_at:%Y-%m-%d %H:%M} UTC" if row.validated_at else "",
        "Same token": f"in {more} more {'entry' if more == 1 else 'entries'}" if more else "",
        "Applications": shown(", ".join(row.applications)),
    }
    return {
        "state": row.outcome.value,
        "severity": row.severity.value,
        "secret": shown(place.secret),
        "file": shown(f"{place.file}:{place.line}" if place.line else place.file),
        "field": shown(place.field),
        "holder": shown(holder(row)),
        "roles": [shown(role) for role in row.roles],
        "provider": shown(row.provider),
        "host": shown(row.host),
        "kind": shown(row.token_type),
        "account": shown(row.account),
        "ends": day(row.expires_at) if row.expires_at else "",
        "left": left(row.expires_at, now) if row.expires_at else "",
        "message": shown(row.finding),
        "warnings": [shown(warning) for warning in row.warnings],
        "advice": shown(_without_link(advice(row, now), row.remedy)),
        "link": link(row.remedy),
        "evidence": [line._asdict() for line in evidence_lines(row.evidence)],
        "more": {name: text for name, text in known.items() if text},
    }


def evidence_lines(evidence: Evidence | None) -> list[EvidenceLine]:
    """Return the evidence as lines for a page."""
    if evidence is None:
        return []
    return [EvidenceLine(depth, _CLASSES[style], shown(text)) for depth, (text, style) in lines(evidence)]


def _without_link(text: str, address: str) -> str:
    """Return the advice without the address at its end, because a link follows it."""
    shortened = text.rstrip(".").removesuffix(f": {address}")
    return f"{shortened}." if address and shortened != text.rstrip(".") else text
