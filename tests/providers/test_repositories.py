"""What is found about the repositories that a runtime token must reach, put together into one finding."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from pydantic import SecretStr

from webhook.providers import repositories
from webhook.providers.base import DeadlineExceeded, ProviderUnavailable, Reply
from webhook.providers.findings import Answer, Facts, Finding, Outcome, Question, RepositoryNeed, TokenCredential
from webhook.providers.hosts import Host, Kind
from webhook.providers.repositories import Access, NoAccess
from webhook.providers.requirements import Level, Requirement, Role

HOST = Host("github.com", Kind("github"), "https://api.github.com")
GOOD = Finding(Outcome.SUFFICIENT)
HIDDEN = NoAccess(Outcome.UNVERIFIED, "says 404 for {}")
READ_ONLY = NoAccess(Outcome.INSUFFICIENT, "says that octocat may not push to {}", "Give octocat that role.")
KEPT_OUT = NoAccess(Outcome.BLOCKED, "forbids tokens like it for {}", "Use another.")


def need(name: str, access: Level = Level.READ) -> RepositoryNeed:
    return RepositoryNeed(tuple(name.split("/")), access)


def question(*needs: RepositoryNeed, roles: Sequence[Role] = (Role.RUNTIME,)) -> Question:
    return Question(TokenCredential(SecretStr("")), HOST, (), dict.fromkeys(roles, Requirement()), needs)


def added(
    accesses: Mapping[str, Access],
    own: Finding = GOOD,
    user: Finding | None = None,
    *,
    perhaps: Mapping[str, Access] | None = None,
) -> Answer:
    findings = {Role.RUNTIME: own} if user is None else {Role.RUNTIME: own, Role.USER: user}
    answer = Answer(findings, Facts("classic"), remedy="Make one.")
    grouped = [(need(name), access) for name, access in accesses.items()]
    grouped += [(replace(need(name), certain=False), access) for name, access in (perhaps or {}).items()]
    return repositories.merge(answer, question(*(one for one, _ in grouped)), grouped)


class Clock:
    """An API of which only the time that is left is asked for."""

    def __init__(self, seconds: float) -> None:
        self.needed_by = asyncio.get_running_loop().time() + seconds

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        json: object = None,
        from_root: bool = False,
        raw: bool = False,
    ) -> Reply:
        raise AssertionError


async def test_all_repositories_are_asked_for_at_once() -> None:
    """Each waits for the other to have begun, so that they would never end one after the other."""
    begun = asyncio.Barrier(2)

    async def ask(wanted: RepositoryNeed) -> str:
        await begun.wait()
        return wanted.name

    results = await repositories.probe(question(need("a/b"), need("c/d")), Clock(10), ask)
    assert [(one.name, said) for one, said in results] == [("a/b", "a/b"), ("c/d", "c/d")]


async def test_what_takes_too_long_is_left_out() -> None:
    """The others' answers are there in time."""

    async def ask(wanted: RepositoryNeed) -> str:
        await asyncio.sleep(60 if wanted.name == "a/slow" else 0)
        return "seen"

    results = dict(await repositories.probe(question(need("a/slow"), need("a/fast")), Clock(0.3), ask))
    assert results[need("a/fast")] == "seen"
    assert isinstance(results[need("a/slow")], DeadlineExceeded)


async def test_silence_is_learnt_and_an_error_is_raised() -> None:
    """A provider that says nothing is no fault of ours."""

    async def ask(wanted: RepositoryNeed) -> str:
        if wanted.name == "a/silent":
            raise ProviderUnavailable("answered with status 503")
        raise ZeroDivisionError

    ((_, error),) = await repositories.probe(question(need("a/silent")), Clock(10), ask)
    assert str(error) == "answered with status 503"
    with pytest.raises(ZeroDivisionError):
        await repositories.probe(question(need("a/other")), Clock(10), ask)


def test_what_is_reached_changes_nothing() -> None:
    """The answer stays what it was."""
    assert added({"a/b": None, "c/d": None}) == Answer({Role.RUNTIME: GOOD}, Facts("classic"), remedy="Make one.")


def test_repositories_that_share_a_reason_are_named_together() -> None:
    """Each is named once, with one reason for all."""
    finding = added({"a/b": READ_ONLY, "c/d": READ_ONLY, "e/f": READ_ONLY}).findings[Role.RUNTIME]
    assert finding == Finding(Outcome.INSUFFICIENT, reason="says that octocat may not push to a/b, c/d and e/f")


def test_all_reasons_are_told_the_worst_first() -> None:
    """The outcome is the worst one's, and so is the remedy."""
    answer = added({"a/b": HIDDEN, "c/d": READ_ONLY, "e/f": KEPT_OUT})
    assert answer.findings[Role.RUNTIME] == Finding(
        Outcome.BLOCKED,
        reason="forbids tokens like it for e/f, and says that octocat may not push to c/d, and says 404 for a/b",
    )
    assert answer.remedy == "Use another."


def test_silence_is_unverified() -> None:
    """It names the repository that was asked for."""
    finding = added({"a/b": ProviderUnavailable("answered with status 503")}).findings[Role.RUNTIME]
    assert finding == Finding(Outcome.UNVERIFIED, reason="answered with status 503 when asked for a/b")


