"""``kubectl git-token``: what the shell is offered while somebody types it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(sys.executable).with_name("kubectl_complete-git_token")


def offered(*words: str, **environment: str) -> list[str]:
    """What kubectl is answered, line by line."""
    result = subprocess.run(
        [PLUGIN, *words], capture_output=True, text=True, timeout=30, env={**os.environ, **environment}
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


def test_commands_are_offered_with_what_they_do() -> None:
    """As kubectl shows its own: a tab before the meaning, and last that no file is wanted."""
    *offers, directive = offered("to")
    assert [offer.split("\t")[0] for offer in offers] == ["token"]
    assert "\tList, replace" in offers[0]
    assert directive == ":4"


def test_options_are_offered() -> None:
    """Those of the command that was typed."""
    assert {"--user", "--url", "--dry-run"} <= {line.split("\t")[0] for line in offered("token", "set", "--")}


def test_kinds_of_providers_are_offered() -> None:
    """Nobody has to know how they are spelt."""
    assert offered("token", "set", "a/b", "--provider", "git") == ["github", "gitlab", "gitea", ":4"]


def test_contexts_are_offered(tmp_path: Path) -> None:
    """Those of the kubeconfig, where it can be read."""
    file = tmp_path / "config"
    file.write_text("contexts: [{name: kind-dev}, {name: production}]")
    assert offered("token", "set", "--context", "kind", KUBECONFIG=f"{file}:{tmp_path / 'none'}") == ["kind-dev", ":4"]


def test_files_are_the_shells_own_matter() -> None:
    """Where there is nothing to offer, the shell may offer files."""
    assert offered("check", "") == [":0"]


@pytest.mark.parametrize("word", ["$(touch x)", "`touch x`", "';touch x", '"', "\\", "a b", "é\x00"[:1]])
def test_a_word_is_never_run(word: str, tmp_path: Path) -> None:
    """What stands in the line is text, whatever a shell would make of it."""
    result = subprocess.run([PLUGIN, "check", word, "--"], capture_output=True, cwd=tmp_path, timeout=30)
    assert (result.returncode, list(tmp_path.iterdir())) == (0, [])


def test_an_audit_is_offered_contexts_as_well(tmp_path: Path) -> None:
    """Of which it takes several."""
    file = tmp_path / "config"
    file.write_text("contexts: [{name: east}, {name: west}]")
    assert offered("audit", "--context", "east", "--context", "w", KUBECONFIG=str(file)) == ["west", ":4"]


def test_as_a_plugin_it_is_called_by_kubectls_name() -> None:
    """What its help shows can be typed."""
    help = subprocess.run([PLUGIN.with_name("kubectl-git_token"), "-h"], capture_output=True, text=True, timeout=30)
    assert "Usage: kubectl git-token [OPTIONS]" in help.stdout
