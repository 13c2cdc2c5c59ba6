"""What is shipped and what ships it, looked at by the tools that know such files best."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name

from tests.test_repository import ROOT, files, locked
from tests.third_party.tools import Tool

PROGRAMS = Path(sys.executable).parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())
VERSION_OF_A_COMMIT = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def findings(*command: str | Path, cwd: Path = ROOT) -> str:
    """What a program prints that found something; empty where it found nothing."""
    # Nothing of the developer's own settings; a program beside Python comes before one of the machine.
    environment = {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "HOME": str(cwd)}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr or f"{command[0]} ended with {done.returncode}"


# --- The image --------------------------------------------------------------------------------------------------------


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    """Nor in what its shell commands do."""
    assert findings("hadolint", "Dockerfile") == ""


def test_the_image_runs_as_nobody_in_particular() -> None:
    """By a number, which the kubelet needs to see that it isn't root; the same as in the manifests."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    users = re.findall(r"^USER (\S+)$", dockerfile, re.MULTILINE)
    deployment = yaml.safe_load((ROOT / "manifests" / "base" / "deployment.yaml").read_text())
    security = deployment["spec"]["template"]["spec"]["securityContext"]
    assert users == [f"{security['runAsUser']}:{security['runAsGroup']}"]


def test_everything_comes_from_a_lock() -> None:
    """Each `pip install` of a package checks hashes; the project itself brings nothing along."""
    installs = re.findall(r"pip install (.+)", (ROOT / "Dockerfile").read_text())
    assert len(installs) == 3
    assert all(
        "--require-hashes --only-binary=:all: -r" in one
        or "--no-deps --no-build-isolation --prefix=/opt/package ." in one
        for one in installs
    )


