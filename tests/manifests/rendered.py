"""The objects that people get: what kubectl makes of an overlay, and helm of the chart."""

import base64
import subprocess
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
CHART = MANIFESTS / "chart"
NAMESPACE = "git-token-webhook"

Object = dict[str, Any]
Key = tuple[str, str]
"""Kind and name: there is one namespace."""

HELMS_LABELS = (
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
)


class RenderingFailed(Exception):
    """What the program said."""


def kustomized(kubectl: Path, overlay: Path) -> list[Object]:
    """`kubectl kustomize`."""
    return _documents(_run(kubectl, "kustomize", str(overlay)))


def templated(helm: Path, *options: str, values: Mapping[str, Any] | None = None, chart: Path = CHART) -> list[Object]:
    """`helm template`, with values over those of the chart."""
    place = ("git-token-webhook", str(chart), "--namespace", NAMESPACE)
    return _documents(_run(helm, "template", *place, "--values", "-", *options, input=yaml.safe_dump(values or {})))


def by_key(objects: Iterable[Object]) -> dict[Key, Object]:
    """Each object by its kind and name."""
    objects = list(objects)
    found = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    assert len(found) == len(objects), "two objects of one name"
    return found


def comparable(one: Object) -> Object:
    """An object without what only Helm puts on it, and with its texts read: how they are laid out, and which comments
    they have, differs."""
    plain = deepcopy(one)
    for label in HELMS_LABELS:
        plain["metadata"].get("labels", {}).pop(label, None)
    if plain["metadata"].get("annotations", {}).pop("helm.sh/resource-policy", None) == "keep":
        assert plain["kind"] == "Namespace"
        if not plain["metadata"]["annotations"]:
            del plain["metadata"]["annotations"]
    if plain["kind"] == "ConfigMap":
        plain["data"] = {name: yaml.safe_load(text) for name, text in plain["data"].items()}
    for hook in plain.get("webhooks", ()):
        if "caBundle" in hook["clientConfig"]:  # Kustomize breaks base64 into lines, and the API server reads over that
            hook["clientConfig"]["caBundle"] = base64.b64decode(hook["clientConfig"]["caBundle"])
    return plain


def _documents(text: str) -> list[Object]:
    return [document for document in yaml.safe_load_all(text) if document]


def _run(program: Path, *arguments: str, input: str | None = None) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, input=input, timeout=60)
    if done.returncode != 0:
        raise RenderingFailed(done.stderr)
    return done.stdout
