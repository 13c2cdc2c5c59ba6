"""The repositories that a runtime token needs access to, besides the one that its Secret's URL names.

Each provider evaluates its responses for each repository. This module combines the results into one finding, which
names every repository without access, grouped by reason.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from webhook.providers.base import Api, DeadlineExceeded, ProviderUnavailable
from webhook.providers.concurrency import outcomes_until
from webhook.providers.evidence import proof_of
from webhook.providers.findings import Answer, Finding, Outcome, Proof, Question, RepositoryNeed, Source
from webhook.providers.requirements import Role
from webhook.text import join

_T = TypeVar("_T")
# A proven lack outweighs what is not known.
_WORST_FIRST = (Outcome.BLOCKED, Outcome.INSUFFICIENT, Outcome.UNVERIFIED)


@dataclass(frozen=True, slots=True)
class NoAccess:
    """Why a token has no access to a repository, or is not known to have it.

    Attributes:
        outcome: blocked, insufficient or unverified.
        reason: a clause that follows the host's name, in which ``{}`` stands for one or several repositories.
        remedy: a whole sentence that says what to do; empty if nothing is known to help.
        unseen: the provider does not show the repository (404).
        transient: if unverified, waiting can help.
    """

    outcome: Outcome
    reason: str
    remedy: str = ""
    unseen: bool = False
    transient: bool = False


Access = NoAccess | ProviderUnavailable | None
"""Why the token has no access to a repository, why there is no response, or None if it has access."""


async def probe(
    question: Question, api: Api, ask: Callable[[RepositoryNeed], Coroutine[Any, Any, _T]]
) -> list[tuple[RepositoryNeed, _T | ProviderUnavailable]]:
    """Request all repositories of the question at once, until the caller needs the answer.

    Args:
        ask: sends one round of requests for one repository.
    """
    needs = question.repositories
    results = await outcomes_until(api.needed_by, *(ask(need) for need in needs))
    return list(zip(needs, results, strict=True))


def merge(
    answer: Answer,
    question: Question,
    accesses: Sequence[tuple[RepositoryNeed, Access]],
    sources: Mapping[RepositoryNeed, tuple[Source, ...]] | None = None,
) -> Answer:
    """Return the answer with the access to these repositories in its runtime finding.

    What is wrong with the token itself, apart from any repository, stays as it is: that has to be fixed first. For a
    repository that the token may not be used for there is a warning and no verdict.

    Args:
        sources: the responses about each repository.
    """
    unseen = tuple(need.name for need, access in accesses if isinstance(access, NoAccess) and access.unseen)
    if Role.RUNTIME in answer.findings:
        answer = replace(answer, unseen=unseen)
    certain = [(need, access) for need, access in accesses if need.certain]
    proofs = [access_proof(need, access, (sources or {}).get(need, ())) for need, access in certain]
    answer = with_proofs(_merge(answer, question, certain), {Role.RUNTIME: proofs})
    uncertain = [(need, access) for need, access in accesses if not need.certain]
    return _with_warnings(question, answer, _merge(answer, question, uncertain)) if uncertain else answer


def access_proof(need: RepositoryNeed, access: Access, sources: tuple[Source, ...]) -> Proof:
    """Return the proof for the access to a repository."""
    problem = unverified_access(access) if isinstance(access, ProviderUnavailable) else access
    return proof_of(f"{need.name}: {need.access}", problem, sources)


def with_proofs(answer: Answer, proofs: Mapping[Role, Iterable[Proof]]) -> Answer:
    """Return the answer with these proofs after those of each finding."""
    if answer.findings.keys().isdisjoint(proofs):
        return answer
    findings = {
        role: replace(finding, proofs=tuple(dict.fromkeys((*finding.proofs, *proofs.get(role, ())))))
        for role, finding in answer.findings.items()
    }
    return replace(answer, findings=findings)


def with_uncertain(question: Question, judge: Callable[[Question], Answer]) -> Answer:
    """Return the answer of a provider that combines its findings itself, with warnings about uncertain repositories.

    Args:
        judge: evaluates the replies for some of the question's repositories; pure, and called twice.
    """
    sure = tuple(need for need in question.repositories if need.certain)
    answer = judge(replace(question, repositories=sure))
    return answer if sure == question.repositories else _with_warnings(question, answer, judge(question))


def _with_warnings(question: Question, answer: Answer, uncertain: Answer) -> Answer:
    """Return the answer with warnings about what is worse in another one, which includes uncertain repositories."""
    own, other = answer.findings.get(Role.RUNTIME), uncertain.findings.get(Role.RUNTIME)
    warnings = dict.fromkeys((*answer.facts.warnings, *uncertain.facts.warnings))
    if own is not None and other is not None and own.outcome is Outcome.SUFFICIENT and other != own:
        what = other.reason or f"says that this token also needs {join(other.lacks)} for other repositories"
        warnings[f"{question.host.name} {what}; {_MAYBE_USED}."] = None
    facts = replace(answer.facts, warnings=tuple(warnings))
    return replace(answer, facts=facts, complete=answer.complete and uncertain.complete)


_MAYBE_USED = "Argo CD syncs from there, with this token unless another credential's URL is longer"


def _merge(answer: Answer, question: Question, accesses: Sequence[tuple[RepositoryNeed, Access]]) -> Answer:
    own = answer.findings.get(Role.RUNTIME)
    if own is None:
        return answer
    late = [need.name for need, access in accesses if isinstance(access, DeadlineExceeded)]
    problems = [(need, problem) for need, access in accesses if (problem := _problem(access)) is not None]
    about_itself = own.outcome is not Outcome.SUFFICIENT and (own.lacks or own.outcome not in _WORST_FIRST)
    if problems and not about_itself:
        answer = _with_problems(answer, own, _grouped(problems))
    if late:
        warning = f"There was no time to ask {question.host.name} whether this token reaches {join(late)}."
        facts = replace(answer.facts, warnings=(*answer.facts.warnings, warning))
        answer = replace(answer, facts=facts, complete=False)
    return answer


def _problem(access: Access) -> NoAccess | None:
    if isinstance(access, DeadlineExceeded):
        return None
    return unverified_access(access) if isinstance(access, ProviderUnavailable) else access


def unverified_access(error: ProviderUnavailable) -> NoAccess:
    """Return the access to a repository whose request failed."""
    return NoAccess(Outcome.UNVERIFIED, f"{error} when asked for {{}}", error.remedy, transient=error.transient)


def _grouped(problems: Iterable[tuple[RepositoryNeed, NoAccess]]) -> list[NoAccess]:
    """Return one problem for each reason, which names its repositories, the worst first."""
    names: dict[tuple[Outcome, str], dict[str, None]] = {}
    first: dict[tuple[Outcome, str], NoAccess] = {}
    for need, problem in problems:
        key = (problem.outcome, problem.reason)
        names.setdefault(key, {})[need.name] = None
        first.setdefault(key, problem)
    grouped = [replace(one, reason=one.reason.replace("{}", join(names[key]))) for key, one in first.items()]
    return sorted(grouped, key=lambda one: _WORST_FIRST.index(one.outcome))


def _with_problems(answer: Answer, own: Finding, problems: list[NoAccess]) -> Answer:
    worst, remedy = problems[0].outcome, problems[0].remedy
    transient = all(problem.transient for problem in problems)
    reasons = [problem.reason for problem in problems]
    if own.outcome is not Outcome.SUFFICIENT:
        reasons.insert(0, own.reason)
        transient = transient and own.transient
        if _WORST_FIRST.index(own.outcome) <= _WORST_FIRST.index(worst):
            worst, remedy = own.outcome, answer.remedy
    reason = ", and ".join(dict.fromkeys(reasons))
    needed = remedy if worst is Outcome.UNVERIFIED else ""
    finding = Finding(worst, reason=reason, transient=transient, remedy=needed, proofs=own.proofs)
    findings = {**answer.findings, Role.RUNTIME: finding}
    if any(finding.lacks for finding in findings.values()):  # another role's, which a better token mends
        remedy = answer.remedy
    return replace(answer, findings=findings, remedy=remedy)
