"""Classic tokens: personal, group, project and service account tokens, which one reply describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.evidence import proofs_by_list, source
from webhook.providers.findings import Facts, Finding, Outcome, Question, Source
from webhook.providers.gitlab import granular, replies
from webhook.providers.gitlab.owner import Owner
from webhook.providers.gitlab.vocabulary import VOCABULARY, held
from webhook.providers.requirements import Requirement, Role
from webhook.providers.text import plain

PATH = "/personal_access_tokens/self"


@dataclass(frozen=True, slots=True)
class Grant:
    """The facts and findings of a token itself, apart from any place."""

    facts: Facts
    findings: Mapping[Role, Finding]


@dataclass(frozen=True, slots=True)
class Itself:
    """A token's description of itself (GitLab docs: personal access tokens API; self_information.rb).

    Attributes:
        number: its id.
        user: its user's id.
        fine_grained: it has permissions instead of scopes.
        lines: these permissions; None if they are not listed.
        sources: the response.
    """

    number: int | None
    user: int | None
    scopes: tuple[str, ...]
    expires_at: datetime | None
    revoked: bool
    active: bool
    fine_grained: bool
    lines: tuple[granular.Line, ...] | None
    sources: tuple[Source, ...] = ()

    @property
    def expiry_sources(self) -> tuple[Source, ...]:
        """The same response, for its date of expiry."""
        return tuple(replace(one, part="expires_at") for one in self.sources)


def read(reply: Reply, *, secret: str) -> Itself:
    """Return the content of ``GET /personal_access_tokens/self`` or ``/personal_access_tokens/:id``.

    Raises:
        ProviderUnavailable: it does not list the token's scopes.
    """
    body = replies.mapping(reply)
    scopes = replies.scopes_of(body.get("scopes"))
    if scopes is None or replies.number(body.get("id")) is None:  # other documents may have a list of that name
        raise ProviderUnavailable("did not say which scopes this token has")
    return Itself(
        replies.number(body.get("id")),
        replies.number(body.get("user_id")),
        tuple(scope for scope in scopes if plain(scope, secret=secret)),
        replies.end_of(body.get("expires_at")),
        body.get("revoked") is True,
        body.get("active") is not False,
        _is_fine_grained(body.get("granular"), scopes),
        granular.read(body.get("granular_scopes"), secret=secret),
        source(reply, "scopes"),
    )


def _is_fine_grained(flag: object, scopes: tuple[str, ...]) -> bool:
    """Return whether a token has permissions instead of scopes.

    Since 18.5 also classic tokens list `granular` beside their own scopes, which then are what counts.
    """
    return flag is True or ("granular" in scopes and VOCABULARY.scopes.isdisjoint(scopes))


def ended(itself: Itself, described: str, now: datetime) -> Finding | None:
    """Return why the token is no longer valid, apart from its expiry, which the core compares for all providers."""
    if itself.revoked:
        return Finding(Outcome.INVALID, reason=f"says that this {described} was revoked")
    if not itself.active and (itself.expires_at is None or itself.expires_at > now):
        return Finding(Outcome.INVALID, reason=f"says that this {described} is no longer active")
    return None


def grant(question: Question, itself: Itself, owner: Owner) -> Grant:
    """Return the facts and findings of a classic token."""
    facts = Facts(
        owner.kind.token_type,
        owner.kind.described,
        owner.username,
        itself.scopes,
        expires_at=itself.expires_at,
        expiry_sources=itself.expiry_sources,
    )
    return Grant(facts, judged(question, lambda needed: scopes_suffice(needed, itself.scopes, itself.sources)))


def judged(question: Question, judge: Callable[[Requirement], Finding]) -> Mapping[Role, Finding]:
    """Return the finding for each role."""
    return {role: judge(needed) for role, needed in question.requirements.items()}


def scopes_suffice(needed: Requirement, scopes: tuple[str, ...], sources: tuple[Source, ...]) -> Finding:
    """Return whether these scopes, and those that they imply, are enough."""
    holds = held(scopes)
    lacks = tuple(scope for scope in needed.scopes if scope not in holds)
    outcome = Outcome.INSUFFICIENT if lacks else Outcome.SUFFICIENT
    return Finding(outcome, lacks, proofs=proofs_by_list(needed.scopes, holds, sources))
