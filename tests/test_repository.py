"""What no file of this repository may hold, and what its files must agree on."""

import re
import subprocess
import tomllib
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]

FORBIDDEN = {
    "a path of somebody's machine": r"(?<![\w.~$}/-])/(?:root|work|home/\w+|Users/\w+)/\w",
    "a place to get packages from": r"(?:files\.python|python)hosted\.org|pypi\.org/simple|proxy\.golang\.org"
    r"|registry\.(?:npmjs|yarnpkg)|--(?:extra-)?index-url[ =]\S|--find-links[ =]\S",
    "what looks like a GitHub token": r"\bgh[oprsu]_[A-Za-z0-9]{36}|\bgithub_pat_[A-Za-z0-9_]{80}|\bghs_\d+_eyJ",
    "what looks like a GitLab token": r"\bgl(?:pat|dt|oas|rt|rtr|cbt|ptt|ft|imt|agent|soat|ffct)-[\w.-]{20}",
    "what looks like an Atlassian token": r"\bAT(?:ATT|CTT|BB)[A-Za-z0-9_=-]{24}|\bBBDC-[A-Za-z0-9+/@_-]{40}",
    "what looks like a JWT or a JWE": r"\beyJ[\w-]{16,}\.(?:[\w-]*\.){1,3}[\w-]{16}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----\\?[rn\s\"']*[A-Za-z0-9+/]{32}",
}


def files() -> list[Path]:
    """All that is committed, or would be by `git add --all`."""
    git = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(git, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip(f"only a git checkout knows its files: {listed.stderr.strip()}")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    """Tokens in tests are made at run time, and nothing depends on the machine that it was written on."""
    pattern = re.compile(FORBIDDEN[what])
    # The place alone: what is found may be a secret, which this message must not spread further.
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files()
        for number, line in enumerate(path.read_text(errors="replace").split("\n"), start=1)
        if pattern.search(line)
    ]
    assert not found, f"{what} is in {', '.join(found)}"


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a path of somebody's machine", 'open("' + "/home/" + 'me/x")'),
        ("a place to get packages from", "--index-url" + " https://example.com"),
        ("what looks like a GitHub token", "token: " + "ghp" + "_" + 36 * "a"),
        ("what looks like a GitHub token", "github" + "_pat_" + 82 * "a"),
        ("what looks like a GitLab token", "glpat" + "-" + 20 * "a"),
        ("what looks like an Atlassian token", "ATATT" + "3xFfGF0" + 180 * "a"),
        ("what looks like an Atlassian token", "BBDC" + "-" + 44 * "a"),
        ("what looks like a JWT or a JWE", "eyJ" + 20 * "a" + "..b." + 20 * "c" + "." + 20 * "d"),
        ("a private key", "-----BEGIN " + "PRIVATE KEY-----" + "\\n" + 64 * "a"),
    ],
)
def test_what_is_forbidden_is_recognised(what: str, text: str) -> None:
    """A pattern that finds nothing would let everything through."""
    assert re.search(FORBIDDEN[what], text)


def locked(name: str) -> dict[str, set[str]]:
    """The versions of each package in a lock file: of some more than one, for different machines."""
    versions: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE):
        versions.setdefault(canonicalize_name(package), set()).add(version)
    return versions


def test_the_locks_hold_what_pyproject_asks_for() -> None:
    """A dependency was added, or its bounds moved: ./dev lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    for name, wanted in (
        ("requirements.lock", [*project["project"]["dependencies"], *groups["build"]]),
        ("requirements-dev.lock", [*project["project"]["dependencies"], *groups["build"], *groups["dev"]]),
        ("requirements-watch.lock", groups["watch"]),
    ):
        versions = locked(name)
        for requirement in map(Requirement, wanted):
            held = versions.get(canonicalize_name(requirement.name), set())
            assert held, f"{name} lacks {requirement}"
            assert all(requirement.specifier.contains(version) for version in held), f"{name}: {requirement}"


def test_what_is_tested_is_what_runs() -> None:
    """Every package that runs in production is tested in the same version."""
    runtime, development = locked("requirements.lock"), locked("requirements-dev.lock")
    assert runtime.items() <= development.items()


def test_the_map_names_every_package_and_shared_module() -> None:
    """The map in webhook/__init__.py lists the packages of every level and the modules at the top, and nothing else."""
    top = ROOT / "webhook"
    packages = {path.parent for path in top.glob("**/__init__.py")} - {top, *_simulated(top)}
    modules = {path for path in top.glob("*.py") if not path.stem.startswith("__")}
    lines = re.findall(r"^ {4,6}(\S.*?)(?:  |$)", (top / "__init__.py").read_text(), re.MULTILINE)
    entries = [entry for line in lines for entry in re.split(r",? ", line)]
    assert sorted(entries) == sorted([*(f"{path.name}/" for path in packages), *(path.stem for path in modules)])


def _simulated(top: Path) -> set[Path]:
    """The simulator's packages, one for each provider, which have the names of the providers' own."""
    return {path.parent for path in top.glob("simulator/*/__init__.py")}


def test_no_import_leads_back() -> None:
    """Nor does one inside a function or for types alone: what is imported can be read without who imports it."""
    graph = grimp.build_graph("webhook", cache_dir=None)
    left = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    while free := {module for module, imported in left.items() if not imported & left.keys()}:
        left = {module: imported for module, imported in left.items() if module not in free}
    assert not left, f"in a circle, or above one: {sorted(left)}"
