"""Verdicts with their evidence, as JSON for bug reports.

A transcript contains no token, and of accounts only their names.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from webhook import __version__
from webhook.report.evidence import Assumption, Request, RoleEvidence, evidence_of
from webhook.review.policy import Verdict

FORMAT = "git-token-webhook/transcript/v1"


class Entry(msgspec.Struct, frozen=True):
    """One token."""

    secret: str
    field: str
    host: str
    kind: str
    account: str
    token: str
    holds: list[str]
    verdict: str
    message: str
    warnings: list[str]
    roles: dict[str, RoleEvidence]
    requests: list[Request]
    assumptions: list[Assumption]


class Transcript(msgspec.Struct, frozen=True):
    """The result of one run of `explain`."""

    entries: list[Entry]
    version: str = __version__
    format: str = FORMAT
    written: str = ""


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a transcript."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Transcript)}


def transcript(entries: Iterable[Entry], now: datetime) -> Transcript:
    """Return the transcript of one run."""
    return Transcript(list(entries), written=now.astimezone(UTC).isoformat(timespec="seconds"))


def entry(secret: str, field: str, verdict: Verdict) -> Entry:
    """Return one verdict with its evidence.

    Args:
        secret: the namespace and name of the Secret, or where its manifest is.
        field: the name of its field, as people wrote it.
    """
    judged = verdict.judged
    facts, asked = judged.facts, judged.asked
    kind = judged.host.kind if judged.host is not None else None
    shown = evidence_of(
        judged.findings,
        kind,
        asked.answer if asked is not None else None,
    )
    return Entry(
        secret,
        field,
        judged.host_name,
        str(kind or ""),
        facts.account or "",
        facts.described if asked is not None else "",
        list(facts.holds),
        "denied" if verdict.denied else "allowed",
        verdict.cause.message if verdict.cause is not None else "",
        [warning.removeprefix(f"{judged.entry.field}: ") for warning in verdict.warnings],
        shown.roles,
        shown.requests,
        shown.assumptions,
    )
