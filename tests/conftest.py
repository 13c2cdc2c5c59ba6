import os
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import settings

from tests.third_party.tools import tool as tool  # a fixture, which pytest finds here

# No deadline for a single example: on a busy machine it fails tests of sound code. A failure prints what repeats it.
settings.register_profile("steady", deadline=None, print_blob=True)
settings.load_profile("steady")

# Compiled modules are kept, also where PYTHONDONTWRITEBYTECODE is set, as it is in many containers: without them, each
# of the processes that tests start compiles everything again, for two seconds of CPU.
BYTECODE = str(Path(__file__).resolve().parents[1] / ".cache" / "bytecode")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", BYTECODE)
sys.dont_write_bytecode = False
sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"]

TEST_TIMEOUT_SECONDS = 120
BUILD_TIMEOUT_SECONDS = 900
"""For tests that need other programs, because the first of them builds one, on a machine that is busy with others."""
DEAR = ("cluster", "tools")
"""Markers of tests that need what is built or downloaded, for up to minutes, when the first of them runs."""
LAST = ("cluster", "tools", "slow")
"""Markers of tests that run after the others; the first marker is the last to run."""
TOOLS = {"tool", "browser", "promtool"}
"""Fixtures that bring programs of others."""


@pytest.hookimpl(tryfirst=True)  # before -m selects by the markers; those of the folders come earlier still
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow files last, so that the fast ones report a mistake first.

    Whole files, because parallel processes share the tests by file.
    """
    needed: dict[Path, set[str]] = defaultdict(set)
    for item in items:
        if not TOOLS.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("tools")
        dear = {name for name in DEAR if item.get_closest_marker(name) is not None}
        if dear and item.get_closest_marker("timeout") is None:
            # Without the fixtures: the first one may build for minutes. Each bounds its own waiting.
            seconds = BUILD_TIMEOUT_SECONDS if "tools" in dear else TEST_TIMEOUT_SECONDS
            item.add_marker(pytest.mark.timeout(seconds, func_only=True))
        needed[item.path] |= {name for name in LAST if item.get_closest_marker(name) is not None}
    items.sort(key=lambda item: [name in needed[item.path] for name in LAST])
