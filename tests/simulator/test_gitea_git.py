"""Git's own URLs on Gitea: an advertisement for a push proves the token's scope, and not that its owner may push."""

import httpx
import pytest

from webhook.simulator import Simulator

HOST = "gitea.acme.dev"


async def advertised(
    simulator: Simulator, client: httpx.AsyncClient, token: str | None, repository: str, service: str
) -> httpx.Response:
    """What ``git clone`` and ``git push`` ask first."""
    auth = None if token is None else httpx.BasicAuth("octocat", simulator.world.token(token).value)
    url = f"{simulator.hosts[HOST].repository_url(repository)}/info/refs"
    return await client.get(url, params={"service": f"git-{service}"}, auth=auth)


@pytest.mark.parametrize(
    ("token", "repository", "service", "status"),
    [
        (None, "acme/website", "upload-pack", 200),
        (None, "acme/website", "receive-pack", 401),
        (None, "acme/apps", "upload-pack", 401),
        (None, "acme/none", "upload-pack", 401),
        ("gitea-revoked", "acme/website", "upload-pack", 401),
        ("gitea-good-user", "acme/apps", "receive-pack", 200),
        ("gitea-good-user", "octocat/diary", "receive-pack", 200),
        ("gitea-good-user", "acme/attic", "upload-pack", 200),
        ("gitea-good-user", "acme/attic", "receive-pack", 403),
        ("gitea-good-user", "acme/none", "upload-pack", 404),
        ("gitea-weak", "acme/apps", "upload-pack", 200),
        ("gitea-weak", "acme/apps", "receive-pack", 403),
        ("gitea-none", "acme/apps", "upload-pack", 403),
        ("gitea-none", "acme/website", "upload-pack", 200),
        ("gitea-public-only", "acme/website", "receive-pack", 200),
        ("gitea-public-only", "acme/apps", "upload-pack", 403),
        ("gitea-reader", "octocat/diary", "receive-pack", 404),
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
        assert reply.headers["WWW-Authenticate"] == 'Basic realm="Gitea"'


async def test_who_may_only_read_is_shown_what_a_push_needs(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """The right to write is looked at when the push comes."""
    assert (await advertised(simulator, client, "gitea-reader", "acme/apps", "receive-pack")).status_code == 200


async def test_a_push_may_create_a_repository(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """Where it may, the advertisement is there before the repository is."""
    for repository, whom in (("octocat/none", "users"), ("acme/none", "organizations")):
        reply = await advertised(simulator, client, "gitea-good-user", repository, "receive-pack")
        assert (reply.status_code, reply.text) == (403, f"Push to create is not enabled for {whom}.\n")
    simulator.world.gitea(HOST).push_to_create = True
    reply = await advertised(simulator, client, "gitea-good-user", "octocat/none", "receive-pack")
    assert reply.status_code == 200
    assert simulator.world.mutations == []


async def test_an_unknown_service_is_a_bad_request(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """The old protocol is not simulated."""
    assert (await advertised(simulator, client, None, "acme/website", "nonsense")).status_code == 400
