"""The browser, for tests that look at a page as people do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.report.browser import chromium
from tests.support.go_programs import BinariesUnavailable, skip_or_fail


@pytest.fixture(scope="module")  # not longer: while it runs, no test may have an event loop of its own
def browser() -> Iterator[Browser]:
    """A running Chromium. Without one to be had: skipped, but an error where CI is set."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(chromium())
        except BinariesUnavailable as error:
            skip_or_fail(str(error))
        yield running
