"""Programs that look at what we ship: helm, kubeconform, kube-score, …

Each has a folder here, called as the program is, with a go.mod that pins it and the go.sum that goes with it; nothing
else needs to know of a new one. It is built once, into `.cache/tools`. To add or to update one:

    mkdir -p tests/third_party/tools/PROGRAM && cd tests/third_party/tools/PROGRAM
    go mod init git-token-webhook/tests/tools/PROGRAM
    go get -tool PACKAGE@VERSION && go mod tidy

A test asks for it by the fixture `tool`: `tool("helm")` is the path of a program that runs; where the build takes long,
from a fixture of its own, which no time limit ends. Without Go such a test is skipped and says how to get it; where CI
is set that is an error. `python -m tests.third_party.tools` builds all there are, so that
CI can do so in a step of its own; `python -m tests.third_party.tools helm` builds one, and prints its path.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.go_programs import (
    CACHE,
    BinariesUnavailable,
    GoModule,
    Progress,
    in_go_mod,
    progress_of,
    skip_or_fail,
)

HERE = Path(__file__).resolve().parent

Tool = Callable[[str], Path]


def names() -> list[str]:
    """All programs that have a folder here."""
    return sorted(path.parent.name for path in HERE.glob("*/go.mod"))


def pinned_version(name: str) -> str:
    """The version that a program's go.mod asks for, such as `v4.3.1`."""
    package = in_go_mod(HERE / name, r"^tool (\S+)")
    modules = [line.split() for line in (HERE / name / "go.mod").read_text().replace("require", "").splitlines()]
    versions = {words[0]: words[1] for words in modules if len(words) >= 2 and words[1].startswith("v")}
    # The module is the longest start of the package's path.
    return versions[max((module for module in versions if package.startswith(module)), key=len)]


def find_or_build(name: str, progress: Progress | None = None) -> Path:
    """The path of a program; builds it, for up to minutes, where it isn't there yet.

    `progress` defaults to lines on stderr. Raises `BinariesUnavailable`.
    """
    version = pinned_version(name)
    module = GoModule(
        folder=HERE / name,
        cache=CACHE / "tools" / name,
        title=f"{name} {version}",
        version=version,
        programs=(name,),
        duration="half a minute, or up to 8 for one that holds much of Kubernetes",
    )
    return module.find_or_build(progress) / name


@pytest.fixture(scope="session")
def tool(request: pytest.FixtureRequest) -> Tool:
    """Where a program of this folder is. The first call for one may build it for minutes."""
    report = progress_of(request.config)

    def find(name: str) -> Path:
        try:
            return find_or_build(name, report)
        except BinariesUnavailable as error:
            skip_or_fail(str(error))

    return find
