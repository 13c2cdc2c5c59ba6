"""The evidence of a verdict, as data for reports and transcripts.

It contains no token, and of accounts only their names.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from webhook.providers import assumptions
from webhook.providers.findings import Answer, Exchange, Finding, Proof
from webhook.providers.hosts import Kind
from webhook.providers.purposes import tells
from webhook.providers.requirements import Role


class Source(msgspec.Struct, frozen=True):
    """The part of a response that counted: its status, a header or a field of the body.

    `request` is the number of the request. `part` is `status`, the name of a header in lower case, or the name of a
    field. `value` is null where it cannot be shown.
    """

    request: int
    part: str
    value: str | None


class Requirement(msgspec.Struct, frozen=True):
    """One requirement of a role, and what the responses prove about it.

    `conclusion` is `proven`, `missing`, `blocked` (a policy or an account's state is in the way) or `open` (no response
    shows it). `why` is a clause that stands after the host's name; it may be empty.
    """

    requirement: str
    conclusion: str
    sources: list[Source]
    why: str


class RoleEvidence(msgspec.Struct, frozen=True):
    """The finding for one role, with its requirements."""

    outcome: str
    lacks: list[str]
    reason: str
    transient: bool
    requirements: list[Requirement]


class Request(msgspec.Struct, frozen=True):
    """One request and its response.

    `tells` says what the request was sent for. `status` is null where there was no response; then `failure` says why.
    """

    number: int
    method: str
    path: str
    tells: str
    status: int | None
    headers: dict[str, str]
    moved: str
    failure: str
    transient: bool


class Assumption(msgspec.Struct, frozen=True):
    """An unconfirmed fact about the provider that the verdict rests on."""

    name: str
    fact: str
    open: str
    contradicted: bool


class Evidence(msgspec.Struct, frozen=True):
    """What a verdict on one token rests on."""

    roles: dict[str, RoleEvidence]
    requests: list[Request]
    assumptions: list[Assumption]


def evidence_of(findings: Mapping[Role, Finding], kind: Kind | None, answer: Answer | None) -> Evidence:
    """Return the evidence of findings.

    Args:
        kind: of the token's host; None where it has none.
        answer: the provider's answer; None where it was not asked.
    """
    exchanges = answer.evidence if answer is not None else ()
    return Evidence(
        {str(role): _role(finding, exchanges) for role, finding in findings.items()},
        [_request(kind, number, one) for number, one in enumerate(exchanges, 1)],
        [] if kind is None else _assumptions(kind, exchanges),
    )


def _role(finding: Finding, exchanges: tuple[Exchange, ...]) -> RoleEvidence:
    return RoleEvidence(
        str(finding.outcome),
        list(finding.lacks),
        finding.reason,
        finding.transient,
        [_requirement(proof, exchanges) for proof in finding.proofs],
    )


def _requirement(proof: Proof, exchanges: tuple[Exchange, ...]) -> Requirement:
    sources = [
        Source(one.request + 1, one.part, exchanges[one.request].part(one.part))
        for one in proof.sources
        if one.request < len(exchanges)
    ]
    return Requirement(proof.requirement, str(proof.conclusion), sources, proof.why)


def _request(kind: Kind | None, number: int, one: Exchange) -> Request:
    purpose = tells(kind, one) if kind is not None else ""
    return Request(
        number, one.method, one.path, purpose, one.status, dict(one.headers), one.moved, one.failure, one.transient
    )


def _assumptions(kind: Kind, exchanges: tuple[Exchange, ...]) -> list[Assumption]:
    contradicted = assumptions.contradicted(kind, exchanges)
    rests = dict.fromkeys((*assumptions.rests_on(kind, exchanges), *contradicted))
    return [Assumption(one.name, one.fact, one.open, one in contradicted) for one in rests]
