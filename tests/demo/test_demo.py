"""The demo shows every kind of provider and the result of each write, and prints no token."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import re
import sys
import tempfile
from datetime import UTC, datetime

import pytest
from rich.console import Console

from webhook.demo import output_width, run_demo
from webhook.demo.scenes import Act, acts
from webhook.demo.screen import Played, show
from webhook.names import PREFIX
from webhook.providers import PROVIDERS
from webhook.simulator import example_world

EXPECTED = {
    "A classic token without admin:repo_hook": ("denied", "a runtime token also needs admin:repo_hook"),
    "A classic token with both scopes": ("allowed", "scopes=admin:repo_hook, repo"),
    "A fine-grained token without Webhooks: write": ("denied", "also needs Webhooks: write"),
    "A classic token that is not authorized for the organization's SSO": ("denied", "single sign-on"),
    "A token of a service account, for a whole group": ("allowed", "token-type=service-account"),
    "A project access token as a runtime token": ("denied", "which reaches only one project"),
    "An expired token": ("denied", "has expired"),
    "A token of a self-managed GitLab that cannot reach all required repositories": (
        "denied",
        "cannot push to web/settings and web/site, which is required",
    ),
    "An API token with an email address as username": (
        "allowed",
        "which works for the API of bitbucket.org and fails for Git",
    ),
    "A repository access token": ("allowed", "cannot hold account and team, so the check left that out"),
    "An app password": ("denied", "Make an API token with read:user:bitbucket"),
    "An HTTP access token with all required permissions": ("allowed", "scopes=PROJECT_ADMIN, REPO_ADMIN"),
    "An HTTP access token without PROJECT_ADMIN": ("denied", "a runtime token also needs PROJECT_ADMIN"),
    "A token that can only read repositories": ("denied", "a runtime token also needs"),
    "Two users with different providers in one Secret; bob's token lacks a scope": (
        "denied",
        "data.bob: gitlab.com",
    ),
    "A GitLab token without a URL, where two GitLab hosts are declared: sent to neither": (
        "denied",
        "which has several hosts",
    ),
    "A host that looks like github.com: nothing is sent": ("allowed", "no requests"),
    "An SSH key: there is nothing to check": ("allowed", "validation=unsupported"),
    "GitHub is down: the token is unverified": ("denied", "cannot be verified"),
    "A flag of the platform skips the validation of user tokens": ("allowed", "validation=skipped"),
}


def _acts() -> list[Act]:
    return acts(example_world(datetime.now(UTC)))


@pytest.fixture(scope="module")
def shown() -> str:
    """The output of the demo, without line breaks."""
    output = io.StringIO()
    asyncio.run(run_demo(console=Console(file=output, width=200, highlight=False)))
    return " ".join(output.getvalue().split())


def test_each_write_ends_as_its_title_says(shown: str) -> None:
    """Each write is allowed or denied as expected, and the output says why."""
    parts = re.split(r" \d+ (?=(?:denied|allowed) )", shown)[1:]
    played = [scene.title for act in _acts() if act.kind is None or act.kind in PROVIDERS for scene in act.scenes]
    for part, title in zip(parts, played, strict=True):
        verdict, reason = EXPECTED[title]
        assert part.startswith(f"{verdict} {title} ")
        assert reason in part


def test_headings_fit_into_80_columns() -> None:
    """With a blank and the end of the rule after them, so that none is cut."""
    assert [act.title for act in _acts() if len(act.title) > 78] == []


def test_sentences_have_single_spaces() -> None:
    """Lists get a blank after each comma; a sentence in an annotation has it already."""
    output = io.StringIO()
    patch = [
        {"op": "add", "path": "/metadata/annotations", "value": {PREFIX + "message": "a, b", PREFIX + "scopes": "a,b"}}
    ]
    answer = {"patch": base64.b64encode(json.dumps(patch).encode()).decode()}
    scene = next(iter(next(iter(_acts())).scenes))
    console = Console(file=output, width=80, highlight=False)
    show(console, 1, Played(scene, answer, {"allowed": True}, 0.0, 0))
    assert "message=a, b  scopes=a, b" in output.getvalue()


def test_every_kind_of_provider_has_an_act() -> None:
    """Each registered provider has an act."""
    assert {act.kind for act in _acts()} >= PROVIDERS.keys()


def test_the_output_is_as_wide_as_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe, `COLUMNS` sets the width; without it, the output has 110 columns."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setenv("COLUMNS", "80")
    assert Console(width=output_width()).width == 80
    monkeypatch.delenv("COLUMNS")
    assert Console(width=output_width()).width == 110


def test_no_token_is_printed(shown: str) -> None:
    """The output contains none of the simulator's tokens."""
    world = example_world(datetime.now(UTC))  # token values follow from their names
    values = [token.value for host in world.hosts.values() for token in host.tokens.values()]
    assert values
    assert not [value for value in values if value in shown]


async def test_whatever_ends_it_leaves_nothing_behind() -> None:
    """When the demo is terminated, its server stops and its files are removed."""
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "webhook", "demo", "--serve"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "TMPDIR": folder, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        printed = await process.stdout.readuntil(b"The server was ready after")
        port = int((await process.stdout.readuntil(b".\n")).decode().rpartition(":")[2].rstrip(".\n"))
        process.terminate()
        rest = await process.stdout.read()
        assert await process.wait() == 0, (printed + rest).decode()
        assert b"Traceback" not in rest
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
        assert os.listdir(folder) == []
