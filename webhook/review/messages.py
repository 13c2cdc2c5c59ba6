"""The sentences that people read: who says what about which token, what is missing, and what to do.

Each is whole, names the provider and the account, and holds no part of a token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from webhook.providers.findings import Facts, Finding, Outcome
from webhook.providers.requirements import Role
from webhook.text import day, join


def failure(
    host: str, facts: Facts, findings: Mapping[Role, Finding], remedy: str, *, whole_secret: bool = False
) -> str:
    """What is wrong with one entry, in all the roles that it fails: one cause."""
    sentences: list[str] = []
    lacking = {role: f for role, f in findings.items() if f.outcome is Outcome.INSUFFICIENT and f.lacks}
    if lacking:
        sentences.append(_lacks(host, facts, lacking))
    for finding in findings.values():
        if finding in lacking.values():
            continue
        sentence = _told(host, finding, whole_secret=whole_secret)
        if sentence not in sentences:
            sentences.append(sentence)
    if any(f.outcome in _MENDABLE for f in findings.values()):
        sentences.append(remedy or "Put one in its place that works.")
    return " ".join(sentences)


_MOST_NAMES = 40
_STAYS = "Waiting does not change that."
_MENDABLE = {Outcome.INSUFFICIENT, Outcome.INVALID, Outcome.BLOCKED}


def _lacks(host: str, facts: Facts, findings: Mapping[Role, Finding]) -> str:
    holds = join(_first(facts.holds)) or "none of what is asked here"
    also = "also " if facts.holds else ""
    owner = f" of {facts.account}" if facts.account else ""
    probed = f", probed on {facts.probed}," if facts.probed else ""
    needs = "; ".join(f"a {role} token {also}needs {join(finding.lacks)}" for role, finding in findings.items())
    return f"{host} says that this {facts.described}{owner}{probed} has {holds}; {needs}."


def _first(names: tuple[str, ...]) -> tuple[str, ...]:
    """As many as a person reads; fine-grained tokens have hundreds of permissions."""
    more = len(names) - _MOST_NAMES
    return names if more <= 0 else (*names[:_MOST_NAMES], f"{more} more")


def _told(host: str, finding: Finding, *, whole_secret: bool) -> str:
    match finding.outcome:
        case Outcome.UNVERIFIED:
            unknown = f"{host} {finding.reason}, so that this token is known neither to be good nor bad"
            return f"{unknown}; a retry may pass." if finding.transient else f"{unknown}. {finding.remedy or _STAYS}"
        case Outcome.UNKNOWN_HOST:
            return (
                f"{host} is no Git host that this webhook knows, so its token is not checked and was sent nowhere; "
                "declare it under providers: to have it checked."
            )
        case Outcome.UNSUPPORTED:
            return f"{host or 'This value'} {finding.reason}, so that it can't be checked."
        case Outcome.MALFORMED:
            return f"This {'Secret' if whole_secret else 'value'} {finding.reason}."
        case _:
            return f"{host} {finding.reason}."


def expires_soon(host: str, facts: Facts, end: datetime, now: datetime) -> str:
    """A warning that a token is about to end."""
    left = (end.date() - now.date()).days
    when = "today" if left < 1 else "tomorrow" if left < 2 else f"in {left} days"
    owner = f" of {facts.account}" if facts.account else ""
    return f"{host} says that this {facts.described}{owner} expires {when}, on {day(end)}; replace it before."


def replacement(link: str) -> str:
    """What to do about a token that has expired.

    Args:
        link: where a new one is made; empty where that isn't known.
    """
    return f"Replace it with a new token: {link}" if link else "Replace it with a new token."


def link_in(sentence: str) -> str:
    """The first link in a sentence; empty where there is none."""
    words = (word.strip("().,;") for word in sentence.split())
    return next((word for word in words if word.startswith("https://")), "")


def admitted(sentence: str) -> str:
    """A warning of what is only let in because nothing is enforced yet."""
    return f"{sentence} It would be refused under mode: enforce."


def admitted_dry_run(sentence: str) -> str:
    """Return the warning of a dry run that passes although the write itself would be denied."""
    return f"{sentence} The write itself, without a dry run, would be denied."


def skipped(roles: Iterable[Role], reason: str) -> str:
    """A warning that something was not checked."""
    return f"The {join(sorted(roles))} token is not validated: {reason}."
