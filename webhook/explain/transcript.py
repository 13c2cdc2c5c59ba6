"""A verdict and the requests it rests on, as JSON for bug reports.

It contains no token, and of accounts only their names.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from webhook import __version__
from webhook.providers import assumptions
from webhook.providers.findings import Exchange
from webhook.providers.hosts import Kind
from webhook.providers.purposes import tells
from webhook.review.attestation import Asked
from webhook.review.policy import Verdict

FORMAT = "git-token-webhook/transcript/v1"


class Request(msgspec.Struct, frozen=True):
    """One request and its response."""

    method: str
    path: str
    tells: str
    status: int | None
    headers: dict[str, str]
    moved: str
    failure: str
    transient: bool


class Role(msgspec.Struct, frozen=True):
    """The finding for one role."""

    outcome: str
    needs: list[str]
    lacks: list[str]
    reason: str
    transient: bool


class Assumed(msgspec.Struct, frozen=True):
    """An unconfirmed fact about the provider that the verdict rests on."""

    name: str
    fact: str
    open: str
    contradicted: bool


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
    roles: dict[str, Role]
    requests: list[Request]
    assumptions: list[Assumed]


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


def entry(secret: str, verdict: Verdict) -> Entry:
    """Return one verdict with the requests it rests on.

    Args:
        secret: the namespace and name of the Secret, or where its manifest is.
    """
    judged = verdict.judged
    facts, asked = judged.facts, judged.asked
    kind = judged.host.kind if judged.host is not None else None
    evidence = asked.answer.evidence if asked is not None else ()
    return Entry(
        secret,
        judged.entry.field,
        judged.host_name,
        str(kind or ""),
        facts.account or "",
        facts.described if asked is not None else "",
        list(facts.holds),
        "denied" if verdict.denied else "allowed",
        verdict.cause.message if verdict.cause is not None else "",
        [warning.removeprefix(f"{judged.entry.field}: ") for warning in verdict.warnings],
        {
            str(role): Role(
                str(finding.outcome), _needs(asked, str(role)), list(finding.lacks), finding.reason, finding.transient
            )
            for role, finding in judged.findings.items()
        },
        [_request(kind, one) for one in evidence],
        _assumed(kind, evidence) if kind is not None else [],
    )


def _needs(asked: Asked | None, role: str) -> list[str]:
    """Return what the role needs, in the words of the configuration."""
    if asked is None:
        return []
    needed = next((one for name, one in asked.question.requirements.items() if str(name) == role), None)
    if needed is None:
        return []
    return [*needed.scopes, *(f"{name}: {level}" for name, level in needed.permissions), *needed.granular]


def _request(kind: Kind | None, one: Exchange) -> Request:
    shows = tells(kind, one) if kind is not None else ""
    return Request(one.method, one.path, shows, one.status, dict(one.headers), one.moved, one.failure, one.transient)


def _assumed(kind: Kind, evidence: tuple[Exchange, ...]) -> list[Assumed]:
    contradicted = assumptions.contradicted(kind, evidence)
    rests = dict.fromkeys((*assumptions.rests_on(kind, evidence), *contradicted))
    return [Assumed(one.name, one.fact, one.open, one in contradicted) for one in rests]
