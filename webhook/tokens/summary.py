"""A sentence about a token that is sufficient."""

from __future__ import annotations

from webhook.review.policy import Verdict
from webhook.text import day, join


def accepted(verdict: Verdict | None) -> str:
    """Return what the provider reports about a sufficient token, as a sentence; empty if it was not checked."""
    if verdict is None or verdict.cause is not None or not verdict.judged.host_name:
        return ""
    facts = verdict.judged.facts
    owner = f" of {facts.account}" if facts.account else ""
    holds = f" with {join(facts.holds)}" if facts.holds else ""
    until = f", until {day(facts.expires_at)}" if facts.expires_at is not None else ""
    article = "an" if facts.described[:1] in "AEIOaeio" else "a"
    return f"{verdict.judged.host_name} accepts it as {article} {facts.described}{owner}{holds}{until}."
