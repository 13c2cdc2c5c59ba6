"""The repositories that a runtime token must also reach: asked for in the first round, as far as time allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from webhook.providers.base import Api, DeadlineExceeded, ProviderUnavailable
from webhook.providers.bitbucket_server.probes import Asking, RepositorySeen
from webhook.providers.bitbucket_server.profile import REPOSITORY
from webhook.providers.bitbucket_server.proofs import Proofs, note_repository
from webhook.providers.bitbucket_server.replies import Open, unanswered
from webhook.providers.bitbucket_server.targets import NoPlace, locate
from webhook.providers.concurrency import outcomes_until
from webhook.providers.findings import Answer, Facts, Finding, Outcome, Question, RepositoryNeed
from webhook.providers.hosts import Host
from webhook.providers.requirements import Level, Role
from webhook.text import join


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of asking for one repository.

    Attributes:
        seen: the replies, or why there are none.
    """

    need: RepositoryNeed
    seen: RepositorySeen | ProviderUnavailable | Open

    @property
    def came_too_late(self) -> bool:
        """Whether time was over before there was an answer."""
        seen = self.seen
        said = (seen.found, seen.push, seen.fetch) if isinstance(seen, RepositorySeen) else (seen,)
        return any(isinstance(one, DeadlineExceeded) for one in said)

    @property
    def level(self) -> bool | Open:
        """Whether the token reaches it as needed, or why that isn't known."""
        if isinstance(self.seen, Open):
            return self.seen
        if isinstance(self.seen, ProviderUnavailable):
            return unanswered(self.seen)
        proofs = Proofs()
        note_repository(proofs, self.seen)
        permission = (REPOSITORY, self.need.access)
        if permission in proofs.held:
            return True
        return False if permission in proofs.absent else proofs.open[permission]

    @property
    def is_hidden(self) -> bool:
        """Whether the token may not even see it."""
        proofs = Proofs()
        if isinstance(self.seen, RepositorySeen):
            note_repository(proofs, self.seen)
        return (REPOSITORY, Level.READ) in proofs.absent


async def ask(question: Question, asking: Asking, api: Api) -> list[Reached]:
    """Ask for each repository, all at once, until whoever waits needs the answer."""

    async def look(need: RepositoryNeed) -> RepositorySeen | Open:
        try:
            place = locate(need.path, question.host)
        except NoPlace:
            place = None
        if place is None or place.repository is None or place.context != asking.context:
            return Open("its address names no repository")
        return await asking.repository(place, need.access)

    seen = await outcomes_until(api.needed_by, *map(look, question.repositories))
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
    answer = _with_moves(question, answer, reached)
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
    unknown = {one.need.name: one.level for one in reached if isinstance(one.level, Open)}
    blocked = {name: level.why for name, level in unknown.items() if level.blocks}
    if blocked:
        told = join(f"{name} ({why})" for name, why in blocked.items())
        return Finding(Outcome.BLOCKED, reason=f"accepts this {facts.described}{owner}, but not for {told}")
    if unknown:
        told = join(f"{name} ({level.why})" for name, level in unknown.items())
        reason = f"leaves open whether this {facts.described}{owner} reaches {told}"
        return Finding(Outcome.UNVERIFIED, reason=reason, transient=all(level.transient for level in unknown.values()))
    return None


def _with_moves(question: Question, answer: Answer, reached: Sequence[Reached]) -> Answer:
    moves = [moved(question.host, one.need.name, one.seen) for one in reached if isinstance(one.seen, RepositorySeen)]
    warnings = [warning for warning in moves if warning and warning not in answer.facts.warnings]
    return replace(answer, facts=replace(answer.facts, warnings=(*answer.facts.warnings, *warnings)))


def moved(host: Host, name: str, seen: RepositorySeen) -> str:
    """Return a warning where a repository is somewhere else than its address says; empty where it isn't.

    Args:
        name: its old address, for people.
    """
    if not seen.has_moved:
        return ""
    return (
        f"{host.name} says that {name} was renamed or moved to {seen.place.name}; update its address, because the old "
        "one ends as soon as another repository takes it."
    )
