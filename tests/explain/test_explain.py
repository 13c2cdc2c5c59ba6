"""The command `explain` shows a verdict and its requests, and never a token."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import typer.testing

from tests.api_server.webhook_process import Simulation
from webhook.cli.main import app
from webhook.explain.transcript import schema
from webhook.providers import PROVIDERS, recordings
from webhook.providers.hosts import Kind


@pytest.fixture(scope="module")
def providers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """The simulated providers."""
    with Simulation(tmp_path_factory.mktemp("providers")) as simulation:
        yield simulation


@pytest.fixture
def config(providers: Simulation, tmp_path: Path) -> Path:
    """A configuration that declares the simulated providers."""
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps({"providers": providers.settings()}))
    return path


def run(config: Path, *words: str, stdin: str = "") -> typer.testing.Result:
    return typer.testing.CliRunner().invoke(app, ["explain", "--config", str(config), *words], input=stdin)


def shows(text: str, token: str) -> bool:
    """Return whether a text contains the token or a part of it, plain or in base64."""
    forms = (token, base64.b64encode(token.encode()).decode().rstrip("="))
    return any(form[start : start + 8] in text for form in forms for start in range(len(form) - 7))


def test_a_token_of_a_host_is_explained(providers: Simulation, config: Path) -> None:
    """The tree has each request with its response, and what each role needs and has."""
    token = providers.weak_token()
    result = run(config, "--host", "github.com/acme/apps", stdin=token + "\n")
    assert result.exit_code == 1, result.output
    text = re.sub(r"[\s│├└─]+", " ", result.stdout)
    assert "denied" in text and "lacks admin:repo_hook" in text
    assert "a runtime token also needs admin:repo_hook" in text
    assert "missing admin:repo_hook (request 1: x-oauth-scopes read:org, repo)" in text
    assert "proven repo (request 1: x-oauth-scopes read:org, repo)" in text
    assert "GET /user → 200" in text and "the account of the token" in text
    assert not shows(result.output, token)


def test_check_shows_the_evidence_with_v(providers: Simulation, config: Path, tmp_path: Path) -> None:
    """`check -v` prints the proof of each requirement, also of a sufficient token; `check` does not."""
    manifest = tmp_path / "secret.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: creds\n"
        "  labels: {argocd.argoproj.io/secret-type: repo-creds}\n"
        f"stringData: {{url: 'https://github.com/acme/apps', username: x, password: {providers.good_token()}}}\n"
    )
    runner, words = typer.testing.CliRunner(), ["check", "--config", str(config), str(manifest)]
    verbose = runner.invoke(app, [*words, "-v"]).stdout
    assert "proven  admin:repo_hook (request 1: x-oauth-scopes admin:repo_hook, repo)" in verbose
    assert "request 2 GET /repos/acme/apps → 200" in verbose
    assert "request" not in runner.invoke(app, words).stdout
    found = json.loads(runner.invoke(app, [*words, "-o", "json"]).stdout)
    assert {one["conclusion"] for one in found["entries"][0]["evidence"]["roles"]["runtime"]["requirements"]} == {
        "proven"
    }


def test_a_valid_token_exits_with_0(providers: Simulation, config: Path) -> None:
    """An allowed token ends with exit code 0, as with `check`."""
    result = run(config, "--host", "github.com/acme/apps", "--role", "user", stdin=providers.good_token())
    assert (result.exit_code, "allowed" in result.stdout) == (0, True), result.output


def test_a_manifest_is_explained_as_json(providers: Simulation, config: Path, tmp_path: Path) -> None:
    """The transcript matches the published schema."""
    token = providers.weak_token()
    manifest = tmp_path / "secret.yaml"
    manifest.write_text(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: creds\n  namespace: argocd\n"
        "  labels: {argocd.argoproj.io/secret-type: repo-creds}\n"
        f"stringData: {{url: 'https://github.com/acme/apps', username: x, password: {token}}}\n"
    )
    result = run(config, str(manifest), "-o", "json")
    assert result.exit_code == 1, result.output
    found = json.loads(result.stdout)
    jsonschema.validate(found, schema())
    (entry,) = found["entries"]
    assert (entry["secret"], entry["field"]) == (f"{manifest}: argocd/creds", "stringData.password")
    assert entry["roles"]["runtime"]["lacks"] == ["admin:repo_hook"]
    assert {request["path"] for request in entry["requests"]} >= {"/user"}
    assert entry["requests"][0]["headers"]["x-oauth-scopes"]
    missing = next(one for one in entry["roles"]["runtime"]["requirements"] if one["conclusion"] == "missing")
    assert missing["requirement"] == "admin:repo_hook"
    assert missing["sources"] == [{"request": 1, "part": "x-oauth-scopes", "value": "read:org, repo"}]
    assert not shows(result.output, token)


async def test_a_recording_replays(providers: Simulation, config: Path, tmp_path: Path) -> None:
    """A recording replays through the provider's code to the same findings, and contains no token."""
    token, file = providers.weak_token(), tmp_path / "recording.json"
    result = await asyncio.to_thread(run, config, "--host", "github.com/acme/apps", "--record", str(file), stdin=token)
    assert result.exit_code == 1, result.output
    assert f"The recording of this check is in {file}." in result.stderr
    text = file.read_text()
    assert not shows(text, token)
    recording = recordings.load(json.loads(text))
    answer = await recording.replay(PROVIDERS[Kind("github")], datetime.now(UTC))
    assert {role: finding.outcome for role, finding in answer.findings.items()} == recording.findings


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "name what to explain"),
        (("a/b", "--host", "github.com"), "name what to explain"),
        (("--host", "github.com", "--kind", "gitlab"), "is declared as github"),
        (("--host", "git.acme.dev", "--kind", "svn"), "unknown kind svn"),
    ],
)
def test_wrong_usage_is_named(words: tuple[str, ...], says: str, config: Path) -> None:
    """Wrong usage is an error before any request is sent."""
    result = run(config, *words, stdin="x")
    assert says in str(result.exception)


def test_the_schema_is_printed(config: Path) -> None:
    """`--schema` prints a JSON Schema for programs that read transcripts."""
    assert json.loads(run(config, "--schema").stdout)["$schema"].startswith("https://json-schema.org/")
