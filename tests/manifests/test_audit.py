"""The audit that never ends, as it is installed: off by default, hardened, and with no more rights than it uses."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from tests.manifests.conftest import Template
from tests.manifests.rendered import MANIFESTS, NAMESPACE, Object, by_key
from tests.manifests.test_tools_agree import ACCEPTED, as_text
from tests.third_party.tools import Tool
from webhook.cli.main import app

NAME = "git-token-webhook-audit"
CHANGING = {"create", "update", "patch", "delete", "deletecollection", "*"}


def audit(template: Template) -> list[Object]:
    """What the value adds to the chart's objects."""
    without = by_key(template())
    return [one for key, one in by_key(template({"audit": {"enabled": True}})).items() if key not in without]


def rules(objects: list[Object], kind: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = by_key(objects)[kind, name]["rules"]
    return found


def test_it_is_off_unless_somebody_wants_it(template: Template) -> None:
    """And then nothing of the rest changes."""
    assert not [one for one in template() if one["metadata"]["name"] == NAME]
    off, on = by_key(template()), by_key(template({"audit": {"enabled": True}}))
    assert {key: on[key] for key in off} == off
    assert {name for _, name in on.keys() - off.keys()} == {NAME}


def test_the_server_may_not_read_secrets_whether_there_is_an_audit_or_not(template: Template) -> None:
    """The right is the audit's own account's."""
    objects = template({"audit": {"enabled": True}})
    assert not [rule for rule in rules(objects, "ClusterRole", "git-token-webhook") if "secrets" in rule["resources"]]
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        (subject,) = by_key(objects)[kind, NAME]["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}


def test_it_changes_nothing_but_what_is_its_own(template: Template) -> None:
    """Reports, Events and its Lease: no Secret, and nothing of the webhook."""
    objects = audit(template)
    everywhere = {
        resource: set(rule["verbs"])
        for rule in rules(objects, "ClusterRole", NAME)
        for resource in rule["resources"]
        if CHANGING & set(rule["verbs"])
    }
    reports = {"get", "list", "create", "update", "delete"}
    assert everywhere == {"events": {"create"}, "reports": reports, "policyreports": reports}
    at_home = rules(objects, "Role", NAME)
    assert {resource for rule in at_home for resource in rule["resources"]} == {"leases"}


def test_the_program_understands_its_arguments(template: Template) -> None:
    """Every flag; and its Lease is the one that it has rights to."""
    (container,) = by_key(audit(template))["Deployment", NAME]["spec"]["template"]["spec"]["containers"]
    shown = CliRunner().invoke(app, ["audit", "--help"], env={"COLUMNS": "300"})
    named = {word.partition("=")[0] for word in container["args"] if word.startswith("--")}
    assert named <= set(re.findall(r"--[a-z-]+", shown.output))
    assert f"--lease={NAMESPACE}/{NAME}" in container["args"]
    (named_lease,) = (rule for rule in rules(audit(template), "Role", NAME) if "resourceNames" in rule)
    assert named_lease["resourceNames"] == [NAME]


def test_the_workload_is_hardened(template: Template, tool: Tool) -> None:
    """kube-score finds nothing but what was decided otherwise, with its reason."""
    ignored = [option for check in ACCEPTED for option in ("--ignore-test", check)]
    optional = ["--enable-optional-test", "container-seccomp-profile,container-ports-check"]
    options = ["--output-format", "ci", "--ignore-container-cpu-limit", *ignored, *optional]
    command: list[Path | str] = [tool("kube-score"), "score", *options, "-"]
    done = subprocess.run(command, input=as_text(audit(template)), capture_output=True, text=True)
    found = [line for line in done.stdout.splitlines() if line.startswith(("[WARNING]", "[CRITICAL]"))]
    assert not found
    assert "[OK]" in done.stdout


def test_every_right_says_what_needs_it() -> None:
    """Each rule of the component stands below a comment."""
    lines = (MANIFESTS / "components" / "audit" / "rbac.yaml").read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("  - apiGroups:"):
            assert lines[number - 1].lstrip().startswith("#") or "policyreports" in lines[number + 1], line


def test_the_image_is_named_as_kustomize_knows_it() -> None:
    """So that whoever takes it from a registry names it once."""
    (image,) = yaml.safe_load((MANIFESTS / "components" / "audit" / "kustomization.yaml").read_text())["images"]
    assert image["name"] == "git-token-webhook"
