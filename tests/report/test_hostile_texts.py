"""Whatever stands in a Secret's name, in a manifest or in a provider's answer, no format is broken by it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report.reports import NOW, cluster
from webhook.providers.findings import Outcome
from webhook.report.document import schema
from webhook.report.formats import FORMATS, Format, View, write
from webhook.report.model import ApplicationRow, Attested, NotLookedAt, Place, Report, Row, Severity
from webhook.text import shown

NASTY = (
    "</script><script>window.owned = true</script>",
    "</noscript><img src=x onerror=window.owned=true>",
    "</title><svg onload=window.owned=true>",
    "\"'><b onmouseover=window.owned=true>",
    "<!--<script>",
    "]]>&amp;&#0;&lt;",
    "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m",
    "\r\n\t\v\f\x85\u2028\u2029- a: b",
    "\u202e\u2066desrever\u200f\ufeff",
    "\x00\x08\x7f\ufffe\uffff",
    "\ud800",
    "[bold red]markup[/] :smile:",
    "$style ${script} %s {0} {{x}}",
    "javascript:window.owned=true",
    "=HYPERLINK(1)",
    "x" * 65_536,
)

texts = st.one_of(st.sampled_from(NASTY), st.text(st.characters(codec=None), min_size=1, max_size=40))


def report_of(text: Iterator[str]) -> Report:
    """A report in which every text is the next of `text`."""
    place = Place(next(text), next(text), next(text), next(text), next(text), 7)
    row = Row(
        place,
        roles=(next(text),),
        outcome=Outcome.INSUFFICIENT,
        severity=Severity.ERROR,
        rules=(next(text),),
        user=next(text),
        outcomes={next(text): Outcome.INSUFFICIENT},
        message=next(text),
        warnings=(next(text),),
        remedy=next(text),
        provider=next(text),
        host=next(text),
        url=next(text),
        account=next(text),
        token_type=next(text),
        scopes=(next(text), next(text)),
        expires_at=datetime(2026, 12, 1, tzinfo=UTC),
        skip_reason=next(text),
        attested=Attested.CHANGED,
        token=1,
        validated_at=NOW,
        applications=(next(text),),
    )
    return Report(
        command="check",
        started_at=NOW,
        finished_at=NOW,
        sources=(next(text),),
        rows=(row,),
        not_looked_at=(NotLookedAt(place, next(text), next(text)),),
        applications=(
            ApplicationRow(next(text), next(text), next(text), next(text), next(text), place, False, next(text)),
        ),
        passed_over={next(text): 1},
        problems=(next(text),),
    )


TEXTS = 34


def hostile() -> st.SearchStrategy[Report]:
    return st.lists(texts, min_size=TEXTS, max_size=TEXTS).map(iter).map(report_of)


def written(report: Report, format: Format, *, colors: bool = False, view: View = "findings") -> str:
    stream = StringIO()
    write(report, format, stream, colors=colors, view=view)
    return stream.getvalue()


@given(hostile())
@settings(deadline=None, max_examples=60)
def test_json_and_yaml_stay_well_formed(report: Report) -> None:
    """Both are ASCII, say the same, and are what the schema says."""
    as_json, as_yaml = written(report, "json"), written(report, "yaml")
    assert as_json.isascii()
    assert as_yaml.isascii()
    found = json.loads(as_json)
    assert yaml.safe_load(as_yaml) == found
    jsonschema.Draft202012Validator(schema()).validate(found)


@given(hostile())
@settings(deadline=None, max_examples=60)
def test_xml_stays_well_formed(report: Report) -> None:
    """And no text adds an element."""
    text = written(report, "junit")
    assert text.isascii()
    tags = [element.tag for element in ET.fromstring(text).iter()]  # noqa: S314 - ours
    assert tags == ["testsuites", "testsuite", "testcase", "failure", "testcase", "skipped", "testcase", "error"]


@given(hostile())
@settings(deadline=None, max_examples=60)
def test_sarif_stays_well_formed(report: Report) -> None:
    """One result, whose texts are only texts."""
    text = written(report, "sarif")
    assert text.isascii()
    (run,) = json.loads(text)["runs"]
    (result,) = run["results"]
    assert "](" not in result["message"]["text"]
    assert re.fullmatch(r"[!-~]+", result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])


class Shape(HTMLParser):
    """The elements of a page with the names of their attributes, and where they may lead."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.data = ""
        self._in_data = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self._in_data = ("id", "data") in attrs

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data

    def handle_endtag(self, tag: str) -> None:
        self._in_data = False


HARMLESS = Shape(written(report_of(iter(f"text {number}" for number in range(TEXTS))), "html"))


@given(hostile())
@settings(deadline=None, max_examples=60)
def test_html_keeps_its_shape(report: Report) -> None:
    """No text adds an element, an attribute, or a link to somewhere else; the data stays what it is."""
    page = written(report, "html")
    assert page.isascii()
    shape = Shape(page)
    assert shape.elements == HARMLESS.elements
    assert all(link.startswith("#") for link in shape.links)
    (entry,) = json.loads(shape.data)["entries"]
    assert entry["secret"] == shown(report.rows[0].place.secret)


@given(hostile(), st.booleans(), st.sampled_from(("findings", "tokens")))
@settings(deadline=None, max_examples=60)
def test_a_terminal_is_told_nothing_but_colours(report: Report, colors: bool, view: View) -> None:
    """No escape, control or change of direction reaches it; ours are colours alone."""
    text = written(report, "table", colors=colors, view=view)
    if colors:
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize("nasty", NASTY)
@pytest.mark.parametrize("format", FORMATS)
def test_each_nasty_text_in_every_field(nasty: str, format: Format) -> None:
    """The ones that a random choice might leave out."""
    text = written(report_of(iter([nasty] * TEXTS)), format)
    assert all(char.isprintable() or char == "\n" for char in text)


def test_only_web_addresses_become_links() -> None:
    """What a provider calls a link may be a script."""
    from dataclasses import replace

    for remedy in ("javascript:alert(1)", "data:text/html,x", "http://github.com/", "https://a b", "//evil.example"):
        found = cluster(1)
        page = written(replace(found, rows=(replace(found.rows[0], remedy=remedy),)), "html")
        assert json.loads(Shape(page).data)["entries"][0]["link"] == ""
