"""The other repositories that a runtime token needs access to, for credentials of all kinds."""

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
_INVALID_NAME = NoAccess(Outcome.UNVERIFIED, "cannot be queried for {}, which is not a valid repository name there")


def split(question: Question) -> tuple[tuple[RepositoryNeed, ...], Question]:
    """Return the needs for the URL's repository, which is requested anyway, and the question without them."""
    name = (repository.named(question.path) or "").lower()
    # Names are case-insensitive on GitHub.
    here = tuple(need for need in question.repositories if name and (repository.named(need.path) or "").lower() == name)
    return here, replace(question, repositories=tuple(need for need in question.repositories if need not in here))


def out_of_sight(question: Question, reply: Reply, facts: Facts, hidden: str, *, secret: str) -> Access:
    """Return why a reply to ``GET /repos/…`` shows no repository; None if it shows one.

    Args:
        hidden: why the repository may be hidden.
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
    """Return what blocks the token other than a missing permission; None if nothing does.

    Raises:
        ProviderUnavailable: the reply says nothing about this token.
    """
    if reply.status == 401:
        return None
    refused = refusals.refusal(reply, facts.described, question.host.web_url, secret=secret)
    if refused is None:
        return None
    finding, remedy = refused
    return NoAccess(finding.outcome, f"{finding.reason}, which denies it access to {{}}", remedy)


def read_only(question: Question, need: RepositoryNeed, body: Mapping[object, object]) -> NoAccess | None:
    """Return why no one can push to the repository; None if it is possible."""
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
    """Return why the account may not push, or is not known to; None if it may."""
    if need.access is Level.READ:
        return None
    seen = repository.evaluate(question, need.name, answers, facts, secret=secret)
    if (problem := seen.problem) is not None:
        return NoAccess(problem.outcome, f"{problem.reason}, which denies it access to {{}}", seen.remedy)
    lack = seen.lack_of(repository.Rights(push=True))
    return None if lack is None else NoAccess(lack.outcome, lack.reason.removesuffix(repository.REQUIRED), seen.remedy)


def with_accesses(
    answer: Answer,
    question: Question,
    responses: Sequence[tuple[RepositoryNeed, _T | ProviderUnavailable | None]],
    evaluate: Callable[[RepositoryNeed, _T], Access],
    notes: Callable[[RepositoryNeed, _T], tuple[str, ...]],
) -> Answer:
    """Return the answer with the access to these repositories.

    Args:
        responses: None for an invalid name.
        evaluate: returns the access by the responses.
        notes: returns warnings that cause no denial.
    """
    here, _ = split(question)
    decided = answer.findings.get(Role.RUNTIME) != Finding(Outcome.SUFFICIENT)  # of the repository that the URL names
    accesses: list[tuple[RepositoryNeed, Access]] = []
    warnings: list[str] = []
    for need, one in responses:
        if one is not None and not isinstance(one, ProviderUnavailable):
            warnings += notes(need, one)
        if decided and need in here:
            continue
        if one is None:
            accesses.append((need, _INVALID_NAME))
        else:
            accesses.append((need, one if isinstance(one, ProviderUnavailable) else evaluate(need, one)))
    facts = repository.warned(answer.facts, warnings)
    shown = {need: sources_in(one) for need, one in responses}
    return repositories.merge(replace(answer, facts=facts), question, accesses, shown)
