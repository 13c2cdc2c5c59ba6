import pytest
from hypothesis import settings

from .tools import tool as tool  # a fixture, which pytest finds here

# No deadline for a single example: on a busy machine it fails tests of sound code. A failure prints what repeats it.
settings.register_profile("steady", deadline=None, print_blob=True)
settings.load_profile("steady")

TEST_TIMEOUT_SECONDS = 120


@pytest.hookimpl(tryfirst=True)  # before -m selects by the markers; those of tests/cluster come earlier still
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs what needs a cluster last: whoever broke something learns it from the fast tests, within seconds."""
    for item in items:
        if "tool" in getattr(item, "fixturenames", ()):
            item.add_marker("tools")
            if item.get_closest_marker("timeout") is None:
                # Without the fixtures: the first one may build for minutes.
                item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_SECONDS, func_only=True))
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in ("cluster", "tools")])
