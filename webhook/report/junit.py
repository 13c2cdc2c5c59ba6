"""Reports as JUnit XML for CI servers, with a test case for each entry.

A failure is an entry that the webhook would deny. An error is an entry that it would deny as unverified, or a reason
why the run is not complete. An entry that was not checked is skipped. There is no standard: elements and attributes are
those that Jenkins, GitLab and GitHub's actions read, in the order of Jenkins' XML schema.
"""

from __future__ import annotations

from collections import Counter
from typing import TextIO
from xml.etree import ElementTree as ET

from webhook.providers.findings import Outcome
from webhook.report.advice import advice, holder, rank
from webhook.report.document import timestamp
from webhook.report.model import NotLookedAt, Report, Row, Severity
from webhook.text import shown


def write_junit(report: Report, stream: TextIO) -> None:
    """Write one test suite."""
    name = f"git-token-webhook {shown(report.command)}"
    cases = [_case(row, report) for row in sorted(report.rows, key=rank)]
    cases += [_unseen(item) for item in report.not_looked_at]
    cases += [_problem(problem, number) for number, problem in enumerate(report.problems, start=1)]
    results = Counter(child.tag for case in cases for child in case)
    seconds = f"{(report.finished_at - report.started_at).total_seconds():.3f}"
    counts = {
        "tests": str(len(cases)),
        "failures": str(results["failure"]),
        "errors": str(results["error"]),
    }
    suites = ET.Element("testsuites", {"name": name, **counts, "time": seconds})
    suite = ET.SubElement(
        suites,
        "testsuite",
        {
            "name": name,
            **counts,
            "skipped": str(results["skipped"]),
            "time": seconds,
            "timestamp": timestamp(report.started_at).removesuffix("Z"),  # the schema allows no time zone
        },
    )
    suite.extend(cases)
    ET.indent(suites)
    stream.write('<?xml version="1.0" encoding="us-ascii"?>\n')
    stream.write(ET.tostring(suites, encoding="us-ascii", xml_declaration=False).decode("ascii"))
    stream.write("\n")


def _case(row: Row, report: Report) -> ET.Element:
    place = row.place
    secret = f"{place.file}: {place.secret}" if place.file else place.secret
    case = _element("testcase", {"classname": secret, "name": f"{place.field} ({holder(row)})", "time": "0"})
    message = row.message or f"This token is {row.outcome}."
    todo = advice(row, report.finished_at)
    lines = [row.finding or message, *row.warnings, todo, row.remedy if row.remedy not in todo else ""]
    if place.line:
        lines.append(f"{place.file}:{place.line}")
    text = "\n".join(shown(line) for line in lines if line)
    if row.severity is Severity.ERROR:
        tag = "error" if row.outcome is Outcome.UNVERIFIED else "failure"
        case.append(_element(tag, {"message": message, "type": row.outcome.value}, text))
    elif row.outcome is Outcome.SKIPPED:
        case.append(_element("skipped", {"message": row.skip_reason or message}))
    elif row.severity is not Severity.NONE:
        case.append(_element("system-out", {}, text))
    return case


def _unseen(item: NotLookedAt) -> ET.Element:
    place = item.place
    secret = f"{place.file}: {place.secret}" if place.file else place.secret
    case = _element("testcase", {"classname": secret, "name": item.what, "time": "0"})
    case.append(_element("skipped", {"message": item.why}))
    return case


def _problem(problem: str, number: int) -> ET.Element:
    case = _element("testcase", {"classname": "git-token-webhook", "name": f"complete ({number})", "time": "0"})
    case.append(_element("error", {"message": problem, "type": "incomplete"}, shown(problem)))
    return case


def _element(tag: str, attributes: dict[str, str], text: str = "") -> ET.Element:
    element = ET.Element(tag, {name: shown(value) for name, value in attributes.items()})
    if text:
        element.text = text  # `shown` has escaped the characters that XML does not allow
    return element
