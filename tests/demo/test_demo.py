"""The demonstration shows each kind of provider, says of each write what came of it, and prints no token."""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
import tempfile
from datetime import UTC, datetime

import pytest
from rich.console import Console

from webhook.demo import run_demo
from webhook.demo.scenes import Act, acts
from webhook.providers import PROVIDERS
from webhook.simulator import example_world

EXPECTED = {
    "A classic token without admin:repo_hook": ("refused", "a runtime token also needs admin:repo_hook"),
    "The same with both scopes": ("stored", "scopes=admin:repo_hook, repo"),
    "A fine-grained token without webhooks": ("refused", "also needs Webhooks: write"),
    "A good classic token that an organisation's SSO keeps out": ("refused", "single sign-on"),
    "A service account's token, for a whole group": ("stored", "token-type=service-account"),
    "A project's token, as a runtime's": ("refused", "which reaches only one project"),
    "One that has expired": ("refused", "has expired"),
    "A good one on a GitLab of one's own, and repositories that a runtime must reach": (
        "refused",
        "cannot push to web/settings and web/site, which is required",
    ),
    "An API token with its e-mail": ("stored", "which works for the API of bitbucket.org and fails for Git"),
    "A repository access token": ("stored", "can't hold account and team, so that this one was judged without"),
    "An app password": ("refused", "Make an API token with read:user:bitbucket"),
    "An HTTP access token with all it needs": ("stored", "scopes=PROJECT_ADMIN, REPO_ADMIN"),
    "One without PROJECT_ADMIN": ("refused", "a runtime token also needs PROJECT_ADMIN"),
    "A token that may only read repositories": ("refused", "a runtime token also needs"),
    "Two users in one Secret, each with a provider of their own; bob's token is weak": (
        "refused",
        "data.bob: gitlab.com",
    ),
    "A GitLab token without a URL, where there are two GitLabs: neither gets it": (
        "refused",
        "of which there are several hosts",
    ),
    "A look-alike host: nothing is sent there": ("stored", "no requests"),
    "An SSH key, of which nothing can be checked": ("stored", "validation=unsupported"),
    "GitHub is down, and nobody guesses": ("refused", "known neither to be good nor bad"),
    "The platform's own flag skips the check of users' tokens, visibly": ("stored", "validation=skipped"),
}


def _acts() -> list[Act]:
    return acts(example_world(datetime.now(UTC)))


@pytest.fixture(scope="module")
def shown() -> str:
    """All that the demonstration prints, without its line breaks."""
    output = io.StringIO()
    asyncio.run(run_demo(console=Console(file=output, width=200, highlight=False)))
    return " ".join(output.getvalue().split())


def test_each_write_ends_as_its_title_says(shown: str) -> None:
    """A newcomer sees what is refused and why, what is stored, and what is only warned of."""
    parts = re.split(r" \d+ (?=(?:refused|stored) )", shown)[1:]
    played = [scene.title for act in _acts() if act.kind is None or act.kind in PROVIDERS for scene in act.scenes]
    for part, title in zip(parts, played, strict=True):
        verdict, told = EXPECTED[title]
        assert part.startswith(f"{verdict} {title} ")
        assert told in part


def test_every_kind_of_provider_has_an_act() -> None:
    """Whoever adds a provider shows it."""
    assert {act.kind for act in _acts()} >= PROVIDERS.keys()


def test_no_token_is_printed(shown: str) -> None:
    """The same holds for the demonstration as for the product."""
    world = example_world(datetime.now(UTC))  # token values follow from their names
    values = [token.value for host in world.hosts.values() for token in host.tokens.values()]
    assert values
    assert not [value for value in values if value in shown]


async def test_whatever_ends_it_leaves_nothing_behind() -> None:
    """The server that it started ends with it, and so do its keys on disk."""
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
