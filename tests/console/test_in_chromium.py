"""The console in a real browser: with mouse and keyboard, live, narrow and wide, and without violations of axe-core."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from tests.report.conftest import browser as browser  # the fixture
from webhook.console.server import Console, Options
from webhook.demo.console import demo_console

pytestmark = pytest.mark.timeout(300)  # the first test may fetch the browser


class Running:
    """The demo's console in a thread, because Playwright blocks."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._context = demo_console(Options(cluster="demo"))

    def __enter__(self) -> Running:
        self._thread.start()
        self.console: Console = self.run(self._context.__aenter__())
        return self

    def __exit__(self, *error: object) -> None:
        self.run(self._context.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine in the thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)


@pytest.fixture
def running() -> Iterator[Running]:
    """The demo's console."""
    with Running() as started:
        yield started


@pytest.fixture
def page(browser: Browser, running: Running) -> Iterator[Page]:
    """A page of the console, entered by its link, which reports no error and loads nothing from other hosts."""
    expect.set_options(timeout=20_000)  # milliseconds; the default of 5 s is short for a busy machine
    said: list[str] = []
    hosts: set[str] = set()
    context = browser.new_context()
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2] if "//" in request.url else ""))
    page.goto(running.console.link())
    expect(page.locator("h1")).to_have_text("6 tokens of runtimes")
    expect(page.locator("tr.error")).to_have_count(3, timeout=20_000)  # the first check is done
    yield page
    context.close()
    assert said == []
    assert hosts <= {running.console.origin.split("/")[2], ""}


def test_problems_come_first_and_filters_work_by_keyboard(page: Page) -> None:
    """The slash key focuses the search, typing filters the rows, and the address holds the filter."""
    states = page.locator("tbody .state").all_inner_texts()
    assert states[:3].count("invalid") + states[:3].count("insufficient") == 3
    page.keyboard.press("/")
    page.keyboard.type("borealis", delay=20)
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.url.endswith("?q=borealis")
    expect(page.locator("#q")).to_be_focused()
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_change_in_one_tab_appears_in_the_other(page: Page) -> None:
    """A token that is deleted by keyboard in one tab disappears from the other without a reload."""
    expect(page.locator("tbody tr", has_text="dione")).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    other.locator("tr", has_text="dione").get_by_role("link", name="runtime-repo-creds-secret").press("Enter")
    other.locator("summary", has_text="Delete the token").press("Enter")
    expect(other.get_by_text("can then no longer sync 1 Application with it: dione/apps")).to_be_visible()
    other.get_by_label("to confirm").fill("runtime-repo-creds-secret")
    other.keyboard.press("Enter")
    expect(other.get_by_role("status").first).to_contain_text("The Secret is deleted")
    expect(page.locator("h1")).to_have_text("5 tokens of runtimes", timeout=10_000)


def test_an_invalid_token_is_denied_with_a_link(page: Page) -> None:
    """A pasted token that the provider rejects is not stored, and the page links to where a better one is created."""
    page.locator("tr", has_text="atlas").get_by_role("link", name="runtime-repo-creds-secret").click()
    page.locator("summary", has_text="Replace the token").click()
    token = "ghp_" + "x" * 36
    page.get_by_label("New token").fill(token)
    page.get_by_role("button", name="Check and store").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Nothing was changed.")
    expect(alert.get_by_role("link", name="Create a token")).to_be_visible()
    assert token not in page.content()
    storage = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, history.state])")
    assert storage == '[{},{},"",null]'


def test_an_ended_session_says_how_to_go_on(browser: Browser, running: Running) -> None:
    """A page whose session has ended says how to open the console again."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(running.console.link())
    expect(page.locator("h1")).to_contain_text("tokens of runtimes")
    guard, clock = running.console.guard, running.console.guard.clock
    guard.clock = lambda: clock() + 10_000
    page.reload()
    expect(page.locator("body")).to_contain_text("The session has ended")
    expect(page.locator("body")).to_contain_text("Press Enter in the terminal")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_people_with_disabilities_can_use_it(page: Page, scheme: Any) -> None:
    """axe-core finds no violation on any page, light or dark."""
    page.emulate_media(color_scheme=scheme)
    base = page.url.rstrip("/")
    secret = "/secrets/borealis/runtime-repo-creds-secret"
    for path in ("/", "/users", "/timeline", "/add", secret, "/secrets/none/none"):
        response = page.request.get(base + path)
        if path.endswith("none"):
            assert response.status == 404
            continue
        page.goto(base + path)
        for summary in page.locator("main details > summary").all():
            summary.click()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [390, 768, 1440, 1920])
def test_it_fits_every_width(page: Page, width: int) -> None:
    """No page scrolls sideways, from a telephone to a wide screen."""
    page.set_viewport_size({"width": width, "height": 900})
    base = page.url.rstrip("/")
    for path in ("/", "/users", "/timeline", "/add", "/secrets/borealis/runtime-repo-creds-secret"):
        page.goto(base + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_it_reads_without_javascript(browser: Browser, running: Running) -> None:
    """Without JavaScript the link opens the console, and search and links work."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(running.console.link())
    page.wait_for_url("**/")
    page.get_by_label("Search").fill("europa")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="runtime-repo-creds-secret").click()
    expect(page.locator("h1")).to_have_text("runtime-repo-creds-secret")
    context.close()
