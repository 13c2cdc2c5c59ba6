"""What everything that GitLab said adds up to: one finding a role, the facts, and what to do. Pure."""

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
from webhook.providers.gitlab.access import Project, Reached
from webhook.providers.gitlab.owner import Owner, Sort
from webhook.providers.gitlab.requests import Heard, Refused, Way
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
"""What a place can be refused for; the first of them that is found is the finding."""


def reach(
    question: Question, heard: Heard | Refused, repositories: list[Reached], now: datetime, *, secret: str
) -> Answer:
    """The answer.

    Raises:
        ProviderUnavailable: nothing was learnt of the token after all.
    """
    if isinstance(heard, Refused):
        return _refused(question, heard, secret=secret)
    grant = _grant(question, heard, now, secret=secret)
    if isinstance(grant, replies.Refused):
        return _refused(question, Refused(grant, heard.owner.sort, sources_in(heard.more)), secret=secret)
    findings = dict(grant.findings)
    if Role.RUNTIME in findings:
        findings[Role.RUNTIME] = _of_runtime(findings[Role.RUNTIME], heard)
    places = {role: _places(question, role, heard, repositories, secret=secret) for role in findings}
    proofs = {
        role: (
            *grant.findings[role].proofs,
            *(_proofs_of_owner(findings[role], heard) if role is Role.RUNTIME else ()),
            *(one.proof(problem) for one, problem in places[role]),
        )
        for role in findings
    }
    failed: list[Reached] = []
    for role, finding in findings.items():
        if finding.outcome is Outcome.SUFFICIENT:
            problems = [(one, problem) for one, problem in places[role] if problem is not None]
            combined = _combined(problems)
            findings[role] = combined or _apart(question, role, heard, secret=secret) or finding
            failed += [one for one, problem in problems if problem.outcome is not Outcome.UNVERIFIED]
    findings = {role: replace(finding, proofs=proofs[role]) for role, finding in findings.items()}
    facts = _warned(question, heard, grant.facts, repositories, findings)
    remedy = _remedy(question, heard, findings, failed)
    return Answer(findings, facts, remedy, complete=not any(one.late for one in repositories))


def _refused(question: Question, refused: Refused, *, secret: str) -> Answer:
    username = question.credential.username if isinstance(question.credential, TokenCredential) else None
    if refused.why.unknown and (shape := unsupported_tokens.unknown(secret, username)) is not None:
        return same_for_all(
            question, shape.finding, shape.facts, remedy=_new_token(question, None), sources=refused.sources
        )
    facts = Facts(refused.whose.token_type, refused.whose.described)
    remedy = refused.why.remedy or _new_token(question, None)
    return same_for_all(question, refused.why.finding, facts, remedy=remedy, sources=refused.sources)


# The token.


def _grant(question: Question, heard: Heard, now: datetime, *, secret: str) -> Grant | replies.Refused:
    if isinstance(heard.more, pre_15_5.Heard):
        if heard.more.oauth is not None and heard.more.oauth.status == 200:
            return oauth.grant(question, heard.more.oauth, heard.owner, now, secret=secret)
        user = heard.user if isinstance(heard.user, Reply) else None
        return pre_15_5.grant(question, heard.more, user, heard.owner)
    if heard.way is Way.OAUTH and heard.more is not None:
        return oauth.grant(question, heard.more, heard.owner, now, secret=secret)
    if heard.way is Way.CLASSIC and heard.itself is not None:
        return token.grant(question, heard.itself, heard.owner)
    return _fine_grained(question, heard, secret=secret)


