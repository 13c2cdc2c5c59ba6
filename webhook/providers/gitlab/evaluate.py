"""Combine all responses into one answer: a finding for each role, the facts and the remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.evidence import source, sources_in
from webhook.providers.findings import (
    Answer,
    Conclusion,
    Facts,
    Finding,
    Outcome,
    Proof,
    Question,
    TokenCredential,
    same_for_all,
)
from webhook.providers.gitlab import granular, links, oauth, pre_15_5, replies, site, token, unsupported_tokens
from webhook.providers.gitlab.access import PlaceAccess, Project
from webhook.providers.gitlab.owner import AccountKind, Owner
from webhook.providers.gitlab.requests import Rejected, Responses, TokenKind
from webhook.providers.gitlab.token import Grant
from webhook.providers.requirements import Requirement, Role
from webhook.text import join

_TOO_NARROW = Finding(
    Outcome.INSUFFICIENT,
    reason=(
        "says that this is a project access token, which reaches only one project; a runtime token must reach every "
        "project that the platform works with"
    ),
)
_WORST_FIRST = (Outcome.INSUFFICIENT, Outcome.BLOCKED, Outcome.UNVERIFIED)
"""The outcomes of the access to a place; the first one that occurs is the finding."""


def evaluate(
    question: Question, responses: Responses | Rejected, repositories: list[PlaceAccess], now: datetime, *, secret: str
) -> Answer:
    """Return the answer.

    Raises:
        ProviderUnavailable: the responses say nothing about the token.
    """
    if isinstance(responses, Rejected):
        return _refused(question, responses, secret=secret)
    grant = _grant(question, responses, now, secret=secret)
    if isinstance(grant, replies.Rejected):
        return _refused(question, Rejected(grant, responses.owner.kind, sources_in(responses.more)), secret=secret)
    findings = dict(grant.findings)
    if Role.RUNTIME in findings:
        findings[Role.RUNTIME] = _of_runtime(findings[Role.RUNTIME], responses)
    places = {role: _places(question, role, responses, repositories, secret=secret) for role in findings}
    proofs = {
        role: (
            *grant.findings[role].proofs,
            *(_proofs_of_owner(findings[role], responses) if role is Role.RUNTIME else ()),
            *(one.proof(problem) for one, problem in places[role]),
        )
        for role in findings
    }
    failed: list[PlaceAccess] = []
    for role, finding in findings.items():
        if finding.outcome is Outcome.SUFFICIENT:
            problems = [(one, problem) for one, problem in places[role] if problem is not None]
            combined = _combined(problems)
            findings[role] = combined or _apart(question, role, responses, secret=secret) or finding
            failed += [one for one, problem in problems if problem.outcome is not Outcome.UNVERIFIED]
    findings = {role: replace(finding, proofs=proofs[role]) for role, finding in findings.items()}
    facts = _warned(question, responses, grant.facts, repositories, findings)
    remedy = _remedy(question, responses, findings, failed)
    return Answer(findings, facts, remedy, complete=not any(one.late for one in repositories))


def _refused(question: Question, refused: Rejected, *, secret: str) -> Answer:
    username = question.credential.username if isinstance(question.credential, TokenCredential) else None
    if refused.why.unknown and (shape := unsupported_tokens.unknown(secret, username)) is not None:
        return same_for_all(
            question, shape.finding, shape.facts, remedy=_new_token(question, None), sources=refused.sources
        )
    facts = Facts(refused.owned_by.token_type, refused.owned_by.described)
    remedy = refused.why.remedy or _new_token(question, None)
    return same_for_all(question, refused.why.finding, facts, remedy=remedy, sources=refused.sources)


# The token.


def _grant(question: Question, responses: Responses, now: datetime, *, secret: str) -> Grant | replies.Rejected:
    if isinstance(responses.more, pre_15_5.Responses):
        if responses.more.oauth is not None and responses.more.oauth.status == 200:
            return oauth.grant(question, responses.more.oauth, responses.owner, now, secret=secret)
        user = responses.user if isinstance(responses.user, Reply) else None
        return pre_15_5.grant(question, responses.more, user, responses.owner)
    if responses.kind is TokenKind.OAUTH and responses.more is not None:
        return oauth.grant(question, responses.more, responses.owner, now, secret=secret)
    if responses.kind is TokenKind.CLASSIC and responses.itself is not None:
        return token.grant(question, responses.itself, responses.owner)
    return _fine_grained(question, responses, secret=secret)


def _fine_grained(question: Question, responses: Responses, *, secret: str) -> Grant:
    lines = _lines(responses, secret=secret)
    shown = responses.more if isinstance(responses.more, Reply) else None
    own = [replace(one, part="granular_scopes") for one in (responses.itself.sources if responses.itself else ())]
    sources = source(shown, "granular_scopes") or tuple(own) or responses.sources
    facts = Facts(
        "fine-grained",
        "fine-grained token",
        responses.owner.username,
        granular.names_of(lines or ()),
        expires_at=responses.itself.expires_at if responses.itself is not None else None,
        expiry_sources=responses.itself.expiry_sources if responses.itself is not None else (),
    )
    if lines is None:
        reason = (
            "does not let this token read its own permissions: a fine-grained token needs the user permission "
            "Personal Access Token: Read for that"
        )
        proof = Proof("granular permissions", Conclusion.OPEN, sources, reason)
        finding = Finding(Outcome.UNVERIFIED, reason=reason, proofs=(proof,))
        return Grant(facts, token.judged(question, lambda _: finding))
    return Grant(facts, token.judged(question, lambda needed: granular.judge(needed, lines, sources)))


def _lines(responses: Responses, *, secret: str) -> tuple[granular.Line, ...] | None:
    if responses.itself is not None and responses.itself.lines is not None:
        return responses.itself.lines
    if not isinstance(responses.more, Reply) or responses.more.status != 200:
        return None
    return granular.read(replies.mapping(responses.more).get("granular_scopes"), secret=secret)


def _of_runtime(finding: Finding, responses: Responses) -> Finding:
    """Return the finding on a runtime token: it must not be a project's, so its owner must be known."""
    if responses.owner.kind is AccountKind.PROJECT:
        return _TOO_NARROW
    if finding.outcome is not Outcome.SUFFICIENT:
        return finding
    if isinstance(responses.user, ProviderUnavailable):
        reason = f"{responses.user} when asked whose token this is"
        return Finding(
            Outcome.UNVERIFIED, reason=reason, transient=responses.user.transient, remedy=responses.user.remedy
        )
    if responses.user is None or responses.owner != Owner() or _may_not_ask(responses.user):
        return finding
    if responses.user.status == 200:
        return Finding(Outcome.UNVERIFIED, reason="did not say whose token this is; it may be a project access token")
    try:
        refused = replies.refusal(responses.user, responses.owner.kind.described)
    except ProviderUnavailable as silence:
        return Finding(Outcome.UNVERIFIED, reason=str(silence), transient=silence.transient, remedy=silence.remedy)
    if refused is not None and refused.finding.outcome is Outcome.BLOCKED:
        return refused.finding
    reason = f"answers {responses.user.status} when asked whose token this is, which says nothing about it"
    return Finding(Outcome.UNVERIFIED, reason=reason)


