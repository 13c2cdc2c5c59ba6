"""The repositories that a runtime token must also reach: asked for in the first round, as far as time allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from webhook.findings import Answer, Facts, Finding, Outcome, Question, RepositoryNeed
from webhook.providers.base import Api, NoAnswer, TooLate, is_transient
from webhook.providers.bitbucket_server.looks import Asking, RepositorySeen
from webhook.providers.bitbucket_server.places import locate
from webhook.providers.bitbucket_server.profile import REPOSITORY
from webhook.providers.bitbucket_server.proofs import Proofs, note_repository
from webhook.providers.rounds import together_in_time
from webhook.requirements import Level, Role
from webhook.wording import join


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of asking for one repository.

    Attributes:
        seen: the replies; why there are none; or None where its address is none of Bitbucket's.
    """

    need: RepositoryNeed
    seen: RepositorySeen | NoAnswer | None

    @property
    def came_too_late(self) -> bool:
        """Whether time was over before there was an answer."""
        seen = self.seen
        said = (seen.found, seen.push, seen.fetch) if isinstance(seen, RepositorySeen) else (seen,)
        return any(isinstance(one, TooLate) for one in said)

    @property
    def level(self) -> bool | str:
        """Whether the token reaches it as needed, or a clause that says why that isn't known."""
        if self.seen is None:
            return "its address names no repository"
        if isinstance(self.seen, NoAnswer):
            return f"it {self.seen}"
        proofs = Proofs()
        note_repository(proofs, self.seen)
        permission = (REPOSITORY, self.need.access)
        if permission in proofs.held:
            return True
        return False if permission in proofs.absent else proofs.open[permission]

    @property
    def is_unanswered(self) -> bool:
        """Whether waiting can settle what isn't known."""
        if not isinstance(self.seen, RepositorySeen):
            return is_transient(self.seen)
        return is_transient(self.seen.found, self.seen.push)

    @property
    def is_hidden(self) -> bool:
        """Whether the token may not even see it."""
        proofs = Proofs()
        if isinstance(self.seen, RepositorySeen):
            note_repository(proofs, self.seen)
        return (REPOSITORY, Level.READ) in proofs.absent


async def ask(question: Question, api: Api, token: str) -> list[Reached]:
    """Ask for each repository, all at once, until whoever waits needs the answer."""

    async def look(need: RepositoryNeed) -> RepositorySeen | None:
        place = locate(need.path, question.host)
        if place is None or place.repository is None:
            return None
        return await Asking(api, token, place.context).repository(place, need.access)

    seen = await together_in_time(api.needed_by, *map(look, question.repositories))
    return [Reached(need, one) for need, one in zip(question.repositories, seen, strict=True)]


def judge(question: Question, answer: Answer, reached: Sequence[Reached]) -> Answer:
    """The same answer with what is known of these repositories, as far as the question is about them."""
    reached = [one for one in reached if one.need in question.repositories]
    late = [one for one in reached if one.came_too_late]
    if late:
        host = question.host.name
        said = [f"There was no time to ask {host} whether this token reaches {one.need.name}." for one in late]
        facts = replace(answer.facts, warnings=(*answer.facts.warnings, *said))
        answer = replace(answer, facts=facts, complete=False)
    finding = answer.findings.get(Role.RUNTIME)
    if finding is None or finding.outcome is not Outcome.SUFFICIENT:
        return answer
    problem = _problem([one for one in reached if not one.came_too_late], answer.facts)
    return answer if problem is None else replace(answer, findings={**answer.findings, Role.RUNTIME: problem})


def _problem(reached: Sequence[Reached], facts: Facts) -> Finding | None:
    hidden = [one.need.name for one in reached if one.level is False and one.is_hidden]
    read_only = [one.need.name for one in reached if one.level is False and not one.is_hidden]
    owner = f" of {facts.account}" if facts.account else ""
    lacks = [f"may not {verb} {join(names)}" for verb, names in (("push to", read_only), ("see", hidden)) if names]
    if lacks:
        return Finding(Outcome.INSUFFICIENT, reason=f"says that this {facts.described}{owner} {join(lacks)}")
    unknown = [f"{one.need.name} ({one.level})" for one in reached if one.level is not True]
    if unknown:
        reason = f"leaves open whether this {facts.described}{owner} reaches {join(unknown)}"
        transient = all(one.is_unanswered for one in reached if one.level is not True)
        return Finding(Outcome.UNVERIFIED, reason=reason, transient=transient)
    return None
