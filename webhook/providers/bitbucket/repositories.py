"""All repositories that a token must reach, put together: what stops which role, and what could not be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.providers.base import DeadlineExceeded, Reply
from webhook.providers.bitbucket.kinds import REPOSITORY_TOKEN, TokenKind
from webhook.providers.bitbucket.replies import is_private
from webhook.providers.bitbucket.repository import Heard, Seen, look
from webhook.providers.bitbucket.targets import Place, access_for, highest, named
from webhook.providers.findings import Finding, Outcome, Question
from webhook.providers.requirements import Level, Role

_WORST = (Outcome.INSUFFICIENT, Outcome.BLOCKED, Outcome.UNVERIFIED)


@dataclass(frozen=True, slots=True)
class Reached:
    """What the replies about repositories mean.

    Attributes:
        problems: by role; a role that is absent has none.
        remedy: of the worst of them.
        warnings: whole sentences.
        late: time didn't suffice for all of them.
    """

    problems: Mapping[Role, Finding] = field(default_factory=dict)
    remedy: str = ""
    warnings: tuple[str, ...] = ()
    late: bool = False


def judge(question: Question, about: Mapping[Place, Heard], kind: TokenKind, account: str | None) -> Reached:
    """What stops each role, should its scopes suffice."""
    host = question.host.name
    warnings: dict[str, None] = {}
    problems: dict[Role, Finding] = {}
    remedies: dict[Finding, str] = {}
    late = False
    home = _home(about, kind)
    for role, requirement in question.requirements.items():
        failed: list[Seen] = []
        for place, heard in about.items():
            needed = _needed(question, place, role, access_for(requirement))
            if needed is None:
                continue
            if not place.of_url and isinstance(heard.permission or heard.document, DeadlineExceeded):
                late = True
                warnings[f"There was no time to ask {host} whether this token reaches {place.name}."] = None
                continue
            seen = look(question, place, needed, heard, kind, account)
            warnings |= dict.fromkeys(seen.warnings)
            if seen.nothing_there and question.open_ended and place.of_url:
                warnings[_taken_as_prefix(host, place)] = None
                continue
            if seen.problem is not None:
                failed.append(_elsewhere(seen, place, home, kind))
        if role is Role.RUNTIME:
            failed += [_nameless(need.name) for need in question.repositories if named(need.path) is None]
            if kind.reach and named(question.path) is None:
                warnings[_narrow(host, kind)] = None
        if failed:
            problems[role], remedy = _together(failed)
            remedies[problems[role]] = remedy
    return Reached(problems, next(filter(None, remedies.values()), ""), tuple(warnings), late)


def _needed(question: Question, place: Place, role: Role, at_url: Level) -> Level | None:
    """What a role needs in a repository; None where that doesn't concern it."""
    needs = [at_url] if place.of_url else []
    if role is Role.RUNTIME:
        needs += [
            need.access for need in question.repositories if (named(need.path) or "").lower() == place.name.lower()
        ]
    return highest(needs) if needs else None


def _home(about: Mapping[Place, Heard], kind: TokenKind) -> str:
    """The repository that a repository access token was made for, where it is seen to read a private one."""
    if kind is not REPOSITORY_TOKEN:
        return ""
    return next((place.name for place, heard in about.items() if _reads_private(heard)), "")


def _reads_private(heard: Heard) -> bool:
    return isinstance(heard.document, Reply) and heard.document.status == 200 and is_private(heard.document)


def _elsewhere(seen: Seen, place: Place, home: str, kind: TokenKind) -> Seen:
    """What else was only not found is surely out of reach of a token that was made for one repository alone."""
    if not home or seen.problem is None or seen.problem.outcome is not Outcome.UNVERIFIED:
        return seen
    reason = f"says that this {kind.described} was made for {home}, and so not for {place.name}"
    return Seen(Finding(Outcome.INSUFFICIENT, reason=reason), seen.remedy)


def _nameless(name: str) -> Seen:
    return Seen(Finding(Outcome.UNVERIFIED, reason=f"can't be asked for {name}, which is no repository's name there"))


def _taken_as_prefix(host: str, place: Place) -> str:
    workspace = place.name.partition("/")[0]
    return (
        f"{host} shows no repository {place.name}; the URL is taken as a prefix, and the token is judged for "
        f"{workspace}."
    )


def _narrow(host: str, kind: TokenKind) -> str:
    return (
        f"A {kind.described} reaches {kind.reach}; the URL that this one is for names no repository, so that {host} "
        "could not be asked whether it is the right one."
    )


def _together(failed: list[Seen]) -> tuple[Finding, str]:
    """One finding with the worst outcome that names every repository, and what to do about the first of those."""
    problems = [(seen.problem, seen.remedy) for seen in failed if seen.problem is not None]
    outcome = min((problem.outcome for problem, _ in problems), key=_WORST.index)
    reason = ", and ".join(dict.fromkeys(problem.reason for problem, _ in problems))
    remedy = next((remedy for problem, remedy in problems if problem.outcome is outcome and remedy), "")
    transient = all(problem.transient for problem, _ in problems)
    return Finding(outcome, reason=reason, transient=transient), remedy
