"""The HTML report, looked at in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from tests.report.browser import address
from tests.report.reports import cluster, report, row
from tests.report.test_hostile_texts import NASTY, TEXTS, report_of
from webhook.providers.findings import Outcome
from webhook.report.formats import write
from webhook.report.model import Report

pytestmark = pytest.mark.timeout(300)  # the first test may fetch the browser

Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a report's page, and sees at the end that it said nothing wrong and asked for nothing else."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def opened(report: Report, fragment: str = "", **options: Any) -> Page:
        file = tmp_path / "report.html"
        with file.open("w", encoding="ascii") as stream:
            write(report, "html", stream, colors=False)
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address(file) + fragment)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert {url.partition("#")[0] for url in asked} == {address(tmp_path / "report.html")}


def rows(page: Page) -> Any:
    return page.locator("#rows > tr")


def status(page: Page) -> Any:
    return page.locator("#status")


def test_it_answers_at_a_glance(open_page: Open) -> None:
    """How many there are, how bad, by state, provider and role, and what ends next."""
    page = open_page(cluster())
    expect(page.locator("h1")).to_have_text("90 Git tokens in 61 Secrets")
    expect(page.locator(".strip a")).to_have_count(4)
    expect(page.locator(".breakdown h2")).to_have_text(["By state", "By provider", "By role"])
    expect(page.locator(".next li")).to_have_count(6)
    expect(page.get_by_role("img", name="Tokens by month of expiry")).to_be_visible()


def test_entries_are_filtered_by_what_is_chosen(open_page: Open) -> None:
    """State, provider and role together."""
    found = cluster()
    page = open_page(found)
    page.get_by_label("State").select_option("insufficient")
    page.get_by_label("Provider").select_option("github")
    page.get_by_label("Role").select_option("user")
    wanted = [
        one
        for one in found.rows
        if one.outcome is Outcome.INSUFFICIENT and one.provider == "github" and "user" in one.roles
    ]
    expect(status(page)).to_have_text(f"{len(wanted)} of 140 entries")
    expect(rows(page)).to_have_count(len(wanted))


def test_the_end_is_a_filter(open_page: Open) -> None:
    """What ends within a month, and what nobody knows of."""
    found = cluster()
    page = open_page(found)
    page.get_by_label("Expires").select_option("30")
    soon = [
        one
        for one in found.rows
        if one.expires_at and 0 <= (one.expires_at.date() - found.finished_at.date()).days <= 30
    ]
    expect(status(page)).to_have_text(f"{len(soon)} of 140 entries")
    page.get_by_label("Expires").select_option("unknown")
    expect(status(page)).to_have_text(f"{sum(one.expires_at is None for one in found.rows)} of 140 entries")


def test_a_search_finds_all_its_words(open_page: Open) -> None:
    """In any field, in any order; and says so when there is nothing."""
    page = open_page(report(row(name="one", message="It lacks repo."), row(name="two", message="It lacks api.")))
    page.get_by_label("Search").fill("repo LACKS")
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Search").fill("nowhere")
    expect(status(page)).to_have_text("No entry matches.")
    page.get_by_role("button", name="Clear").click()
    expect(rows(page)).to_have_count(2)


def test_a_figure_leads_to_its_entries(open_page: Open) -> None:
    """Each number is a link to what it counts."""
    page = open_page(cluster())
    page.locator(".breakdown").first.get_by_role("link", name="invalid").click()
    expect(page.get_by_label("State")).to_have_value("invalid")
    page.locator(".strip a.warning").click()
    expect(page.get_by_label("State")).to_have_value("")
    expect(status(page)).to_contain_text(": have warnings")


def test_headings_sort_both_ways(open_page: Open) -> None:
    """And say so to those who don't see the arrow."""
    page = open_page(report(*(row(name=name) for name in ("b", "a", "c"))))
    heading = page.get_by_role("columnheader", name="Secret")
    for order, names in (("ascending", "abc"), ("descending", "cba")):
        heading.get_by_role("button").click()
        expect(heading).to_have_attribute("aria-sort", order)
        secrets = [text.split("/")[1][0] for text in page.locator("#rows td:nth-child(2)").all_inner_texts()]
        assert "".join(secrets) == names