def _fine_grained(question: Question, heard: Heard, *, secret: str) -> Grant:
    lines = _lines(heard, secret=secret)
    shown = heard.more if isinstance(heard.more, Reply) else None
    own = [replace(one, part="granular_scopes") for one in (heard.itself.sources if heard.itself else ())]
    sources = source(shown, "granular_scopes") or tuple(own) or heard.sources
    facts = Facts(
        "fine-grained",
        "fine-grained token",
        heard.owner.username,
        granular.names_of(lines or ()),
        expires_at=heard.itself.expires_at if heard.itself is not None else None,
        expiry_sources=heard.itself.expiry_sources if heard.itself is not None else (),
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


def _lines(heard: Heard, *, secret: str) -> tuple[granular.Line, ...] | None:
    if heard.itself is not None and heard.itself.lines is not None:
        return heard.itself.lines
    if not isinstance(heard.more, Reply) or heard.more.status != 200:
        return None
    return granular.read(replies.mapping(heard.more).get("granular_scopes"), secret=secret)


def _of_runtime(finding: Finding, heard: Heard) -> Finding:
    """A runtime's token must not be a project's, and whose it is must be known."""
    if heard.owner.sort is Sort.PROJECT:
        return _TOO_NARROW
    if finding.outcome is not Outcome.SUFFICIENT:
        return finding
    if isinstance(heard.user, ProviderUnavailable):
        reason = f"{heard.user} when asked whose token this is"
        return Finding(Outcome.UNVERIFIED, reason=reason, transient=heard.user.transient, remedy=heard.user.remedy)
    if heard.user is None or heard.owner != Owner() or _may_not_ask(heard.user):
        return finding
    if heard.user.status == 200:
        return Finding(Outcome.UNVERIFIED, reason="did not say whose token this is; it may be a project access token")
    try:
        refused = replies.refusal(heard.user, heard.owner.sort.described)
    except ProviderUnavailable as silence:
        return Finding(Outcome.UNVERIFIED, reason=str(silence), transient=silence.transient, remedy=silence.remedy)
    if refused is not None and refused.finding.outcome is Outcome.BLOCKED:
        return refused.finding
    reason = f"answers {heard.user.status} when asked whose token this is, which says nothing about it"
    return Finding(Outcome.UNVERIFIED, reason=reason)


def _proofs_of_owner(finding: Finding, heard: Heard) -> tuple[Proof, ...]:
    """Return what the responses prove about the requirement that a runtime token is no project's."""
    name, sources = "no project access token", source(heard.user, "username")
    if heard.owner.sort is Sort.PROJECT:
        return (Proof(name, Conclusion.MISSING, sources),)
    if heard.owner != Owner():
        return (Proof(name, Conclusion.PROVEN, sources),)
    return (Proof(name, Conclusion.OPEN, source(heard.user), finding.reason),)


def _may_not_ask(reply: Reply) -> bool:
    return replies.lacks_scope(reply) or replies.lacks_granular(reply)


# The places that it must reach.


def _places(
    question: Question, role: Role, heard: Heard, repositories: list[Reached], *, secret: str
) -> list[tuple[Reached, Finding | None]]:
    places = [heard.place] if heard.place is not None else []
    if role is Role.RUNTIME:
        places += repositories
    fine_grained = heard.fine_grained
    lines = (_lines(heard, secret=secret) or ()) if fine_grained else None
    needed = question.requirements[role]
    return [(one, _problem(one, heard.owner, needed, lines)) for one in places]


def _problem(
    reached: Reached, whose: Owner, needed: Requirement, lines: tuple[granular.Line, ...] | None
) -> Finding | None:
    """Why one place isn't reached: by the user's role there, or, if it has one, by the token's own permissions."""
    problem = reached.problem(whose, fine_grained=lines is not None)
    if problem is not None or lines is None or reached.late or reached.unasked:
        return problem
    names = granular.for_access(needed.granular, reads_only=reached.reads_only)
    return granular.elsewhere(names, lines, reached.place)


def _apart(question: Question, role: Role, heard: Heard, *, secret: str) -> Finding | None:
    """Why a fine-grained token may do nowhere all that it has to, where its URL names no place."""
    if not heard.fine_grained or heard.place is not None:
        return None
    return granular.apart(question.requirements[role].granular, _lines(heard, secret=secret) or ())


def _combined(problems: Sequence[tuple[Reached, Finding]]) -> Finding | None:
    """All places that aren't reached, in one clause for each reason."""
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


# What else people are told.


def _warned(
    question: Question, heard: Heard, facts: Facts, repositories: list[Reached], findings: Mapping[Role, Finding]
) -> Facts:
    host = question.host.name
    runtime = question.requirements.get(Role.RUNTIME)
    warnings = list(facts.warnings)
    good = Role.RUNTIME in findings and findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    if good and heard.owner.sort is Sort.PERSON:
        warnings.append(
            f"This token belongs to {heard.owner.username or 'a person'} and ends with that account on {host}; "
            "use a group access token or a service account token for a runtime."
        )
    if good and isinstance(heard.user, Reply) and _may_not_ask(heard.user):
        warnings.append(f"{host} does not let this token read its own account, so it may be a project access token.")
    manages = runtime is not None and "api" in runtime.scopes
    if heard.place is not None:
        warnings += heard.place.warnings(host, heard.owner, manages_webhooks=manages)
    for one in repositories:
        warnings += one.warnings(host, heard.owner, manages_webhooks=False)
    return replace(facts, warnings=tuple(dict.fromkeys(warnings)))


def _remedy(question: Question, heard: Heard, findings: Mapping[Role, Finding], failed: list[Reached]) -> str:
    """What to do: a better role or policy for the places that the token is kept out of, else a better token."""
    bad = [finding for finding in findings.values() if finding.outcome is not Outcome.SUFFICIENT]
    low = [one for one in failed if one.enough is False]
    policies = [one.remedy for one in failed if one.remedy]
    if not (low or policies) or any(finding.lacks or finding == _TOO_NARROW for finding in bad):
        return _new_token(question, heard)
    if not low:
        return policies[0]
    first = low[0]
    who = heard.owner.username or "its account"
    where = links.members(question, first.current, of_group=first.is_group)
    others = " and in the others" if len(low) > 1 else ""
    return f"Give {who} at least the role {first.role} there{others}: {where}"


def _new_token(question: Question, heard: Heard | None) -> str:
    """Where a better one is made: a fine-grained one where only that helps; for a runtime, one of the URL's group."""
    if heard is not None and (heard.fine_grained or (heard.place is not None and heard.place.granular)):
        return links.new_fine_grained(question)
    path = site.named(question.path, question.host)
    reached = heard.place if heard is not None else None
    own = heard is not None and heard.owner.username is not None and path.partition("/")[0] == heard.owner.username
    if own or (reached is not None and isinstance(reached.place, Project) and reached.place.personal):
        return links.new_token(question)
    in_group = "/" in path and not (reached is not None and reached.is_group)
    return links.new_token(question, path.rpartition("/")[0] if in_group else path)
