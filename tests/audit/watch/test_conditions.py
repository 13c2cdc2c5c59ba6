"""Failure conditions are logged when they change, and not for each change of a condition that flaps."""

from __future__ import annotations

import io
import json

import pytest
from pydantic import SecretStr

from webhook import logs
from webhook.audit.watch.conditions import Conditions
from webhook.cluster.requests import ApiError, explained


class Harness:
    def __init__(self) -> None:
        self.now = 0.0
        self.written = io.BytesIO()
        self.changes: list[tuple[str, bool]] = []
        log = logs.build_logger(self.written)
        self.conditions = Conditions(log, lambda what, failing: self.changes.append((what, failing)), lambda: self.now)

    @property
    def lines(self) -> list[tuple[str, int]]:
        """The event of each log line, and the number of changes that were not logged before it."""
        found = [json.loads(line) for line in self.written.getvalue().splitlines()]
        return [(one["event"], one.get("unlogged_changes", 0)) for one in found]


def test_a_failure_and_its_end_are_logged_once() -> None:
    """However often they are reported."""
    harness = Harness()
    for problem in ("down", "down", None, None):
        harness.conditions.set("events", problem)
    assert harness.lines == [("failing", 0), ("recovered", 0)]
    assert harness.changes == [("events", True), ("events", False)]


def test_a_flapping_condition_is_logged_three_times_an_hour_with_a_count() -> None:
    """Its metric follows each change."""
    harness = Harness()
    for number in range(20):
        harness.conditions.set("events", None if number % 2 else "down")
        harness.now += 60
    assert harness.lines == [("failing", 0), ("recovered", 0)] * 3
    harness.now += 3600
    harness.conditions.set("events", "down")
    assert harness.lines[6:] == [("failing", 7)]
    assert len(harness.changes) == 21


def test_a_recovery_is_logged_however_often_the_failure_changed() -> None:
    """An API server that restarts refuses connections, then answers 500, then works."""
    harness = Harness()
    for problem in ("no connection", "503", "no connection", "403", None):
        harness.conditions.set("secrets", problem)
    assert harness.lines == [("failing", 0), ("failing", 0), ("failing", 0), ("recovered", 1)]


def test_a_part_fails_while_it_fails_anywhere() -> None:
    """A namespace that works does not hide one that does not."""
    harness = Harness()
    harness.conditions.set("report-writes", "quota", place="a")
    harness.conditions.set("report-writes", None, place="b")
    assert harness.conditions["report-writes"] == "quota"
    harness.conditions.set("report-writes", None, place="a")
    assert harness.conditions["report-writes"] is None
    assert harness.lines == [("failing", 0), ("recovered", 0)]


def test_the_number_of_places_is_bounded() -> None:
    """A cluster has any number of namespaces."""
    harness = Harness()
    for number in range(5000):
        harness.conditions.set("events", "down", place=f"namespace-{number}")
    assert harness.conditions.places("events") == 1000


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            'secrets is forbidden: User "x" cannot list resource "secrets" in API group "" at the cluster scope',
            "this account lacks the verb list on secrets",
        ),
        (
            'reports.openreports.io is forbidden: User "x" cannot create resource "reports" in API group '
            '"openreports.io" in the namespace "team"',
            "this account lacks the verb create on reports in namespace team",
        ),
        ('reports "x" is forbidden: exceeded quota: objects, requested: 1', "a ResourceQuota of the namespace"),
        (
            "unable to create content in namespace a because it is being terminated",
            "the namespace is being deleted",
        ),
        ("ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no", "a ValidatingAdmissionPolicy denies it"),
        ('admission webhook "a.b" denied the request: secret text', "an admission webhook denies it"),
        ("something else with secret text", "another rule of the cluster"),
    ],
)
def test_a_403_is_explained_by_the_api_server(message: str, expected: str) -> None:
    """Not every 403 is a missing permission. Other texts are not repeated."""
    text = explained(ApiError("the API server answers 403", 403, SecretStr(message)))
    assert expected in text
    assert "secret text" not in text


def test_other_errors_are_not_explained() -> None:
    """Their text says why."""
    error = ApiError("the API server answers 500", 500, SecretStr('cannot list resource "secrets" in API group ""'))
    assert explained(error) == "the API server answers 500"
