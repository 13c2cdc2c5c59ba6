"""The commands, as a person or a container runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.testing

from tests.support.factories import make_token
from webhook.cli.main import app

RUNNER = typer.testing.CliRunner()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command as a process of its own, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "webhook", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_valid_configuration_is_called_valid(tmp_path: Path) -> None:
    """``config check`` says in which mode and by which rules the server would judge."""
    file = tmp_path / "config.yaml"
    file.write_text("mode: warn\n")
    result = run("config", "check", str(file))
    assert (result.returncode, result.stderr) == (0, "")
    assert "valid: mode warn, rules argocd-repo-creds, git-default" in result.stdout


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("modus: warn", "did you mean 'mode'"),
        ("limits: {cacheTtl: 60}", "limits.cacheTtl"),
        ("mode: [", "is not YAML"),
        ("mode: warn\nmode: enforce", "duplicate key 'mode'"),
        ("providers: [{host: git.acme.dev, kind: github, apiUrl: http://git.acme.dev}]", "https://"),
        ("requirements: {github: {runtime: {scopes: [rep]}}}", "did you mean 'repo'"),
    ],
)
def test_a_wrong_configuration_is_usage(tmp_path: Path, text: str, hint: str) -> None:
    """The exit code is 2, and the message names file, key and what to do instead."""
    file = tmp_path / "config.yaml"
    file.write_text(text)
    result = run("config", "check", str(file))
    assert result.returncode == 2
    assert hint in result.stderr
    assert str(file) in result.stderr
    assert "Traceback" not in result.stderr


def test_a_configuration_comes_through_a_pipe_as_well() -> None:
    """As from `helm template`."""
    command = [sys.executable, "-m", "webhook", "config", "check", "-"]
    for text, code, said in (
        ("mode: warn", 0, "<stdin> is valid: mode warn"),
        ("modus: warn", 2, "<stdin>:1: unknown key 'modus'"),
    ):
        result = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == code
        assert said in result.stdout + result.stderr


@pytest.mark.parametrize(
    "before", [["token", "set", "a/b"], ["token", "set"], ["token", "set", "a/b", "--user"], ["check", "--token"], []]
)
def test_a_token_on_the_command_line_is_not_repeated(before: list[str]) -> None:
    """Whatever is wrong with the rest of it; who has typed one is told to revoke it."""
    token = make_token("m")
    result = run(*before, token)
    assert result.returncode == 2
    assert token not in result.stdout + result.stderr
    assert "Revoke it" in result.stderr


def test_nor_one_that_looks_like_nothing() -> None:
    """Old tokens are hexadecimal digits and no more; `token set` can be sure what an argument too many is."""
    result = run("token", "set", "a/b", "0f" * 20)
    assert result.returncode == 2
    assert "0f0f" not in result.stdout + result.stderr
    assert "standard input" in result.stderr


def test_the_schema_is_json() -> None:
    """``config schema`` prints what editors and other programs can read, with the file's own key names."""
    schema = json.loads(run("config", "schema").stdout)
    assert {"mode", "app-proxy", "onUnverified"} <= schema["properties"].keys()


def test_flags_of_serve_can_be_environment_variables(tmp_path: Path) -> None:
    """``GIT_TOKEN_WEBHOOK_TLS_CERT`` is ``--tls-cert``: the certificate that it names is missed by name."""
    missing = str(tmp_path / "absent.crt")
    result = run("serve", GIT_TOKEN_WEBHOOK_TLS_CERT=missing, GIT_TOKEN_WEBHOOK_TLS_KEY=str(tmp_path / "absent.key"))
    assert result.returncode == 2
    assert missing in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve",),
        ("serve", "--tls-cert", "a", "--tls-key", "b", "--listen", "nowhere"),
        ("serve", "--tls-cert", "a", "--tls-key", "b", "--shutdown-delay", "5"),
        ("certs", "generate", "--out", "x"),
        ("certs", "generate", "--out", "x", "--ip", "one"),
        ("nonsense",),
    ],
)
def test_wrong_usage_ends_with_two(arguments: tuple[str, ...]) -> None:
    """Whatever is wrong on the command line is said without a traceback."""
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["serve"],
        ["demo"],
        ["config", "check"],
        ["config", "schema"],
        ["certs", "generate"],
        ["unseal"],
        ["reseal"],
        ["keys", "retire"],
    ],
)
def test_help_shows_an_example(command: list[str]) -> None:
    """Each command's help ends with a line to copy."""
    assert "Example: git-token-webhook" in RUNNER.invoke(app, [*command, "--help"]).output.replace("\n", " ")


def test_generated_certificates_are_what_serve_takes(tmp_path: Path) -> None:
    """``certs generate`` writes the four files, the keys readable by their owner alone, and prints the caBundle."""
    result = run("certs", "generate", "--dns", "webhook.platform.svc", "--out", str(tmp_path / "certs"))
    assert result.returncode == 0
    assert "caBundle: " in result.stdout
    for name, mode in {"ca.crt": 0o644, "ca.key": 0o600, "tls.crt": 0o644, "tls.key": 0o600}.items():
        assert (tmp_path / "certs" / name).stat().st_mode & 0o777 == mode


def test_help_names_the_kind_of_each_value() -> None:
    """Durations, numbers and paths are named as such; flags have no value, and no Python type is shown."""
    for words in (["check"], ["audit"], ["explain"], ["serve"], ["certs", "ensure"], ["token", "set"], []):
        result = typer.testing.CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"})
        assert result.exit_code == 0
        assert not re.search(r"<(str|bool|path|int|list)", result.stdout), result.stdout
    text = typer.testing.CliRunner().invoke(app, ["audit", "--help"], env={"COLUMNS": "200"}).stdout
    assert re.search(r"--timeout +DURATION", text)
    assert re.search(r"--resume +PATH", text)
    assert re.search(r"--concurrency +NUMBER", text)
    assert re.search(r"--applications +Also", text)
