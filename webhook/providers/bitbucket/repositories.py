"""Combine the results for all repositories that a token must reach into one problem for each role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from webhook.providers.base import DeadlineExceeded, Reply
from webhook.providers.bitbucket.kinds import REPOSITORY_TOKEN, TokenKind
from webhook.providers.bitbucket.replies import is_private
from webhook.providers.bitbucket.repository import RepositoryResponses, Result, evaluate
from webhook.providers.bitbucket.targets import Target, access_for, highest, named
from webhook.providers.evidence import proof_of, sources_in
from webhook.providers.findings import Finding, Outcome, Proof, Question
from webhook.providers.requirements import Level, Role

_WORST = (Outcome.INSUFFICIENT, Outcome.BLOCKED, Outcome.UNVERIFIED)


@dataclass(frozen=True, slots=True)
class CombinedResult:
    """The result for all repositories.

    Attributes:
        problems: by role; a role without an entry has no problem.
        remedy: what to do about the worst problem.
        warnings: whole sentences.
        late: some responses did not come in time.
        proofs: what the responses prove about each repository, by role.
    """

    problems: Mapping[Role, Finding] = field(default_factory=dict)
    remedy: str = ""
    warnings: tuple[str, ...] = ()
    late: bool = False
    proofs: Mapping[Role, Sequence[Proof]] = field(default_factory=dict)


def judge(
    question: Question, about: Mapping[Target, RepositoryResponses], kind: TokenKind, account: str | None
) -> CombinedResult:
    """Return the problem of each role, if its scopes are sufficient."""
    host = question.host.name
    warnings: dict[str, None] = {}
    problems: dict[Role, Finding] = {}
    remedies: dict[Finding, str] = {}
    proofs: dict[Role, list[Proof]] = {role: [] for role in question.requirements}
    late = False
    home = _home(about, kind)
    for role, requirement in question.requirements.items():
        failed: list[Result] = []
        for target, responses in about.items():
            needed = _needed(question, target, role, access_for(requirement))
            if needed is None:
                continue
            if not target.of_url and isinstance(responses.permission or responses.document, DeadlineExceeded):
                late = True
                warnings[f"There was no time to ask {host} whether this token reaches {target.name}."] = None
                continue
            result = evaluate(question, target, needed, responses, kind, account)
            warnings |= dict.fromkeys(result.warnings)
            if result.nothing_there and question.open_ended and target.of_url:
                warnings[_taken_as_prefix(host, target)] = None
                continue
            if result.problem is not None:
                result = _outside_home(result, target, home, kind)
                failed.append(result)
            proofs[role].append(proof_of(f"{target.name}: {needed}", result.problem, sources_in(responses)))
        if role is Role.RUNTIME:
            failed += [_invalid_name(need.name) for need in question.repositories if named(need.path) is None]
            if kind.reach and named(question.path) is None:
                warnings[_narrow(host, kind)] = None
        if failed:
            problems[role], remedy = _combined(failed)
            remedies[problems[role]] = remedy
    return CombinedResult(problems, next(filter(None, remedies.values()), ""), tuple(warnings), late, proofs)


def _needed(question: Question, target: Target, role: Role, at_url: Level) -> Level | None:
    """Return what a role needs in a repository; None if it needs nothing there."""
    needs = [at_url] if target.of_url else []
    if role is Role.RUNTIME:
        needs += [
            need.access for need in question.repositories if (named(need.path) or "").lower() == target.name.lower()
        ]
    return highest(needs) if needs else None


def _home(about: Mapping[Target, RepositoryResponses], kind: TokenKind) -> str:
    """Return the repository that a repository access token belongs to, known if it reads a private one."""
    if kind is not REPOSITORY_TOKEN:
        return ""
    return next((target.name for target, responses in about.items() if _reads_private(responses)), "")


def _reads_private(responses: RepositoryResponses) -> bool:
    return isinstance(responses.document, Reply) and responses.document.status == 200 and is_private(responses.document)


def _outside_home(result: Result, target: Target, home: str, kind: TokenKind) -> Result:
    """Return the result, insufficient instead of unverified for a token that belongs to another repository."""
    if not home or result.problem is None or result.problem.outcome is not Outcome.UNVERIFIED:
        return result
    reason = f"says that this {kind.described} was created for {home}, not for {target.name}"
    return Result(Finding(Outcome.INSUFFICIENT, reason=reason), result.remedy)


def _invalid_name(name: str) -> Result:
    reason = f"cannot be queried for {name}, which is not a valid repository name there"
    return Result(Finding(Outcome.UNVERIFIED, reason=reason))


def _taken_as_prefix(host: str, target: Target) -> str:
    workspace = target.name.partition("/")[0]
    return (
        f"{host} shows no repository {target.name}; the URL is taken as a prefix, and the token is judged for "
        f"{workspace}."
    )


def _narrow(host: str, kind: TokenKind) -> str:
    return (
        f"A {kind.described} reaches {kind.reach}; the URL of this one names no repository, so {host} "
        "could not be asked whether it is the right one."
    )


def _combined(failed: list[Result]) -> tuple[Finding, str]:
    """Return one finding with the worst outcome that names every repository, and the first remedy for it."""
    problems = [(result.problem, result.remedy) for result in failed if result.problem is not None]
    outcome = min((problem.outcome for problem, _ in problems), key=_WORST.index)
    reason = ", and ".join(dict.fromkeys(problem.reason for problem, _ in problems))
    remedy = next((remedy for problem, remedy in problems if problem.outcome is outcome and remedy), "")
    transient = all(problem.transient for problem, _ in problems)
    return Finding(outcome, reason=reason, transient=transient), remedy
