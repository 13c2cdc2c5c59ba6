"""`./dev e2e` where there is nothing to run on, and what `./dev test` makes of the end-to-end tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """With no cluster, no Docker and no CI but what `environment` says."""
    plain = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "CI", "PYTEST_ADDOPTS")}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env={**plain, **environment}, capture_output=True, text=True
    )


def test_without_a_cluster_it_says_how_to_have_one() -> None:
    """It never takes the cluster that kubectl would, and builds nothing before it knows where to run."""
    done = run("tests.e2e")
    assert done.returncode == 3
    assert all(way in done.stderr for way in ("./dev e2e --node", "./dev e2e --kind", "KUBECONFIG"))


def test_without_docker_it_names_what_is_missing(tmp_path: Path) -> None:
    """And the way that needs none."""
    done = run("tests.e2e", "--kind", PATH=str(tmp_path))
    assert done.returncode == 3
    assert "needs docker and kind" in done.stderr
    assert "./dev e2e --node" in done.stderr


def test_somebody_elses_cluster_is_not_removed() -> None:
    """Only what --node or --kind has made."""
    done = run("tests.e2e", "--down", KUBECONFIG="any")
    assert done.returncode == 3
    assert "--down goes with --node or --kind" in done.stderr


@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("true", "error")])
def test_named_without_a_cluster_they_are_skipped_but_not_in_ci(ci: str, outcome: str) -> None:
    """And say what they need."""
    done = run("pytest", "tests/e2e/test_uninstallation.py", CI=ci)
    assert f"1 {outcome}" in done.stdout
    assert "./dev e2e --node" in done.stdout


def test_they_are_no_part_of_all_other_tests() -> None:
    """`./dev test` needs no nodes."""
    others = [f"--ignore={path}" for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "e2e"]
    done = run("pytest", "--collect-only", "-q", "tests", f"--ignore-glob={ROOT}/tests/test_*", *others)
    assert "no tests collected" in done.stdout
