"""The builder of tests/tools: what each program's folder says, and what is said where nothing can be built."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.go_programs import BinariesUnavailable
from tests.third_party.tools import HERE, Tool, find_or_build, names, pinned_version


@pytest.mark.parametrize("name", names())
def test_each_program_is_pinned(name: str) -> None:
    """A folder is called as its program is, and its go.mod names one released version and has its hashes beside it."""
    package = re.search(r"^tool (\S+)", (HERE / name / "go.mod").read_text(), re.MULTILINE)
    assert package is not None
    assert re.sub(r"/v\d+$", "", package[1]).rpartition("/")[2] == name
    assert re.fullmatch(r"v\d+\.\d+\.\d+", pinned_version(name))
    assert (HERE / name / "go.sum").exists()


def test_without_go_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to build with, the message says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.third_party.tools.CACHE", tmp_path)
    with pytest.raises(BinariesUnavailable, match=r"(?s)no Go on PATH.*Install Go 1\.\d+"):
        find_or_build("kubeconform")


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message shows what the compiler said, and the next run tries again."""
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\n[ $1 = env ] && echo go1.99.0 && exit\necho no space left >&2; exit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("tests.third_party.tools.CACHE", tmp_path / "cache")
    with pytest.raises(BinariesUnavailable, match=r"Building kubeconform v\S+ failed\. Mend this:\nno space left"):
        find_or_build("kubeconform", progress=lambda _: None)
    assert [path.name for path in (tmp_path / "cache/tools/kubeconform").iterdir()] == ["lock"]


def test_a_program_runs(tool: Tool) -> None:
    """What the fixture hands out is the program itself."""
    done = subprocess.run([tool("kubeconform"), "-h"], capture_output=True, text=True)
    assert "kubeconform" in done.stdout + done.stderr
