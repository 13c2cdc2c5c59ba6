"""Do a token's scopes suffice? Judged in its own words, and by what a token of its kind can hold at all."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.providers.bitbucket.kinds import TokenKind
from webhook.providers.bitbucket.vocabulary import held, in_words_of
from webhook.providers.findings import Finding, Outcome
from webhook.providers.requirements import Requirement
from webhook.text import join


@dataclass(frozen=True, slots=True)
class Judged:
    """What the scopes mean for one role.

    Attributes:
        beyond: what is needed and no token of this kind can hold, so that it was judged without.
    """

    finding: Finding
    beyond: tuple[str, ...] = ()


def judge(needed: Requirement, kind: TokenKind, scopes: tuple[str, ...]) -> Judged:
    """Whether a token with these scopes has what is needed."""
    asked, without_counterpart = in_words_of(needed.scopes, api_token=kind.has_api_scopes)
    beyond = (*without_counterpart, *(scope for scope in asked if not kind.can_hold(scope)))
    possible = [scope for scope in asked if kind.can_hold(scope)]
    if beyond and not possible:
        reason = f"says that this is one of its {kind.described}s, of which none can hold {join(beyond)}, as is needed"
        return Judged(Finding(Outcome.INSUFFICIENT, reason=reason))
    holds = held(scopes, api_token=kind.has_api_scopes)
    lacks = tuple(scope for scope in possible if scope not in holds)
    return Judged(Finding(Outcome.INSUFFICIENT, lacks) if lacks else Finding(Outcome.SUFFICIENT), beyond)
