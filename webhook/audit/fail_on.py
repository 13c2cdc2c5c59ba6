"""The findings of a report that cause exit code 1 (`--fail-on`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from webhook.errors import ConfigurationError
from webhook.providers.findings import Outcome
from webhook.report.model import Attested, Report, Row, Severity

DEFAULT = ("error", "applications")
_UNATTESTED_CHANGE = (Attested.CHANGED, Attested.UNTRUSTED)

_OF_ROWS: dict[str, Callable[[Row], bool]] = {
    "error": lambda row: row.severity is Severity.ERROR,
    "warning": lambda row: row.severity in (Severity.ERROR, Severity.WARNING),
    "never-attested": lambda row: row.attested is Attested.NEVER,
    "changed": lambda row: row.attested in _UNATTESTED_CHANGE,
}
_OUTCOMES = tuple(outcome.value for outcome in Outcome if outcome is not Outcome.SUFFICIENT)
WORDS = (*_OF_ROWS, *_OUTCOMES, "expiring", "applications", "not-looked-at", "none")
"""The values of ``--fail-on``."""


def parse(given: Iterable[str]) -> frozenset[str]:
    """Parse the values of one or several ``--fail-on``.

    Raises:
        ConfigurationError: a value is invalid.
    """
    words = [word.strip() for text in given for word in text.split(",") if word.strip()]
    for word in words:
        if word not in WORDS:
            raise ConfigurationError(f"--fail-on: unknown value {word[:60]!r}; valid values are {', '.join(WORDS)}")
    if "none" in words and len(set(words)) > 1:
        raise ConfigurationError("--fail-on: none cannot be combined with other values")
    return frozenset(words)


def fails(report: Report, words: frozenset[str], warn_within: timedelta) -> bool:
    """Whether the report has a finding that `words` select.

    Args:
        warn_within: the remaining lifetime below which a token is expiring.
    """
    tests = [test for word, test in _OF_ROWS.items() if word in words]
    if any(test(row) for row in report.rows for test in tests):
        return True
    if any(outcome.value in words for row in report.rows for outcome in (row.outcome, *row.outcomes.values())):
        return True
    end = report.finished_at + warn_within
    if "expiring" in words and any(row.expires_at is not None and row.expires_at < end for row in report.rows):
        return True
    if "applications" in words and any(row.would_sync is False for row in report.applications):
        return True
    return "not-looked-at" in words and bool(report.not_looked_at)
