"""The evidence of a verdict on the HTML page."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

from tests.report.reports import report, row
from webhook.report.evidence import Evidence, Requirement, RoleEvidence, Source
from webhook.report.formats import write


def written(why: str) -> str:
    """A page with one entry, whose only requirement is missing for this reason."""
    source = Source(1, "x-oauth-scopes", "read:org")
    requirement = Requirement("repo", "missing", [source], why)
    role = RoleEvidence("insufficient", ["repo"], "", False, [requirement])
    evidence = Evidence({"runtime": role}, [], [])
    stream = io.StringIO()
    write(report(replace(row(), evidence=evidence)), "html", stream, colors=False)
    return stream.getvalue()


def test_the_page_shows_what_each_response_proves() -> None:
    """The evidence is in the table for browsers without JavaScript, and in the data for the script."""
    page = written("")
    line = "missing repo (request 1: x-oauth-scopes read:org)"
    assert f'<li class="error depth-1">{line}</li>' in page
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    lines = json.loads(data[1])["entries"][0]["evidence"]
    assert {"depth": 1, "style": "error", "text": line} in lines


def test_evidence_is_escaped() -> None:
    """A provider's text in the evidence is no element."""
    page = written("</script><img src=x onerror=alert(1)>\u202e")
    assert "<img" not in page and "\u202e" not in page and "&#8238;" not in page
