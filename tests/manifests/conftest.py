"""kubectl, helm, and what they render."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.api_server.binaries import find_or_build
from tests.manifests.rendered import MANIFESTS, Object, kustomized, templated
from tests.support.go_programs import BinariesUnavailable, progress_of, skip_or_fail
from tests.third_party.tools import Tool

Kustomize = Callable[[str], list[Object]]
Template = Callable[..., list[Object]]

OVERLAYS = {
    "own-certificates": {"certificates": {"mode": "own"}},
    "cert-manager": {"certificates": {"mode": "cert-manager"}},
}
"""Overlays that can be applied as they are, and the chart's values for the same."""


@pytest.hookimpl(tryfirst=True)  # before -m selects by the marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """kubectl comes with the API server's binaries: what needs one needs the other to be built."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "kubectl" in getattr(item, "fixturenames", ()):
            item.add_marker("cluster")


@pytest.fixture(scope="session")
def kubectl(request: pytest.FixtureRequest) -> Path:
    """The kubectl that the cluster tests use."""
    try:
        return find_or_build(progress_of(request.config)) / "kubectl"
    except BinariesUnavailable as error:
        skip_or_fail(str(error))


@pytest.fixture(scope="session")
def helm(tool: Tool) -> Path:
    """helm."""
    return tool("helm")


@pytest.fixture(scope="session")
def kustomize(kubectl: Path) -> Kustomize:
    """The objects of an overlay, by its name."""
    return lambda overlay: kustomized(kubectl, MANIFESTS / "overlays" / overlay)


@pytest.fixture(scope="session")
def template(helm: Path) -> Template:
    """The objects of the chart with some values, in a namespace that is part of them, as in the overlays."""

    def render(values: Mapping[str, Any] | None = None, *options: str) -> list[Object]:
        return templated(helm, *options, values={"namespace": {"create": True}, **(values or {})})

    return render
