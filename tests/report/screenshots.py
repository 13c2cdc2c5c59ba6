"""Makes the pictures in docs/reference/report.md anew: ``.venv/bin/python -m tests.report.screenshots``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from tests.report.browser import address, chromium
from tests.report.reports import cluster
from webhook.report.formats import write

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main(folder: Path = FOLDER) -> None:
    """Write ``report-light.png`` and ``report-dark.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, chromium() as browser:
        file = Path(temporary) / "report.html"
        with file.open("w") as stream:
            write(cluster(), "html", stream, colors=False)
        for scheme in SCHEMES:
            page = browser.new_page(viewport={"width": 1280, "height": 1480}, color_scheme=scheme)
            page.goto(address(file))
            page.screenshot(path=folder / f"report-{scheme}.png")
            page.close()


if __name__ == "__main__":
    main()