def test_the_builder_gets_what_it_copies_and_no_more() -> None:
    """`.dockerignore` lets through what the Dockerfile names, and nothing else."""
    copied = set()
    for line in re.findall(r"^COPY (?!--from)(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE):
        copied |= {word for word in line.split()[:-1] if not word.startswith("--")}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert "*" in ignored


def test_the_sbom_lists_what_the_image_holds_of_the_lock() -> None:
    """All of it, in these versions, but for what builds the package and what is for other systems."""
    done = subprocess.run([sys.executable, ".ci/sbom.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    sbom = json.loads(done.stdout)
    listed = {str(canonicalize_name(one["name"])): one["version"] for one in sbom["components"]}
    lock = locked("requirements.lock")
    assert lock.keys() - listed.keys() == {"flit-core", "colorama"}
    assert listed.keys() <= lock.keys()
    assert {name: version for name, version in listed.items() if version not in lock[name]} == {}
    # Of the one that has two versions, that of Linux.
    assert (
        f"cryptography=={listed['cryptography']} ; platform_machine != 'x86_64' or sys_platform"
        in (ROOT / "requirements.lock").read_text()
    )
    assert sbom["metadata"]["component"]["name"] == "git-token-webhook"
    assert all(component["purl"].startswith("pkg:pypi/") for component in sbom["components"])


# --- The workflows ----------------------------------------------------------------------------------------------------


def test_actionlint_finds_nothing_in_the_workflows(tool: Tool) -> None:
    """Nor shellcheck in their scripts."""
    assert findings(tool("actionlint"), "-shellcheck", PROGRAMS / "shellcheck", "-pyflakes=") == ""


def test_zizmor_finds_nothing_in_the_workflows() -> None:
    """No right that isn't needed, no expression in a script, no credentials left on disk, no cache in a release."""
    assert findings("zizmor", "--offline", "--strict-collection", "--quiet", "--no-progress", ".github") == ""


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned(workflow: Path) -> None:
    """To a commit, with the version that it is beside it; workflows of this repository come with it."""
    used = [line for line in workflow.read_text().splitlines() if re.search(r"\buses:", line)]
    assert [
        line for line in used if not VERSION_OF_A_COMMIT.search(line) and "uses: ./.github/workflows/" not in line
    ] == []


def test_one_action_has_one_commit() -> None:
    """However many workflows use it."""
    used = re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", "\n".join(path.read_text() for path in WORKFLOWS))
    assert len(set(used)) == len({action for action, _ in used})


def test_no_workflow_begins_with_a_right() -> None:
    """Each job says which it needs."""
    for workflow in WORKFLOWS:
        described = yaml.safe_load(workflow.read_text())
        assert described["permissions"] == {}
        assert all("permissions" in job for job in described["jobs"].values())


def test_the_workflows_run_what_ci_runs() -> None:
    """All that `.ci/run` holds a change to is in a part of the checks."""
    parts = [
        step
        for job in yaml.safe_load((ROOT / ".github/workflows/checks.yaml").read_text())["jobs"].values()
        for step in job["steps"]
    ]
    run = {words[1] for step in parts if (words := step.get("run", "").split()) and words[0] == "./dev"}
    assert set(re.findall(r"^\s*section ./dev (\w+)", (ROOT / ".ci/run").read_text(), re.MULTILINE)) <= run


def test_a_pipe_fails_with_each_of_its_commands() -> None:
    """GitHub gives pipefail to a shell that is named, and to no other."""
    for path in WORKFLOWS:
        described = yaml.safe_load(path.read_text())
        scripts = [step.get("run", "") for job in described["jobs"].values() for step in job.get("steps", [])]
        if any(re.search(r"[^|]\|[^|]", script) for script in scripts):
            assert described.get("defaults") == {"run": {"shell": "bash"}}, path.name


def test_a_release_is_of_a_version_that_all_of_it_tells_of(tmp_path: Path) -> None:
    """Project, chart and changelog: nothing is pushed that has no notes, or another name than its tag."""
    steps = yaml.safe_load((ROOT / ".github/workflows/release.yaml").read_text())["jobs"]["image"]["steps"]
    (script,) = (step["run"] for step in steps if step.get("id") == "name")
    checks = script.partition("{\n")[0]
    (tmp_path / "manifests" / "chart").mkdir(parents=True)
    files_of_it = {
        "pyproject.toml": 'version = "1.2.3"\n',
        "manifests/chart/Chart.yaml": "version: 1.2.3\n",
        "CHANGELOG.md": "## [1.2.3] - 2026-12-01\n",
    }

    def passes() -> bool:
        environment = {"PATH": os.environ["PATH"], "GITHUB_REF_NAME": "v1.2.3"}
        command = ["bash", "-eo", "pipefail", "-c", checks]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True).returncode == 0

    for name, text in files_of_it.items():
        assert not passes(), name
        (tmp_path / name).write_text(text)
    assert passes()


def test_the_released_chart_can_be_given_its_image() -> None:
    """The lines of the chart's values that the release workflow replaces are there."""
    values = (ROOT / "manifests" / "chart" / "values.yaml").read_text().splitlines()
    assert values.count("  repository: git-token-webhook") == values.count('  digest: ""') == 1


# --- Text of all kinds ------------------------------------------------------------------------------------------------


def test_shellcheck_finds_nothing() -> None:
    """In any shell script, whatever its name."""
    scripts = [path for path in files() if re.match(rb"#!.*\b(?:ba)?sh\b", path.read_bytes()[:80])]
    assert ROOT / ".ci" / "run" in scripts
    assert findings("shellcheck", *scripts) == ""


def test_yamllint_finds_nothing() -> None:
    """In YAML of ours; Helm's templates become some only when they are rendered."""
    assert findings("yamllint", "--strict", ".") == ""


def test_gitleaks_finds_nothing(tool: Tool, tmp_path: Path) -> None:
    """No file that is committed, or would be, holds what its 200 rules take for a secret."""
    for path in files():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    assert findings(tool("gitleaks"), "dir", "--no-banner", "--redact", "--verbose", ".", cwd=tmp_path) == ""


def test_kind_knows_all_that_its_configuration_says(tool: Tool) -> None:
    """It decodes strictly, before it looks for Docker."""
    command = [str(tool("kind")), "create", "cluster", "--config", "manifests/kind.yaml"]
    nothing = {"PATH": "", "HOME": str(ROOT / ".cache"), "DOCKER_HOST": "unix:///nowhere"}
    done = subprocess.run(command, cwd=ROOT, env=nothing, capture_output=True, text=True, check=False)
    assert "unknown field" not in done.stderr and "unable to decode" not in done.stderr
    assert re.search(r"docker|podman|nerdctl", done.stderr), done.stderr
