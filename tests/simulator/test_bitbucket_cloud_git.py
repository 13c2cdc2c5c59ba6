"""Git's own URLs at Bitbucket Cloud: which user name goes with which token, and who may clone and push."""

import httpx
import pytest

from webhook.simulator import Simulator, World
from webhook.simulator.bitbucket import Token, TokenKind

API = "x-bitbucket-api-token-auth"
ACCESS = "x-token-auth"
LACKS_SCOPES = "Your credentials lack one or more required privilege scopes.\n"


async def advertised(
    simulator: Simulator,
    client: httpx.AsyncClient,
    user: str,
    token: str | None,
    repository: str = "acme/apps",
    service: str = "receive-pack",
) -> httpx.Response:
    """What ``git clone`` and ``git push`` ask first."""
    auth = None if token is None else httpx.BasicAuth(user, simulator.world.token(token).value)
    url = f"{simulator.hosts['bitbucket.org'].repository_url(repository)}/info/refs"
    return await client.get(url, params={"service": f"git-{service}"}, auth=auth)


@pytest.mark.parametrize(
    ("user", "token", "status"),
    [
        (API, "bitbucket-good-runtime", 200),
        ("ada", "bitbucket-good-runtime", 200),
        ("brook", "bitbucket-good-runtime", 401),
        ("ada@acme.example", "bitbucket-good-runtime", 401),
        (ACCESS, "bitbucket-good-runtime", 401),
        (ACCESS, "bitbucket-repo-token", 200),
        (ACCESS, "bitbucket-project-token", 200),
        (ACCESS, "bitbucket-workspace-token", 200),
        (ACCESS, "bitbucket-oauth", 200),
        (API, "bitbucket-repo-token", 401),
        ("git", "bitbucket-repo-token", 401),
        (API, "bitbucket-expired", 401),
        (API, "bitbucket-revoked", 401),
        (API, "bitbucket-unscoped", 401),
        (API, None, 401),
    ],
)
async def test_each_token_has_its_user_name(
    simulator: Simulator, client: httpx.AsyncClient, user: str, token: str | None, status: int
) -> None:
    """The e-mail, which the API asks for, fails for Git."""
    reply = await advertised(simulator, client, user, token)
    assert reply.status_code == status
    if status == 401:
        assert reply.headers["WWW-Authenticate"] == 'Basic realm="Bitbucket.org HTTP"'
    else:
        assert reply.headers["Content-Type"] == "application/x-git-receive-pack-advertisement"
        line = "# service=git-receive-pack\n"
        assert reply.text.startswith(f"{len(line) + 4:04x}{line}0000")


@pytest.mark.parametrize(
    ("user", "token", "repository", "service", "status"),
    [
        (API, None, "acme/website", "upload-pack", 200),
        (API, None, "acme/website", "receive-pack", 401),
        (API, None, "acme/apps", "upload-pack", 401),
        (API, "bitbucket-good-runtime", "acme/empty", "receive-pack", 200),
        (API, "bitbucket-good-runtime", "acme/nowhere", "upload-pack", 404),
        (API, "bitbucket-outsider", "acme/apps", "upload-pack", 404),
        (API, "bitbucket-reader", "acme/apps", "upload-pack", 200),
        (ACCESS, "bitbucket-repo-token", "acme/shared-configuration", "upload-pack", 404),
        (ACCESS, "bitbucket-weak-repo-token", "acme/apps", "upload-pack", 200),
    ],
)
async def test_who_may_clone_and_push(
    simulator: Simulator,
    client: httpx.AsyncClient,
    user: str,
    token: str | None,
    repository: str,
    service: str,
    status: int,
) -> None:
    """Reading and writing are told apart by the service."""
    assert (await advertised(simulator, client, user, token, repository, service)).status_code == status


@pytest.mark.parametrize(
    ("user", "token", "service", "text"),
    [
        (ACCESS, "bitbucket-weak-repo-token", "receive-pack", LACKS_SCOPES),
        (API, "bitbucket-write-only", "upload-pack", LACKS_SCOPES),
        (API, "bitbucket-reader", "receive-pack", "Access denied. You must have write or admin access.\n"),
    ],
)
async def test_a_refusal_tells_token_and_person_apart(
    simulator: Simulator, client: httpx.AsyncClient, user: str, token: str, service: str, text: str
) -> None:
    """In the words that Git prints after ``remote:``."""
    reply = await advertised(simulator, client, user, token, service=service)
    assert (reply.status_code, reply.text) == (403, text)
    assert reply.headers["Content-Type"].startswith("text/plain")


async def test_pull_requests_bring_pushing(world: World, simulator: Simulator, client: httpx.AsyncClient) -> None:
    """``pullrequest:write`` includes ``repository:write``, ``repository:admin`` nothing."""
    for scope, status in (("pullrequest:write", 200), ("pullrequest", 403), ("repository:admin", 403)):
        world.bitbucket().add(Token(name="it", kind=TokenKind.REPOSITORY, bound_to="acme/apps", scopes=[scope]))
        assert (await advertised(simulator, client, ACCESS, "it")).status_code == status


@pytest.mark.parametrize("status", [410, 401])
async def test_an_app_password_is_gone(
    world: World, simulator: Simulator, client: httpx.AsyncClient, status: int
) -> None:
    """By either announcement."""
    world.bitbucket().app_password_git_status = status  # type: ignore[assignment]
    assert (await advertised(simulator, client, "ada", "bitbucket-app-password")).status_code == status


async def test_an_app_password_used_to_work(world: World, simulator: Simulator, client: httpx.AsyncClient) -> None:
    """Before 2026-07-28, with the nickname."""
    world.bitbucket().accepts_app_passwords = True
    assert (await advertised(simulator, client, "ada", "bitbucket-app-password")).status_code == 200
    assert (await advertised(simulator, client, API, "bitbucket-app-password")).status_code == 401


async def test_git_shows_its_token_with_basic_alone(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """A bearer is nobody."""
    url = f"{simulator.hosts['bitbucket.org'].repository_url('acme/apps')}/info/refs"
    headers = {"Authorization": f"Bearer {simulator.world.token('bitbucket-repo-token').value}"}
    reply = await client.get(url, params={"service": "git-upload-pack"}, headers=headers)
    assert reply.status_code == 401


async def test_the_dumb_protocol_is_refused(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """Without a service."""
    url = f"{simulator.hosts['bitbucket.org'].repository_url('acme/website')}/info/refs"
    assert (await client.get(url)).status_code == 403
