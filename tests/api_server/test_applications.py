"""Repositories that Argo CD Applications sync, as the API server lists them to the webhook with its own rights."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_server.control_plane import ControlPlane, as_yaml, wait_until
from tests.api_server.webhook_process import Installation, Installer, Place, Simulation, accepted, runtime_secret

RUNTIME = "runtime-repo-creds-secret"
PERHAPS = "unless another credential's URL is longer"

# As much of Argo CD's own as its Applications need to be stored.
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "applications.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "names": {"kind": "Application", "plural": "applications", "singular": "application"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def application(name: str, *urls: str, **source: str) -> dict[str, Any]:
    sources = [{"repoURL": url, "path": ".", **source} for url in urls]
    spec = {"source": sources[0]} if len(sources) == 1 else {"sources": sources}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def attentive(installer: Installer) -> Iterator[Installation]:
    """One that counts what Applications sync among the repositories; new for each test, as it remembers their list."""
    with installer.installed({"repositories": {"applications": True}}) as installation:
        yield installation


@pytest.fixture
def place(attentive: Installation) -> Place:
    """A namespace that it watches."""
    return attentive.new_namespace()


@pytest.fixture
def argo_cd(control_plane: ControlPlane) -> Iterator[None]:
    """An API server that knows Applications."""
    definition = as_yaml(DEFINITION)
    control_plane.apply(definition)

    def served() -> bool:
        return control_plane.kubectl("get", "applications.argoproj.io", "-A", check=False).returncode == 0

    wait_until(served, message="Applications to be served")
    yield
    control_plane.delete(definition)
    wait_until(lambda: not served(), message="Applications to be served no more")


def test_without_argo_cd_nothing_is_added(place: Place, github: Simulation) -> None:
    """No such resource is no trouble."""
    assert "Argo CD" not in accepted(place.create(runtime_secret(github.good_token())))
    assert place.marks(RUNTIME)["validation"] == "passed"


@pytest.mark.usefixtures("argo_cd")
def test_a_repository_of_an_application_that_is_out_of_reach_is_a_warning(place: Place, github: Simulation) -> None:
    """In whichever namespace the Application is; what is reached, or no Git repository of that URL, isn't named."""
    token = github.good_token()
    accepted(place.create(application("web", "https://github.com/acme/nothing.git")))
    accepted(place.create(application("both", "https://github.com/acme/apps", "https://github.com/other/missing")))
    accepted(place.create(application("chart", "https://github.com/acme/charts", chart="web")))
    warnings = accepted(place.create(runtime_secret(token, url="https://github.com/acme")))
    assert "github.com answers 404 for acme/nothing: " in warnings
    assert PERHAPS in warnings
    for name in ("acme/apps", "other/missing", "acme/charts"):
        assert name not in warnings
    assert place.marks(RUNTIME)["validation"] == "passed"
