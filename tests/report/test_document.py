"""A report as JSON and YAML."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from tests.report.reports import NOW, cluster, report, row
from webhook.providers.findings import Outcome
from webhook.report.document import document, schema
from webhook.report.evidence import Evidence
from webhook.report.formats import FORMATS, VIEWS, Format, write
from webhook.report.model import Attested, Report, Severity


def written(report: Report, format: Format, *, colors: bool = False) -> str:
    stream = StringIO()
    write(report, format, stream, colors=colors)
    return stream.getvalue()


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


def test_json_is_what_its_schema_says(validator: jsonschema.Draft202012Validator) -> None:
    """A report with everything in it validates against the schema that comes with the program."""
    validator.validate(json.loads(written(cluster(), "json")))


def test_an_empty_report_is_one_too(validator: jsonschema.Draft202012Validator) -> None:
    """Nothing found is a whole document."""
    found = json.loads(written(report(), "json"))
    validator.validate(found)
    assert found["entries"] == []
    assert found["complete"] is True


def test_yaml_says_the_same_as_json() -> None:
    """Whoever reads the one may read the other."""
    assert yaml.safe_load(written(cluster(), "yaml")) == json.loads(written(cluster(), "json"))


def test_the_schema_describes_every_key() -> None:
    """A key that the schema doesn't name would be one that nobody can rely on."""
    described = schema()

    def undescribed(value: Any, by: dict[str, Any], path: str) -> list[str]:
        for key, described_by in (("$ref", by.get("$ref")), ("oneOf", by.get("oneOf"))):
            if key == "$ref" and described_by:
                return undescribed(value, described["$defs"][described_by.rpartition("/")[2]], path)
            if key == "oneOf" and described_by:
                return undescribed(value, described_by[-1], path)
        if isinstance(value, list):
            return [missing for item in value for missing in undescribed(item, by["items"], f"{path}[]")]
        if isinstance(value, dict) and "properties" in by:
            return [
                missing
                for key, item in value.items()
                for missing in (
                    undescribed(item, by["properties"][key], f"{path}.{key}")
                    if key in by["properties"]
                    else [f"{path}.{key}"]
                )
            ]
        return []

    assert undescribed(document(cluster()), described, "") == []


def test_the_schema_of_evidence_is_that_of_its_types() -> None:
    """The published schema and the code agree about evidence."""
    _, components = msgspec.json.schema_components([Evidence], ref_template="#/$defs/{name}")
    assert {name: schema()["$defs"][name] for name in components} == components


def test_the_worst_comes_first() -> None:
    """Who reads only the beginning reads what matters."""
    found = document(report(row(Outcome.SUFFICIENT), row(Outcome.SKIPPED), row(Outcome.INVALID)))
    assert [entry["outcome"] for entry in found["entries"]] == ["invalid", "skipped", "sufficient"]


def test_what_is_not_known_is_null() -> None:
    """An empty text would look like an answer."""
    (entry,) = document(report(row()))["entries"]
    assert entry["expiresAt"] is None
    assert entry["account"] is None
    assert entry["attested"] is None


def test_a_finding_says_what_to_do() -> None:
    """Each outcome but a good one has an advice."""
    for outcome in Outcome:
        (entry,) = document(report(row(outcome)))["entries"]
        assert (entry["advice"] is None) == (outcome is Outcome.SUFFICIENT)


def test_what_was_changed_behind_the_webhook_asks_for_a_look() -> None:
    """Also where the token itself is good."""
    from dataclasses import replace

    changed = replace(row(Outcome.SUFFICIENT, severity=Severity.WARNING), attested=Attested.CHANGED, expires_at=NOW)
    (entry,) = document(report(changed))["entries"]
    assert "Find out who changed it" in entry["advice"]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_writes_an_empty_report(format: Format) -> None:
    """Nothing found is no error."""
    assert written(report(), format).strip()


def test_the_views_are_told() -> None:
    """The commands offer what can be written."""
    assert VIEWS == ("findings", "tokens")
    assert FORMATS == ("table", "json", "yaml", "junit", "sarif", "html")