def test_what_time_did_not_suffice_for_is_a_warning() -> None:
    """It denies nothing, and isn't remembered as an answer."""
    answer = added({"a/b": DeadlineExceeded("late"), "c/d": DeadlineExceeded("late"), "e/f": None})
    assert answer.findings[Role.RUNTIME] == GOOD
    assert answer.facts.warnings == ("There was no time to ask github.com whether this token reaches a/b and c/d.",)
    assert not answer.complete


@pytest.mark.parametrize(
    "own",
    [
        Finding(Outcome.INSUFFICIENT, ("repo",)),
        Finding(Outcome.INVALID, reason="refuses this token"),
        Finding(Outcome.UNSUPPORTED, reason="can't say"),
    ],
)
def test_what_is_wrong_with_the_token_itself_comes_first(own: Finding) -> None:
    """A token without the scope reaches nothing, so that its repositories tell nothing new."""
    assert added({"a/b": READ_ONLY}, own).findings[Role.RUNTIME] == own


def test_the_repository_of_the_url_and_others_are_told_together() -> None:
    """A person mends all of them in one go."""
    own = Finding(Outcome.UNVERIFIED, reason="says 404 for x/y")
    answer = added({"a/b": READ_ONLY}, own)
    reason = "says 404 for x/y, and says that octocat may not push to a/b"
    assert answer.findings[Role.RUNTIME] == Finding(Outcome.INSUFFICIENT, reason=reason)
    assert answer.remedy == "Give octocat that role."


def test_a_worse_finding_of_its_own_keeps_its_outcome_and_remedy() -> None:
    """What the token itself owes is the worst."""
    own = Finding(Outcome.BLOCKED, reason="accepts this token, but acme doesn't")
    answer = added({"a/b": HIDDEN}, own)
    reason = "accepts this token, but acme doesn't, and says 404 for a/b"
    assert (answer.findings[Role.RUNTIME], answer.remedy) == (Finding(Outcome.BLOCKED, reason=reason), "Make one.")


def test_a_better_token_for_another_role_stays_the_remedy() -> None:
    """Where a person's role lacks a scope, that is what a new token mends."""
    answer = added({"a/b": READ_ONLY}, user=Finding(Outcome.INSUFFICIENT, ("repo",)))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INSUFFICIENT
    assert answer.remedy == "Make one."


def test_what_is_perhaps_another_credentials_is_a_warning() -> None:
    """Never a verdict; those that share a reason are named together, and those that are certain are judged as ever."""
    accesses: dict[str, Access] = {"a/b": READ_ONLY, "c/d": READ_ONLY, "e/f": None}
    answer = added({"x/y": None}, perhaps=accesses)
    assert (answer.findings, answer.remedy, answer.complete) == ({Role.RUNTIME: GOOD}, "Make one.", True)
    assert answer.facts.warnings == (
        "github.com says that octocat may not push to a/b and c/d; Argo CD syncs from there, with this token unless "
        "another credential's URL is longer.",
    )
    denied = added({"x/y": HIDDEN}, perhaps=accesses)
    assert denied.findings[Role.RUNTIME] == Finding(Outcome.UNVERIFIED, reason="says 404 for x/y")
    assert denied.facts.warnings == ()


def test_what_is_perhaps_needed_and_too_late_is_not_remembered() -> None:
    """The next review asks again."""
    answer = added({}, perhaps={"a/b": DeadlineExceeded("late")})
    assert answer.facts.warnings == ("There was no time to ask github.com whether this token reaches a/b.",)
    assert not answer.complete


def test_a_provider_that_judges_itself_is_asked_twice() -> None:
    """Once without what is perhaps another credential's, which decides, and once with it, for the warning."""
    perhaps = replace(need("a/b"), certain=False)

    def judge(asked: Question) -> Answer:
        seen.append(asked.repositories)
        bad = Finding(Outcome.INSUFFICIENT, reason=f"says no to {asked.repositories[-1].name}")
        finding = bad if perhaps in asked.repositories else GOOD
        return Answer({Role.RUNTIME: finding}, Facts(warnings=("Mind this.",)), complete=finding is GOOD)

    seen: list[tuple[RepositoryNeed, ...]] = []
    answer = repositories.with_uncertain(question(need("x/y"), perhaps), judge)
    assert seen == [(need("x/y"),), (need("x/y"), perhaps)]
    assert answer.findings[Role.RUNTIME] == GOOD
    assert answer.facts.warnings[0] == "Mind this."
    assert answer.facts.warnings[1].startswith("github.com says no to a/b; Argo CD syncs from there")
    assert not answer.complete
    seen.clear()
    repositories.with_uncertain(question(need("x/y")), judge)
    assert seen == [(need("x/y"),)]


def test_a_person_needs_no_other_repository() -> None:
    """They are the runtime role's matter."""
    answer = Answer({Role.USER: GOOD})
    assert repositories.merge(answer, question(need("a/b")), [(need("a/b"), READ_ONLY)]) is answer
