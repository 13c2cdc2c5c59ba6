"""Git's own URLs on a Bitbucket Server: some refusals come with status 200."""

import base64

import httpx
import pytest

from tests.simulator.bitbucket_server import HOST
from webhook.simulator import Simulator

NOT_FOUND = "ERR Repository not found\n"


async def advertised(
    simulator: Simulator, client: httpx.AsyncClient, token: str | None, repository: str, service: str
) -> httpx.Response:
    """What ``git clone`` and ``git push`` ask first."""
    headers = {} if token is None else {"Authorization": f"Bearer {simulator.world.token(token).value}"}
    url = f"{simulator.hosts[HOST].repository_url(repository)}/info/refs"
    return await client.get(url, params={"service": f"git-{service}"}, headers=headers)


@pytest.mark.parametrize(
    ("token", "repository", "service", "status"),
    [
        (None, "acme/website", "upload-pack", 200),
        (None, "acme/website", "receive-pack", 401),
        (None, "acme/apps", "upload-pack", 401),
        (None, "acme/none", "upload-pack", 401),
        ("server-revoked", "acme/website", "upload-pack", 401),
        ("server-good-user", "acme/apps", "receive-pack", 200),
        ("server-good-user", "acme/empty", "receive-pack", 200),
        ("server-good-user", "acme/attic", "upload-pack", 200),
        ("server-good-user", "acme/attic", "receive-pack", 403),
        ("server-read-only", "acme/apps", "upload-pack", 200),
        ("server-read-only", "acme/apps", "receive-pack", 403),
        ("server-project-token", "acme/apps", "receive-pack", 200),
        ("server-repo-token", "acme/apps", "receive-pack", 200),
        ("server-good-user", "~jane.doe_acme.dev/diary", "receive-pack", 200),
    ],
)
async def test_who_may_clone_and_push(
    simulator: Simulator, client: httpx.AsyncClient, token: str | None, repository: str, service: str, status: int
) -> None:
    """Reading and writing are told apart by the service."""
    reply = await advertised(simulator, client, token, repository, service)
    assert reply.status_code == status
    if status == 200:
        assert reply.headers["Content-Type"] == f"application/x-git-{service}-advertisement"
        line = f"# service=git-{service}\n"
        assert reply.text.startswith(f"{len(line) + 4:04x}{line}0000")
        assert "ERR" not in reply.text
    if status == 401:
        assert reply.headers["WWW-Authenticate"] == 'Basic realm="Atlassian Bitbucket"'


@pytest.mark.parametrize(
    ("token", "repository"),
    [("server-good-user", "acme/none"), ("server-reader", "acme/empty"), ("server-repo-token", "acme/empty")],
)
async def test_what_is_out_of_reach_is_a_remote_error_with_status_200(
    simulator: Simulator, client: httpx.AsyncClient, token: str, repository: str
) -> None:
    """So that nobody takes the status alone for a yes."""
    for service in ("upload-pack", "receive-pack"):
        reply = await advertised(simulator, client, token, repository, service)
        assert (reply.status_code, NOT_FOUND in reply.text) == (200, True)


async def test_a_locked_account_is_asked_for_a_captcha(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """As Git prints it after ``fatal: remote error:``."""
    simulator.world.bitbucket_server(HOST).users["hubot"].failed_logins = 5
    pair = base64.b64encode(f"hubot:{simulator.world.token('server-weak-owner').value}".encode()).decode()
    url = f"{simulator.hosts[HOST].repository_url('acme/apps')}/info/refs"
    reply = await client.get(url, params={"service": "git-upload-pack"}, headers={"Authorization": f"Basic {pair}"})
    assert (reply.status_code, "ERR CAPTCHA required." in reply.text) == (200, True)


async def test_the_old_protocol_is_refused(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """It names no service."""
    reply = await client.get(f"{simulator.hosts[HOST].repository_url('acme/website')}/info/refs")
    assert reply.status_code == 403
