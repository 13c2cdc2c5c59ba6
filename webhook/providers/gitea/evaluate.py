"""Combine all responses into one answer: a finding for each role, the facts and the remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from webhook.providers.base import ProviderUnavailable, Reply, is_transient
from webhook.providers.evidence import proof_of, source, sources_in
from webhook.providers.findings import Answer, Facts, Finding, Outcome, Question, RepositoryNeed, same_for_all
from webhook.providers.gitea import links, replies, repositories, scopes
from webhook.providers.gitea.profile import DESCRIBED
from webhook.providers.gitea.repositories import Reader
from webhook.providers.gitea.requests import Responses, repository, scopes_in_question
from webhook.providers.repositories import Access, merge, unverified_access, with_proofs
from webhook.providers.requirements import Level, Requirement, Role, union


def evaluate(question: Question, responses: Responses, secret: str) -> Answer:
    """Return the answer.

    Raises:
        ProviderUnavailable: the responses say nothing about the token.
    """
    rejected = _rejection(question, responses)
    if rejected is not None:
        finding, remedy = rejected
        shown = sources_in(responses.about_token)
        return same_for_all(question, finding, Facts("personal", DESCRIBED), remedy=remedy, sources=shown)
    listed = scopes.listed(responses, secret=secret)
    known = {scope: scopes.has(scope, responses, listed) for scope in scopes_in_question(question)}
    holds = listed if listed is not None else scopes.proven(known, responses)
    account = scopes.account(responses, secret=secret)
    reader = Reader(question.host, account, scopes.may_be_restricted(responses, known), secret)
    fates: list[tuple[RepositoryNeed, Access]] = []
    for need, response in responses.others:
        writes = True if need.access is Level.READ else known["write:repository"]
        fates.append((need, repositories.access_to(reader, need, response, writes)))
    findings = {
        role: _by_scopes(role, needed, known, reader, responses, fates)
        for role, needed in question.requirements.items()
    }
    facts = replace(Facts("personal", DESCRIBED), account=account, holds=holds)
    answer = Answer(findings, facts, _new_token(question, reader))
    known_scopes = {**known, scopes.ACCOUNT: _NOT_HELD} if reader.restricted else known
    proofs = {role: scopes.proofs(needed, known_scopes, responses) for role, needed in question.requirements.items()}
    answer = with_proofs(answer, proofs)
    answer = _at_named(question, answer, reader, responses)
    answer = merge(answer, question, fates, {need: sources_in(one) for need, one in responses.others})
    return _warned(question, answer, reader, responses)


_NOT_HELD = "does not let a token that is restricted to repositories have this scope, so the check left it out"


def _rejection(question: Question, responses: Responses) -> tuple[Finding, str] | None:
    """Return why the token cannot be used at all, and the remedy; None if it was accepted.

    Raises:
        ProviderUnavailable: the responses say nothing about the token.
    """
    answered = [response for response in responses.about_token if isinstance(response, Reply)]
    if not answered:
        raise next(response for response in responses.about_token if isinstance(response, ProviderUnavailable))
    if all(reply.status == 404 and not replies.is_giteas(reply) for reply in answered):
        raise ProviderUnavailable(
            "answers 404 where its API should be: apiUrl may lack the path that it is installed at"
        )
    # A rule may block the repository alone.
    everywhere = [response for response in (*responses.probes.values(), responses.version) if replies.policy(response)]
    for known in map(replies.policy, everywhere):
        if known is not None:
            return Finding(Outcome.BLOCKED, reason=f"accepts this {DESCRIBED}, but {known.reason}"), known.remedy
    messages = [replies.message(reply) for reply in answered]
    if not replies.NO_CREDENTIALS.isdisjoint(messages):
        raise ProviderUnavailable("saw no credentials; a proxy in between may have removed them")
    if all(reply.status != 401 for reply in answered):
        return None
    if any(reply.status == 200 or replies.missing(reply) or scopes.passed(reply) for reply in answered):
        raise ProviderUnavailable("rejects this token at one endpoint and accepts it at another")
    # Invalid credentials are rejected even where none are needed, so this is about them and nothing else.
    version = responses.version
    openly = isinstance(version, Reply) and version.status == 401 and replies.is_giteas(version)
    if openly or any(text.startswith(replies.WRONG) for text in messages):
        reason = f"rejects this {DESCRIBED}: it is wrong or was deleted"
        return Finding(Outcome.INVALID, reason=reason), _new_token(question, None)
    raise ProviderUnavailable("answers 401 without saying why; a proxy may be the cause")


def _by_scopes(
    role: Role,
    needed: Requirement,
    known: Mapping[str, bool | str],
    reader: Reader,
    responses: Responses,
    fates: Sequence[tuple[RepositoryNeed, Access]],
) -> Finding:
    """Return the finding on the scopes for a role. A restricted token is checked by the repositories it reaches."""
    transient = is_transient(*responses.probes.values(), responses.version)
    if not reader.restricted or repositories.access_of(needed) is None:
        return scopes.judge(needed, known, transient=transient)
    finding = scopes.judge(needed, {**known, scopes.ACCOUNT: True}, transient=transient)
    reached = role is Role.RUNTIME and any(need.certain and fate is None for need, fate in fates)
    if finding.outcome is not Outcome.SUFFICIENT or responses.named is not None or reached:
        return finding
    reason = (
        f"says that this {DESCRIBED} lacks {scopes.ACCOUNT}, as a token that is restricted to repositories does, and "
        "its URL names no repository to check"
    )
    remedy = f"Store it with the URL of a repository, or make one that has {scopes.ACCOUNT}."
    return Finding(Outcome.UNVERIFIED, reason=reason, remedy=remedy)


def _at_named(question: Question, answer: Answer, reader: Reader, responses: Responses) -> Answer:
    """Return the answer with the URL's repository, for each role whose scopes are sufficient."""
    name = repository(question.path, question.host)
    if name is None or responses.named is None:
        return answer
    findings, remedy = dict(answer.findings), answer.remedy
    for role, needed in question.requirements.items():
        access = repositories.access_of(needed)
        if access is None:
            continue
        problem = repositories.problem_at(reader, name, access, responses.named)
        if isinstance(problem, ProviderUnavailable):
            problem = unverified_access(problem)
        proof = proof_of(f"{name}: {access}", problem, source(responses.named, "status", "permissions"))
        proofs = (*findings[role].proofs, proof)
        findings[role] = replace(findings[role], proofs=proofs)
        if problem is not None and findings[role].outcome is Outcome.SUFFICIENT:
            reason, unverified = problem.reason.replace("{}", name), problem.outcome is Outcome.UNVERIFIED
            own = problem.remedy if unverified else ""
            findings[role] = Finding(
                problem.outcome, reason=reason, transient=problem.transient, remedy=own, proofs=proofs
            )
            remedy = problem.remedy or remedy
    if any(finding.lacks for finding in findings.values()):  # which a better token fixes
        remedy = answer.remedy
    return replace(answer, findings=findings, remedy=remedy)


