"""A report as JUnit XML."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from tests.report.reports import cluster, report, row
from webhook.providers.findings import Outcome
from webhook.report.formats import write
from webhook.report.model import Report, Row, Severity

# What the XML schema of Jenkins' xUnit plugin (junit-10.xsd) allows.
ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "disabled", "errors"},
    "testsuite": {
        *("name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp"),
        *("hostname", "id", "package", "file", "log", "url", "version"),
    },
    "testcase": {"name", "time", "classname", "group"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
    "system-out": set(),
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"failure", "error", "skipped", "system-out"},
}


def written(report: Report) -> str:
    stream = StringIO()
    write(report, "junit", stream, colors=False)
    return stream.getvalue()


def read(tmp_path: Path, report: Report) -> TestSuite:
    """As a CI server reads it."""
    file = tmp_path / "report.xml"
    file.write_text(written(report))
    (suite,) = JUnitXml.fromfile(str(file))
    assert isinstance(suite, TestSuite)
    return suite


def cases(suite: TestSuite) -> list[TestCase]:
    return list(suite)


def test_it_has_what_ci_servers_allow_and_nothing_else() -> None:
    """Elements, attributes and their nesting."""
    root = ET.fromstring(written(cluster()))  # noqa: S314 - ours
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag], element.tag
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        if element.tag == "testcase":
            assert len(element) <= 1


def test_a_reader_counts_what_is_there(tmp_path: Path) -> None:
    """The numbers of the suite are those of its cases."""
    found = cluster()
    suite = read(tmp_path, found)
    said = (suite.tests, suite.failures, suite.errors, suite.skipped)
    suite.update_statistics()  # type: ignore[no-untyped-call]
    assert said == (suite.tests, suite.failures, suite.errors, suite.skipped)
    assert suite.tests == len(found.rows) + len(found.not_looked_at)


@pytest.mark.parametrize(
    ("entry", "result"),
    [
        (row(Outcome.INSUFFICIENT), Failure),
        (row(Outcome.INVALID), Failure),
        (row(Outcome.UNVERIFIED, severity=Severity.ERROR), Error),
        (row(Outcome.SKIPPED), Skipped),
        (row(Outcome.SKIPPED, severity=Severity.WARNING), Skipped),
        (row(Outcome.UNVERIFIED), None),
        (row(Outcome.SUFFICIENT), None),
    ],
)
def test_what_counts_as_what(tmp_path: Path, entry: Row, result: type | None) -> None:
    """Refused is a failure, unknown where that is refused an error, not checked is skipped; the rest passes."""
    (case,) = cases(read(tmp_path, report(entry)))
    assert [type(one) for one in case.result] == ([result] if result else [])


def test_a_warning_is_output(tmp_path: Path) -> None:
    """It is there to read, and fails nothing."""
    (case,) = cases(read(tmp_path, report(row(Outcome.UNVERIFIED, message="github.com did not answer."))))
    assert "github.com did not answer." in (case.system_out or "")


def test_an_incomplete_run_is_an_error(tmp_path: Path) -> None:
    """A CI job must not be green because nothing was looked at."""
    suite = read(tmp_path, report(problems=("The API server went away.",)))
    assert suite.errors == 1


def test_a_failure_names_file_and_line(tmp_path: Path) -> None:
    """People go there."""
    (case,) = cases(read(tmp_path, report(row(file="creds.yaml", line=4), command="check")))
    assert case.classname == "creds.yaml: argocd/repo-creds"
    assert "creds.yaml:4" in (case.result[0].text or "")
