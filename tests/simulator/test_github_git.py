"""Git's own URLs: the advertisement of references tells whether a token may clone and push."""

import httpx
import pytest

from webhook.simulator import Simulator

DENIED_TO_TOKEN = "Write access to repository not granted.\n"


async def advertised(
    simulator: Simulator,
    client: httpx.AsyncClient,
    token: str | None,
    repository: str,
    service: str,
    host: str = "github.com",
) -> httpx.Response:
    """What ``git clone`` and ``git push`` ask first."""
    auth = None if token is None else httpx.BasicAuth("x-access-token", simulator.world.token(token).value)
    url = f"{simulator.hosts[host].repository_url(repository)}/info/refs"
    return await client.get(url, params={"service": f"git-{service}"}, auth=auth)


@pytest.mark.parametrize(
    ("token", "repository", "service", "status"),
    [
        (None, "acme/website", "upload-pack", 200),
        (None, "acme/website", "receive-pack", 401),
        (None, "acme/apps", "upload-pack", 401),
        ("good-classic", "acme/apps", "receive-pack", 200),
        ("good-classic", "acme/empty", "receive-pack", 200),
        ("good-classic", "acme/nowhere", "upload-pack", 404),
        ("writer-classic", "octocat/diary", "upload-pack", 404),
        ("revoked", "acme/apps", "upload-pack", 401),
        ("good-fine-grained", "acme/apps", "receive-pack", 200),
        ("weak-fine-grained", "acme/apps", "upload-pack", 200),
        ("good-installation", "acme/apps", "receive-pack", 200),
        ("selected-installation", "acme/shared-configuration", "upload-pack", 403),
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
    if status == 401:
        assert reply.headers["WWW-Authenticate"] == 'Basic realm="GitHub"'


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("weak-fine-grained", DENIED_TO_TOKEN),
        ("no-scope-classic", DENIED_TO_TOKEN),
        ("reader-classic", "Permission to acme/apps.git denied to reader.\n"),
    ],
)
async def test_a_refused_push_tells_token_and_person_apart(
    simulator: Simulator, client: httpx.AsyncClient, token: str, text: str
) -> None:
    """In the words that Git prints after ``remote:``."""
    reply = await advertised(simulator, client, token, "acme/apps", "receive-pack")
    assert (reply.status_code, reply.text) == (403, text)


@pytest.mark.parametrize(
    ("token", "repository", "text"),
    [
        ("good-classic", "sso-corp/apps", "has enabled or enforced SAML SSO."),
        ("good-classic", "strict-corp/apps", "forbids access via a personal access token (classic)"),
        ("good-classic", "acme/attic", "This repository was archived so it is read-only."),
    ],
)
async def test_policies_and_archives_refuse_pushes(
    simulator: Simulator, client: httpx.AsyncClient, token: str, repository: str, text: str
) -> None:
    """In plain text."""
    reply = await advertised(simulator, client, token, repository, "receive-pack")
    assert reply.status_code == 403
    assert text in reply.text


async def test_an_enterprise_server_has_git_at_its_root(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """Not below the API's path."""
    reply = await advertised(simulator, client, "ghes-good-classic", "platform/apps", "receive-pack", "git.acme.dev")
    assert reply.status_code == 200


async def test_the_dumb_protocol_is_refused(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """Without a service."""
    url = f"{simulator.hosts['github.com'].repository_url('acme/website')}/info/refs"
    assert (await client.get(url)).status_code == 403