def _warned(question: Question, answer: Answer, reader: Reader, responses: Responses) -> Answer:
    """Return the answer with warnings about conditions that do not deny the token."""
    host = question.host
    found: list[str] = []
    if reader.restricted and any(finding.outcome is Outcome.SUFFICIENT for finding in answer.findings.values()):
        found.append(
            f"{host.name} does not say which account this token belongs to: it has no {scopes.ACCOUNT}, which a token "
            "that is restricted to repositories cannot have."
        )
    name = repository(question.path, host)
    if name is not None:
        runtime = repositories.access_of(question.requirements.get(Role.RUNTIME, Requirement()))
        manages = runtime is Level.WRITE
        found += repositories.warnings(reader, name, responses.named, pushes=True, manages_webhooks=manages)
    for need, response in responses.others:
        other = repository(need.path, host)
        if other is not None:
            pushes = need.access is not Level.READ
            found += repositories.warnings(reader, other, response, pushes=pushes, manages_webhooks=False)
    if scopes.is_public_only(responses, answer.facts.holds):
        found.append(f"This {DESCRIBED} is public-only: it reaches no private repository.")
    warnings = tuple(dict.fromkeys((*answer.facts.warnings, *found)))
    return replace(answer, facts=replace(answer.facts, warnings=warnings))


def _new_token(question: Question, reader: Reader | None) -> str:
    needed = union(question.requirements.values()).scopes
    if reader is not None and reader.restricted:
        needed = tuple(scope for scope in needed if scope != scopes.ACCOUNT) or needed
    return links.new_token(question.host, *needed)
