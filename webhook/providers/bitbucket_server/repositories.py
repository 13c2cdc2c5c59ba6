"""The other repositories that a runtime token must reach, requested in the first round as far as time allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from webhook.providers.base import Api, DeadlineExceeded, ProviderUnavailable
from webhook.providers.bitbucket_server.probes import Prober, RepositoryResponses
from webhook.providers.bitbucket_server.profile import REPOSITORY
from webhook.providers.bitbucket_server.proofs import Proofs, note_repository
from webhook.providers.bitbucket_server.replies import Unproven, unanswered
from webhook.providers.bitbucket_server.targets import NoTarget, locate
from webhook.providers.concurrency import outcomes_until
from webhook.providers.evidence import sources_in
from webhook.providers.findings import Answer, Conclusion, Facts, Finding, Outcome, Proof, Question, RepositoryNeed
from webhook.providers.hosts import Host
from webhook.providers.repositories import with_proofs
from webhook.providers.requirements import Level, Role
from webhook.text import join


@dataclass(frozen=True, slots=True)
class OtherRepository:
    """One such repository and its responses.

    Attributes:
        responses: or why there are none.
    """

    need: RepositoryNeed
    responses: RepositoryResponses | ProviderUnavailable | Unproven

    @property
    def came_too_late(self) -> bool:
        """Whether there was no time for a response."""
        responses = self.responses
        parts = (
            (responses.found, responses.push, responses.fetch)
            if isinstance(responses, RepositoryResponses)
            else (responses,)
        )
        return any(isinstance(one, DeadlineExceeded) for one in parts)

    @property
    def level(self) -> bool | Unproven:
        """Whether the token has the needed access to it, or why that is not known."""
        if isinstance(self.responses, Unproven):
            return self.responses
        if isinstance(self.responses, ProviderUnavailable):
            return unanswered(self.responses)
        proofs = Proofs()
        note_repository(proofs, self.responses)
        permission = (REPOSITORY, self.need.access)
        if permission in proofs.held:
            return True
        return False if permission in proofs.absent else proofs.unproven[permission]

    @property
    def proof(self) -> Proof:
        """What the responses prove about the needed access."""
        name, sources, level = f"{self.need.name}: {self.need.access}", sources_in(self.responses), self.level
        if isinstance(level, Unproven):
            conclusion = Conclusion.BLOCKED if level.blocks else Conclusion.OPEN
            return Proof(name, conclusion, sources, level.why)
        return Proof(name, Conclusion.PROVEN if level else Conclusion.MISSING, sources)

    @property
    def is_hidden(self) -> bool:
        """Whether the token cannot see it."""
        proofs = Proofs()
        if isinstance(self.responses, RepositoryResponses):
            note_repository(proofs, self.responses)
        return (REPOSITORY, Level.READ) in proofs.absent


async def ask(question: Question, prober: Prober, api: Api) -> list[OtherRepository]:
    """Request all repositories at once, until the caller needs the answer."""

    async def probe(need: RepositoryNeed) -> RepositoryResponses | Unproven:
        try:
            target = locate(need.path, question.host)
        except NoTarget:
            target = None
        if target is None or target.repository is None or target.context != prober.context:
            return Unproven("its URL names no repository")
        return await prober.repository(target, need.access)

    responses = await outcomes_until(api.needed_by, *map(probe, question.repositories))
    return [OtherRepository(need, one) for need, one in zip(question.repositories, responses, strict=True)]


def judge(question: Question, answer: Answer, reached: Sequence[OtherRepository]) -> Answer:
    """Return the answer with what is known about these repositories, if the question is about them."""
    reached = [one for one in reached if one.need in question.repositories]
    late = [one for one in reached if one.came_too_late]
    if late:
        host = question.host.name
        warnings = [f"There was no time to ask {host} whether this token reaches {one.need.name}." for one in late]
        facts = replace(answer.facts, warnings=(*answer.facts.warnings, *warnings))
        answer = replace(answer, facts=facts, complete=False)
    answer = _with_moves(question, answer, reached)
    answer = with_proofs(answer, {Role.RUNTIME: [one.proof for one in reached]})
    finding = answer.findings.get(Role.RUNTIME)
    if finding is None or finding.outcome is not Outcome.SUFFICIENT:
        return answer
    problem = _problem([one for one in reached if not one.came_too_late], answer.facts)
    if problem is None:
        return answer
    problem = replace(problem, proofs=answer.findings[Role.RUNTIME].proofs)
    return replace(answer, findings={**answer.findings, Role.RUNTIME: problem})


def _problem(reached: Sequence[OtherRepository], facts: Facts) -> Finding | None:
    hidden = [one.need.name for one in reached if one.level is False and one.is_hidden]
    read_only = [one.need.name for one in reached if one.level is False and not one.is_hidden]
    owner = f" of {facts.account}" if facts.account else ""
    lacks = [f"may not {verb} {join(names)}" for verb, names in (("push to", read_only), ("see", hidden)) if names]
    if lacks:
        return Finding(Outcome.INSUFFICIENT, reason=f"says that this {facts.described}{owner} {join(lacks)}")
    unknown = {one.need.name: one.level for one in reached if isinstance(one.level, Unproven)}
    blocked = {name: level.why for name, level in unknown.items() if level.blocks}
    if blocked:
        reasons = join(f"{name} ({why})" for name, why in blocked.items())
        return Finding(Outcome.BLOCKED, reason=f"accepts this {facts.described}{owner}, but not for {reasons}")
    if unknown:
        reasons = join(f"{name} ({level.why})" for name, level in unknown.items())
        reason = f"does not show whether this {facts.described}{owner} reaches {reasons}"
        return Finding(Outcome.UNVERIFIED, reason=reason, transient=all(level.transient for level in unknown.values()))
    return None


def _with_moves(question: Question, answer: Answer, reached: Sequence[OtherRepository]) -> Answer:
    moves = [
        moved(question.host, one.need.name, one.responses)
        for one in reached
        if isinstance(one.responses, RepositoryResponses)
    ]
    warnings = [warning for warning in moves if warning and warning not in answer.facts.warnings]
    return replace(answer, facts=replace(answer.facts, warnings=(*answer.facts.warnings, *warnings)))


def moved(host: Host, name: str, responses: RepositoryResponses) -> str:
    """Return a warning if a repository was moved; empty if it was not.

    Args:
        name: its old address, as shown to users.
    """
    if not responses.has_moved:
        return ""
    return (
        f"{host.name} says that {name} was renamed or moved to {responses.target.name}; update its URL, because the "
        "old one stops working when another repository takes that name."
    )
