import pytest
from hypothesis import settings

# No deadline for a single example: on a busy machine it fails tests of sound code. A failure prints what repeats it.
settings.register_profile("steady", deadline=None, print_blob=True)
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs what needs a cluster last: whoever broke something learns it from the fast tests, within seconds."""
    items.sort(key=lambda item: item.get_closest_marker("cluster") is not None)
