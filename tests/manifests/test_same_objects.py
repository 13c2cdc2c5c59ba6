"""Kustomize and Helm install the same objects, so that there is one truth about each."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests.conftest import OVERLAYS, Kustomize, Template
from tests.manifests.rendered import MANIFESTS, Object, by_key, comparable, kustomized
from webhook.certs.issue import generate_certificates

NAME = "git-token-webhook"


def assert_same(kustomize: list[Object], helm: list[Object]) -> None:
    one, other = by_key(map(comparable, kustomize)), by_key(map(comparable, helm))
    assert one.keys() == other.keys()
    # Object by object: pytest shows what differs in the first that does.
    for key in one:
        assert one[key] == other[key], key


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_chart_makes_what_the_overlay_makes(overlay: str, kustomize: Kustomize, template: Template) -> None:
    """Every object, and every field of it."""
    assert_same(kustomize(overlay), template(OVERLAYS[overlay]))


def test_the_same_with_certificates_from_somebody_else(kubectl: Path, template: Template, tmp_path: Path) -> None:
    """Of three files the overlay makes the Secret and both caBundles; the chart leaves the Secret to its owner."""
    copied = shutil.copytree(MANIFESTS, tmp_path / "manifests")
    overlay = copied / "overlays" / "provided-certificates"
    generate_certificates(overlay / "files", ["git-token-webhook.git-token-webhook.svc"], [], days=90)
    bundle = (overlay / "files" / "ca.crt").read_text()
    objects = kustomized(kubectl, overlay)
    (secret,) = (one for one in objects if one["kind"] == "Secret")
    assert secret["metadata"]["name"] == "git-token-webhook-tls"
    assert secret["data"].keys() == {"tls.crt", "tls.key", "ca.crt"}
    certificates = {"mode": "provided", "caBundle": bundle}
    assert_same([one for one in objects if one is not secret], template({"certificates": certificates}))


def test_the_overlay_that_the_guide_shows(kubectl: Path, kustomize: Kustomize, tmp_path: Path) -> None:
    """Only configuration and image are other ones, and the pods still find the configuration."""
    guide = (MANIFESTS.parent / "docs" / "how-to" / "install.md").read_text()
    (kustomization,) = re.findall(r"^```yaml\n(apiVersion: kustomize.*?)^```", guide, re.MULTILINE | re.DOTALL)
    copied = shutil.copytree(MANIFESTS, tmp_path / "manifests")
    overlay = copied / "overlays" / "mine"
    overlay.mkdir()
    (overlay / "kustomization.yaml").write_text(kustomization)
    (overlay / "config.yaml").write_text("mode: warn\n")
    objects = by_key(kustomized(kubectl, overlay))
    assert objects["ConfigMap", NAME]["data"] == {"config.yaml": "mode: warn\n"}
    assert set(re.findall(r"image: (.*)", yaml.safe_dump(objects["Deployment", NAME]))) == {
        "registry.example.com/git-token-webhook:0.1.0"
    }
    ours = by_key(kustomize("own-certificates"))
    changed = {key for key in objects | ours if objects.get(key) != ours.get(key)}
    assert changed == {("ConfigMap", NAME), ("Deployment", NAME)}


def test_the_same_with_monitoring(kubectl: Path, template: Template, tmp_path: Path) -> None:
    """The component that makes a ServiceMonitor, and the value that does."""
    copied = shutil.copytree(MANIFESTS, tmp_path / "manifests")
    overlay = copied / "overlays" / "mine"
    overlay.mkdir()
    kustomization = {"resources": ["../own-certificates"], "components": ["../../components/monitoring"]}
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    assert_same(kustomized(kubectl, overlay), template({"serviceMonitor": {"enabled": True}}))


def test_the_same_with_the_audit(kubectl: Path, template: Template, tmp_path: Path) -> None:
    """The component, and the value that brings the same objects."""
    copied = shutil.copytree(MANIFESTS, tmp_path / "manifests")
    overlay = copied / "overlays" / "mine"
    overlay.mkdir()
    kustomization = {"resources": ["../own-certificates"], "components": ["../../components/audit"]}
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    assert_same(kustomized(kubectl, overlay), template({"audit": {"enabled": True}}))


def test_the_same_alerts(kubectl: Path, template: Template) -> None:
    """Those of manifests/alerts, which can be applied beside any installation, and those that the value brings."""
    without = by_key(template())
    added = [one for key, one in by_key(template({"alerts": {"enabled": True}})).items() if key not in without]
    assert_same(kustomized(kubectl, MANIFESTS / "alerts"), added)


def test_an_image_of_ones_own_is_used_everywhere(kubectl: Path, template: Template, tmp_path: Path) -> None:
    """Whoever names another registry names it once."""
    copied = shutil.copytree(MANIFESTS, tmp_path / "manifests")
    overlay = copied / "overlays" / "mine"
    overlay.mkdir()
    image: Mapping[str, Any] = {"name": "git-token-webhook", "newName": "registry.example/webhook", "newTag": "9"}
    kustomization = {"resources": ["../own-certificates"], "images": [image]}
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    mine = kustomized(kubectl, overlay)
    assert_same(mine, template({"image": {"repository": "registry.example/webhook", "tag": "9"}}))
    (deployment,) = (one for one in mine if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert {one["image"] for one in [*pod["initContainers"], *pod["containers"]]} == {"registry.example/webhook:9"}
