"""What others' tools say of the objects: kubeconform (schemas), kube-score (hardening) and helm's own linter."""

import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from tests.api_server.binaries import pinned_version
from tests.manifests.conftest import OVERLAYS, Kustomize, Template
from tests.manifests.rendered import CHART, Object
from tests.third_party.tools import Tool

NOT_KUBERNETES_OWN = ("Certificate", "Issuer", "ServiceMonitor")
"""Kinds that others bring; tests/api_server/test_installation.py applies them to their real definitions."""

ACCEPTED = {
    "container-image-pull-policy": "a version's image never changes; on a node that has it no registry need answer",
    "deployment-has-host-podantiaffinity": "topologySpreadConstraints do that, and let one node have both replicas",
}
"""What kube-score would have otherwise, and why it isn't. Beside these, that the CPU has no limit: deployment.yaml."""

OLDEST = "1.30.0"
"""Chart.yaml's kubeVersion."""


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schemas of `kubernetes-validate`, strict, as kubeconform reads them: by a path beside them, and unnamed."""
    folder = tmp_path_factory.mktemp("schemas")
    source = Path(str(files("kubernetes_validate"))) / "kubernetes-json-schema"
    for version in (OLDEST, _nearest(source)):
        target = folder / version
        target.mkdir()
        for path in (source / f"v{version}-local-strict").glob("*.json"):
            schema = json.loads(path.read_text().replace('"/api/_definitions.json#', '"_definitions.json#'))
            schema.pop("$id", None)
            (target / path.name).write_text(json.dumps(schema))
    return folder


def _nearest(source: Path) -> str:
    """The version of Kubernetes that the cluster tests run, as the schemas have it."""
    minor = pinned_version().removeprefix("v").rpartition(".")[0]
    (found,) = (path.name for path in source.glob(f"v{minor}.*-local-strict"))
    return found.removeprefix("v").removesuffix("-local-strict")


def rendered(how: str, overlay: str, kustomize: Kustomize, template: Template) -> list[Object]:
    return kustomize(overlay) if how == "kustomize" else template(OVERLAYS[overlay])


def as_text(objects: list[Object]) -> str:
    return yaml.safe_dump_all(objects)


@pytest.mark.parametrize("how", ["kustomize", "helm"])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_has_the_fields_that_kubernetes_knows(
    overlay: str, how: str, schemas: Path, kustomize: Kustomize, template: Template, tool: Tool
) -> None:
    """Of the oldest version that we support, and of the one that the tests run."""
    text = as_text(rendered(how, overlay, kustomize, template))
    for version in schemas.iterdir():
        location = f"{version}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
        options = ["-strict", "-summary", "-output", "json", "-schema-location", location]
        command: list[Path | str] = [tool("kubeconform"), *options, "-skip", ",".join(NOT_KUBERNETES_OWN), "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["summary"]["valid"] >= 16


def test_a_misspelt_field_would_be_found(schemas: Path, kustomize: Kustomize, tool: Tool) -> None:
    """The schemas are strict as they are read here."""
    text = as_text(kustomize("own-certificates")).replace("terminationGracePeriodSeconds:", "terminationGraceSeconds:")
    location = f"{schemas / OLDEST}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    command: list[Path | str] = [tool("kubeconform"), "-strict", "-schema-location", location, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 1
    assert "'terminationGraceSeconds' not allowed" in done.stdout


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_workload_is_hardened(overlay: str, kustomize: Kustomize, tool: Tool) -> None:
    """kube-score finds nothing but what was decided otherwise, with its reason."""
    ignored = [option for check in ACCEPTED for option in ("--ignore-test", check)]
    optional = ["--enable-optional-test", "container-seccomp-profile,container-ports-check"]
    options = ["--output-format", "ci", "--ignore-container-cpu-limit", *ignored, *optional]
    command: list[Path | str] = [tool("kube-score"), "score", *options, "-"]
    done = subprocess.run(command, input=as_text(kustomize(overlay)), capture_output=True, text=True)
    found = [line for line in done.stdout.splitlines() if line.startswith(("[WARNING]", "[CRITICAL]"))]
    assert not found
    assert done.returncode == 0, done.stderr
    assert "[OK]" in done.stdout


def test_the_linter_of_helm_finds_nothing(helm: Path) -> None:
    """Not even a warning."""
    done = subprocess.run([helm, "lint", "--strict", str(CHART)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert not re.search(r"\[(WARNING|ERROR)\]", done.stdout)
