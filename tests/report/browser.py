"""A real Chromium, in which the HTML report is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.support.debian_programs import CHROMIUM


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser. Raises `BinariesUnavailable` where there is none to be had."""
    path, environment = CHROMIUM.find_or_fetch()
    # Containers have no user namespaces for its sandbox; it opens nothing but our own page.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, env={**environment}, chromium_sandbox=False, args=["--font-render-hinting=none"]
        )
        try:
            yield browser
        finally:
            browser.close()


def address(path: Path) -> str:
    """Of a file."""
    return path.resolve().as_uri()
