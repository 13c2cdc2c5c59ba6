"""Compare a token's scopes with what a role needs, in the vocabulary of the token's kind."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.providers.bitbucket.kinds import TokenKind
from webhook.providers.bitbucket.vocabulary import held, in_words_of
from webhook.providers.evidence import proofs_by_list
from webhook.providers.findings import Conclusion, Finding, Outcome, Proof, Source
from webhook.providers.requirements import Requirement
from webhook.text import join


@dataclass(frozen=True, slots=True)
class ScopeFinding:
    """The finding on the scopes for one role.

    Attributes:
        beyond: needed scopes that no token of this kind can hold, which the check left out.
        needed: the other ones, in the words of the token's kind.
    """

    finding: Finding
    beyond: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()

    def proofs(self, sources: tuple[Source, ...]) -> tuple[Proof, ...]:
        """Return what the list of scopes proves."""
        held = set(self.needed) - set(self.finding.lacks)
        beyond = (Proof(scope, Conclusion.OPEN, why=_BEYOND) for scope in self.beyond)
        return (*proofs_by_list(self.needed, held, sources), *beyond)


_BEYOND = "a token of this kind cannot hold it, so the check left it out"


def judge(needed: Requirement, kind: TokenKind, scopes: tuple[str, ...]) -> ScopeFinding:
    """Return whether a token with these scopes has the needed ones."""
    asked, without_counterpart = in_words_of(needed.scopes, api_token=kind.has_api_scopes)
    beyond = (*without_counterpart, *(scope for scope in asked if not kind.can_hold(scope)))
    possible = [scope for scope in asked if kind.can_hold(scope)]
    if beyond and not possible:
        reason = f"says that this is one of its {kind.described}s, which cannot hold {join(beyond)}"
        return ScopeFinding(Finding(Outcome.INSUFFICIENT, reason=reason), beyond)
    holds = held(scopes, api_token=kind.has_api_scopes)
    lacks = tuple(scope for scope in possible if scope not in holds)
    finding = Finding(Outcome.INSUFFICIENT, lacks) if lacks else Finding(Outcome.SUFFICIENT)
    return ScopeFinding(finding, beyond, tuple(possible))
