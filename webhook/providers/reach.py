"""Repositories that a runtime token must reach, besides the one that its Secret's URL names.

Each provider says of each repository what its replies mean; this puts it together into one finding, in which every
repository that can't be reached is named.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from webhook.findings import Answer, Finding, Outcome, Question, RepositoryNeed
from webhook.providers.base import Api, NoAnswer, TooLate
from webhook.providers.rounds import together_in_time
from webhook.requirements import Role

_T = TypeVar("_T")
# What is worse in its consequences comes first; a lack that is proven outweighs what nobody knows.
_WORST_FIRST = (Outcome.BLOCKED, Outcome.INSUFFICIENT, Outcome.UNVERIFIED)


async def look(
    question: Question, api: Api, ask: Callable[[RepositoryNeed], Coroutine[Any, Any, _T]]
) -> list[tuple[RepositoryNeed, _T | NoAnswer]]:
    """Ask for all of the question's repositories at once, as long as whoever waits for the answer can wait.

    Args:
        ask: one request (or several in one round) about one repository.
    """
    needs = question.repositories
    learnt = await together_in_time(api.needed_by, *(ask(need) for need in needs))
    return list(zip(needs, learnt, strict=True))


def add(answer: Answer, question: Question, findings: list[tuple[RepositoryNeed, Finding | NoAnswer | None]]) -> Answer:
    """The answer with what its runtime finding owes to these repositories.

    Args:
        findings: for each repository None where the token reaches it, what is wrong, or why nothing was learnt.
            A reason is a clause that names the repository.
    """
    own = answer.findings.get(Role.RUNTIME)
    if own is None or not findings:
        return answer
    late = [need.name for need, finding in findings if isinstance(finding, TooLate)]
    problems: list[Finding] = []
    for need, finding in findings:
        if isinstance(finding, NoAnswer) and not isinstance(finding, TooLate):
            problems.append(Finding(Outcome.UNVERIFIED, reason=f"{finding} when asked for {need.name}"))
        elif isinstance(finding, Finding):
            problems.append(finding)
    if own.outcome is Outcome.SUFFICIENT and problems:
        answer = replace(answer, findings={**answer.findings, Role.RUNTIME: _together(problems)})
    if late:
        warning = f"There was no time to ask {question.host.name} whether this token reaches {', '.join(late)}."
        facts = replace(answer.facts, warnings=(*answer.facts.warnings, warning))
        answer = replace(answer, facts=facts, complete=False)
    return answer


def _together(problems: list[Finding]) -> Finding:
    worst = min((problem.outcome for problem in problems), key=_WORST_FIRST.index)
    return Finding(worst, reason=", and ".join(dict.fromkeys(p.reason for p in problems if p.outcome is worst)))
