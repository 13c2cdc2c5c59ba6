"""Repositories that a runtime token must also reach: what credentials of all kinds have in common there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from webhook.providers import repositories
from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.evidence import sources_in
from webhook.providers.findings import Answer, Facts, Finding, Outcome, Question, RepositoryNeed
from webhook.providers.github import refusals, repository
from webhook.providers.repositories import Access, NoAccess
from webhook.providers.requirements import Level, Role

_T = TypeVar("_T")
_NO_NAME = NoAccess(Outcome.UNVERIFIED, "cannot be asked about {}, which is not a valid repository name there")


def apart(question: Question) -> tuple[tuple[RepositoryNeed, ...], Question]:
    """What concerns the repository that the URL names, which is asked for anyway, and the question without that."""
    name = (repository.named(question.path) or "").lower()
    # GitHub doesn't tell letter cases apart.
    here = tuple(need for need in question.repositories if name and (repository.named(need.path) or "").lower() == name)
    return here, replace(question, repositories=tuple(need for need in question.repositories if need not in here))


def out_of_sight(question: Question, reply: Reply, facts: Facts, hidden: str, *, secret: str) -> Access:
    """Why the reply to ``GET /repos/…`` shows no repository; None where it does.

    Args:
        hidden: what it may be where it is there all the same.
    """
    try:
        problem = blocked(question, reply, facts, secret=secret)
    except ProviderUnavailable as silence:
        return silence
    if problem is not None:
        return problem
    if repository.is_missing(reply):
        return NoAccess(
            Outcome.UNVERIFIED,
            f"answers 404 for {{}}: either there is no such repository, or it is {hidden}",
            unseen=True,
        )
    if not repository.is_shown(reply):
        return NoAccess(Outcome.UNVERIFIED, repository.unclear(reply))
    return None


def blocked(question: Question, reply: Reply, facts: Facts, *, secret: str) -> NoAccess | None:
    """What other than a want of permission keeps the token from there, as GitHub tells it.

    Raises:
        ProviderUnavailable: it says nothing of this token.
    """
    if reply.status == 401:
        return None
    refused = refusals.refusal(reply, facts.described, question.host.web_url, secret=secret)
    if refused is None:
        return None
    finding, remedy = refused
    return NoAccess(finding.outcome, f"{finding.reason}, which denies it access to {{}}", remedy)


def read_only(question: Question, need: RepositoryNeed, body: Mapping[object, object]) -> NoAccess | None:
    """Why nobody can write there, whatever a token holds."""
    if need.access is Level.READ:
        return None
    if body.get("archived") is True:
        remedy = f"Unarchive it: {question.host.web_url}/{need.name}/settings"
        return NoAccess(Outcome.INSUFFICIENT, "says that no one can push to {} (archived)", remedy)
    if body.get("disabled") is True:
        remedy = "Ask the repository's owner to resolve this with GitHub, or use another repository."
        return NoAccess(Outcome.INSUFFICIENT, "says that no one can push to {} (disabled)", remedy)
    return None


def without_push(
    question: Question, need: RepositoryNeed, answers: repository.Replies, facts: Facts, *, secret: str
) -> NoAccess | None:
    """Why the account may not write there, or isn't known to, whatever its token holds."""
    if need.access is Level.READ:
        return None
    seen = repository.look(question, need.name, answers, facts, secret=secret)
    if (problem := seen.problem) is not None:
        return NoAccess(problem.outcome, f"{problem.reason}, which denies it access to {{}}", seen.remedy)
    lack = seen.lack_of(repository.Rights(push=True))
    return None if lack is None else NoAccess(lack.outcome, lack.reason.removesuffix(repository.REQUIRED), seen.remedy)


def added(
    answer: Answer,
    question: Question,
    learnt: Sequence[tuple[RepositoryNeed, _T | ProviderUnavailable | None]],
    fate: Callable[[RepositoryNeed, _T], Access],
    notes: Callable[[RepositoryNeed, _T], tuple[str, ...]],
) -> Answer:
    """The answer with what was learnt of these repositories.

    Args:
        learnt: None of what can't be the name of one.
        fate: what the rest means.
        notes: warnings about what stops nothing.
    """
    here, _ = apart(question)
    told = answer.findings.get(Role.RUNTIME) != Finding(Outcome.SUFFICIENT)  # of the repository that the URL names
    fates: list[tuple[RepositoryNeed, Access]] = []
    warnings: list[str] = []
    for need, one in learnt:
        if one is not None and not isinstance(one, ProviderUnavailable):
            warnings += notes(need, one)
        if told and need in here:
            continue
        if one is None:
            fates.append((need, _NO_NAME))
        else:
            fates.append((need, one if isinstance(one, ProviderUnavailable) else fate(need, one)))
    facts = repository.warned(answer.facts, warnings)
    shown = {need: sources_in(one) for need, one in learnt}
    return repositories.merge(replace(answer, facts=facts), question, fates, shown)
