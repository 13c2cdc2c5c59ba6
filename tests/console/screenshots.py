"""Render the pictures in docs/how-to/console.md: ``.venv/bin/python -m tests.console.screenshots``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tests.console.test_in_chromium import Running
from tests.report.browser import chromium

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main(folder: Path = FOLDER) -> None:
    """Write ``console-light.png`` and ``console-dark.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        with chromium() as browser, Running() as running:
            page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme=scheme)
            page.goto(running.console.link())
            page.wait_for_selector("tr.error")
            page.wait_for_selector("progress", state="detached")
            page.screenshot(path=folder / f"console-{scheme}.png")


if __name__ == "__main__":
    main()