def _proofs_of_owner(finding: Finding, responses: Responses) -> tuple[Proof, ...]:
    """Return what the responses prove about the requirement that a runtime token is no project's."""
    name, sources = "no project access token", source(responses.user, "username")
    if responses.owner.kind is AccountKind.PROJECT:
        return (Proof(name, Conclusion.MISSING, sources),)
    if responses.owner != Owner():
        return (Proof(name, Conclusion.PROVEN, sources),)
    return (Proof(name, Conclusion.OPEN, source(responses.user), finding.reason),)


def _may_not_ask(reply: Reply) -> bool:
    return replies.lacks_scope(reply) or replies.lacks_granular(reply)


# The places that it needs access to.


def _places(
    question: Question, role: Role, responses: Responses, repositories: list[PlaceAccess], *, secret: str
) -> list[tuple[PlaceAccess, Finding | None]]:
    places = [responses.place] if responses.place is not None else []
    if role is Role.RUNTIME:
        places += repositories
    fine_grained = responses.fine_grained
    lines = (_lines(responses, secret=secret) or ()) if fine_grained else None
    needed = question.requirements[role]
    return [(one, _problem(one, responses.owner, needed, lines)) for one in places]


def _problem(
    reached: PlaceAccess, owned_by: Owner, needed: Requirement, lines: tuple[granular.Line, ...] | None
) -> Finding | None:
    """Return why the token has no access to a place: the user's role there, or the token's own permissions."""
    problem = reached.problem(owned_by, fine_grained=lines is not None)
    if problem is not None or lines is None or reached.late or reached.not_permitted:
        return problem
    names = granular.for_access(needed.granular, reads_only=reached.reads_only)
    return granular.missing_at(names, lines, reached.place)