def test_what_was_asked_for_stands_in_the_address(open_page: Open) -> None:
    """A link to a view can be kept and sent."""
    page = open_page(cluster(), "#state=invalid&sort=-secret")
    expect(page.get_by_label("State")).to_have_value("invalid")
    expect(page.get_by_role("columnheader", name="Secret")).to_have_attribute("aria-sort", "descending")
    page.get_by_label("Role").select_option("user")
    assert page.evaluate("location.hash") == "#state=invalid&role=user&sort=-secret"


def test_it_works_from_the_keyboard(open_page: Open) -> None:
    """Search with a slash, then by Tab through the filters to the headings, and a heading by Enter."""
    page = open_page(cluster())
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("team")
    for _ in range(6):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="State")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Secret")).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="State")).to_be_focused()


def test_pages_are_turned(open_page: Open) -> None:
    """Fifty entries at a time, so that five thousand are as quick as five."""
    page = open_page(cluster(5000))
    expect(rows(page)).to_have_count(50)
    expect(page.locator("#page")).to_have_text("Page 1 of 100")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#page")).to_have_text("Page 2 of 100")
    page.get_by_label("Search").fill("team-atlas")
    expect(page.locator("#page")).to_contain_text("Page 1 of")
    expect(page.get_by_role("button", name="Previous")).to_be_disabled()


def test_all_that_matches_is_printed(open_page: Open) -> None:
    """Paper has no button for the next page; afterwards the screen is as before."""
    page = open_page(cluster(200))
    counted = "addEventListener('beforeprint', () => window.printed = document.querySelectorAll('#rows > tr').length)"
    page.evaluate(counted)
    page.pdf()
    assert page.evaluate("window.printed") == 200
    expect(rows(page)).to_have_count(50)


def test_without_scripts_there_is_a_table_of_everything(open_page: Open) -> None:
    """And no control that does nothing."""
    page = open_page(cluster(), java_script_enabled=False)
    expect(page.locator("noscript tbody > tr")).to_have_count(140)
    expect(page.locator("#controls")).to_be_hidden()
    expect(page.locator("#scripted")).to_be_hidden()


def test_with_scripts_there_is_one_table_of_entries(open_page: Open) -> None:
    """The other one isn't even made."""
    page = open_page(cluster())
    expect(page.locator("table.entries")).to_have_count(1)


def test_an_incomplete_run_says_so_on_top(open_page: Open) -> None:
    """Before any number."""
    page = open_page(report(problems=("The API server went away.",)))
    expect(page.get_by_role("heading", name="This run is not complete")).to_be_visible()
    expect(page.get_by_text("The API server went away.")).to_be_visible()


@pytest.mark.parametrize("nasty", [text for text in NASTY if len(text) < 1000])
def test_nothing_in_a_report_runs(open_page: Open, nasty: str) -> None:
    """Neither at loading nor when it is drawn."""
    page = open_page(report_of(iter([nasty] * TEXTS)))
    expect(rows(page)).to_have_count(1)
    page.locator("summary").click()
    assert page.evaluate("window.owned") is None


def test_the_policy_lets_nothing_else_run(browser: Browser, tmp_path: Path) -> None:
    """Should a text ever get out of its place, the Content-Security-Policy still stops it, and what it would load."""
    file = tmp_path / "report.html"
    with file.open("w") as stream:
        write(report(row()), "html", stream, colors=False)
    escaped = "<b onclick='owned = 1'>x</b><script>owned = 1</script><style>b { color: red }</style><img src='x.png'>"
    file.write_text(file.read_text().replace("<main>", f"<main>{escaped}"))
    page = browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(address(file))
    page.locator("main > b").click()
    assert page.evaluate("window.owned") is None
    assert sum("Content Security Policy" in text for text in refused) == 4
    expect(rows(page)).to_have_count(1)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_bars_people_from_it(open_page: Open, scheme: Literal["light", "dark"], width: int) -> None:
    """axe-core finds no barrier, contrast among them, with details open and with a filter in place."""
    found = replace(cluster(), problems=("The API server went away.",))
    page = open_page(found, "#severity=error", color_scheme=scheme, viewport={"width": width, "height": 900})
    page.locator("summary").first.click()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_nothing_is_cut_off_on_a_phone(open_page: Open) -> None:
    """The page is never wider than the screen."""
    page = open_page(cluster(), viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
