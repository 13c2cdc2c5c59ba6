"""The sentences of denials and warnings.

Each is a whole sentence that names the provider and the account, what is missing and what to do. None holds a part of
a token.
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
    """Return what is wrong with one entry, in all the roles that it fails."""
    sentences: list[str] = []
    lacking = {role: f for role, f in findings.items() if f.outcome is Outcome.INSUFFICIENT and f.lacks}
    if lacking:
        sentences.append(_missing(host, facts, lacking))
    for finding in findings.values():
        if finding in lacking.values():
            continue
        sentence = _sentence(host, finding, whole_secret=whole_secret)
        if sentence not in sentences:
            sentences.append(sentence)
    if any(f.outcome in _REPLACEABLE for f in findings.values()):
        sentences.append(remedy or "Replace it with a working token.")
    return " ".join(sentences)


_MOST_NAMES = 40
_LASTING = "Waiting does not help."
_REPLACEABLE = {Outcome.INSUFFICIENT, Outcome.INVALID, Outcome.BLOCKED}


def _missing(host: str, facts: Facts, findings: Mapping[Role, Finding]) -> str:
    holds = join(_first(facts.holds)) or "none of the required permissions"
    also = "also " if facts.holds else ""
    owner = f" of {facts.account}" if facts.account else ""
    probed = f", probed on {facts.probed}," if facts.probed else ""
    needs = "; ".join(f"a {role} token {also}needs {join(finding.lacks)}" for role, finding in findings.items())
    return f"{host} says that this {facts.described}{owner}{probed} has {holds}; {needs}."


def _first(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the first names and how many follow; fine-grained tokens have hundreds of permissions."""
    more = len(names) - _MOST_NAMES
    return names if more <= 0 else (*names[:_MOST_NAMES], f"{more} more")


def _sentence(host: str, finding: Finding, *, whole_secret: bool) -> str:
    match finding.outcome:
        case Outcome.UNVERIFIED:
            unknown = f"{host} {finding.reason}, so this token cannot be verified"
            return f"{unknown}; a retry may pass." if finding.transient else f"{unknown}. {finding.remedy or _LASTING}"
        case Outcome.UNKNOWN_HOST:
            return (
                f"{host} is not a declared Git host, so this token was not checked and not sent anywhere; "
                "add the host under providers: to have it checked."
            )
        case Outcome.UNSUPPORTED:
            return f"{host or 'This value'} {finding.reason}, so it cannot be checked."
        case Outcome.MALFORMED:
            return f"This {'Secret' if whole_secret else 'value'} {finding.reason}."
        case _:
            return f"{host} {finding.reason}."


def expires_soon(host: str, facts: Facts, end: datetime, now: datetime) -> str:
    """Return the warning that a token is about to expire."""
    left = (end.date() - now.date()).days
    when = "today" if left < 1 else "tomorrow" if left < 2 else f"in {left} days"
    owner = f" of {facts.account}" if facts.account else ""
    return f"{host} says that this {facts.described}{owner} expires {when}, on {day(end)}; replace it before then."


def replacement(link: str) -> str:
    """Return what to do about a token that has expired.

    Args:
        link: the page that creates a new one; empty where that is unknown.
    """
    return f"Replace it with a new token: {link}" if link else "Replace it with a new token."


def link_in(sentence: str) -> str:
    """Return the first link in a sentence; empty where there is none."""
    words = (word.strip("().,;") for word in sentence.split())
    return next((word for word in words if word.startswith("https://")), "")


def admitted(sentence: str) -> str:
    """Return the warning of a write that is only allowed because of `mode: warn`."""
    return f"{sentence} With mode: enforce, this write would be denied."


def admitted_dry_run(sentence: str) -> str:
    """Return the warning of a dry run that passes although the write itself would be denied."""
    return f"{sentence} Without a dry run, this write would be denied."


def skipped(roles: Iterable[Role], reason: str) -> str:
    """Return the warning that some roles were not checked."""
    return f"The {join(sorted(roles))} token is not validated: {reason}."