def _apart(question: Question, role: Role, responses: Responses, *, secret: str) -> Finding | None:
    """Return why a fine-grained token may have its permissions for different places, if its URL names none."""
    if not responses.fine_grained or responses.place is not None:
        return None
    return granular.missing_together(question.requirements[role].granular, _lines(responses, secret=secret) or ())


def _combined(problems: Sequence[tuple[PlaceAccess, Finding]]) -> Finding | None:
    """Return one finding for all places without access, with one clause for each reason."""
    paths: dict[str, dict[str, None]] = {}
    for place, problem in problems:
        if problem.reason:
            paths.setdefault(problem.reason, {})[place.path] = None
    reasons = [reason.replace("{}", join(named)) for reason, named in paths.items()]
    for outcome in _WORST_FIRST:
        if any(problem.outcome is outcome for _, problem in problems):
            transient = all(problem.transient for _, problem in problems)
            remedies = [problem.remedy for _, problem in problems if outcome is Outcome.UNVERIFIED and problem.remedy]
            remedy = remedies[0] if remedies else ""
            return Finding(outcome, reason=", and ".join(reasons), transient=transient, remedy=remedy)
    return None


# Warnings and remedies.


def _warned(
    question: Question,
    responses: Responses,
    facts: Facts,
    repositories: list[PlaceAccess],
    findings: Mapping[Role, Finding],
) -> Facts:
    host = question.host.name
    runtime = question.requirements.get(Role.RUNTIME)
    warnings = list(facts.warnings)
    good = Role.RUNTIME in findings and findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    if good and responses.owner.kind is AccountKind.PERSON:
        warnings.append(
            f"This token belongs to {responses.owner.username or 'a person'} and ends with that account on {host}; "
            "use a group access token or a service account token for a runtime."
        )
    if good and isinstance(responses.user, Reply) and _may_not_ask(responses.user):
        warnings.append(f"{host} does not let this token read its own account, so it may be a project access token.")
    manages = runtime is not None and "api" in runtime.scopes
    if responses.place is not None:
        warnings += responses.place.warnings(host, responses.owner, manages_webhooks=manages)
    for one in repositories:
        warnings += one.warnings(host, responses.owner, manages_webhooks=False)
    return replace(facts, warnings=tuple(dict.fromkeys(warnings)))


def _remedy(
    question: Question, responses: Responses, findings: Mapping[Role, Finding], failed: list[PlaceAccess]
) -> str:
    """Return what to do: change a role or a policy for the places without access, or create a better token."""
    bad = [finding for finding in findings.values() if finding.outcome is not Outcome.SUFFICIENT]
    low = [one for one in failed if one.enough is False]
    policies = [one.remedy for one in failed if one.remedy]
    if not (low or policies) or any(finding.lacks or finding == _TOO_NARROW for finding in bad):
        return _new_token(question, responses)
    if not low:
        return policies[0]
    first = low[0]
    who = responses.owner.username or "its account"
    where = links.members(question, first.current, of_group=first.is_group)
    others = " and in the others" if len(low) > 1 else ""
    return f"Give {who} at least the role {first.role} there{others}: {where}"


def _new_token(question: Question, responses: Responses | None) -> str:
    """Return where to create a better token: a fine-grained one if only that helps, or one of the URL's group."""
    if responses is not None and (responses.fine_grained or (responses.place is not None and responses.place.granular)):
        return links.new_fine_grained(question)
    path = site.named(question.path, question.host)
    reached = responses.place if responses is not None else None
    own = (
        responses is not None
        and responses.owner.username is not None
        and path.partition("/")[0] == responses.owner.username
    )
    if own or (reached is not None and isinstance(reached.place, Project) and reached.place.personal):
        return links.new_token(question)
    in_group = "/" in path and not (reached is not None and reached.is_group)
    return links.new_token(question, path.rpartition("/")[0] if in_group else path)
