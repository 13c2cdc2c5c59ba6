"""Git's own URLs at GitLab: what a token may clone and push, and what asking to push can do by itself."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from webhook.simulator import Simulator, World

NOT_FOUND = "The project you were looking for could not be found or you don't have permission to view it."
NO_PUSH = "You are not allowed to push code to this project."
NO_UPLOAD = "You are not allowed to upload code."


async def advertised(
    simulator: Simulator,
    client: httpx.AsyncClient,
    token: str | None,
    service: str,
    repository: str = "acme/apps",
    host: str = "gitlab.com",
    username: str = "anybody",
) -> httpx.Response:
    """What ``git clone`` and ``git push`` ask first."""
    auth = None if token is None else httpx.BasicAuth(username, simulator.world.token(token).value)
    url = f"{simulator.hosts[host].repository_url(repository)}/info/refs"
    return await client.get(url, params={"service": f"git-{service}"}, auth=auth)


@pytest.mark.parametrize(
    ("token", "service", "status", "text"),
    [
        ("gitlab-good-runtime", "receive-pack", 200, None),
        ("gitlab-person-runtime", "receive-pack", 200, None),
        ("gitlab-good-user", "receive-pack", 200, None),
        ("gitlab-write-only", "receive-pack", 200, None),
        ("gitlab-write-only", "upload-pack", 200, None),
        ("gitlab-weak", "upload-pack", 200, None),
        ("gitlab-weak", "receive-pack", 403, NO_UPLOAD),
        ("gitlab-read-repository", "upload-pack", 200, None),
        ("gitlab-read-repository", "receive-pack", 403, NO_UPLOAD),
        ("gitlab-read-user", "upload-pack", 403, "You are not allowed to download code."),
        ("gitlab-oauth", "receive-pack", 200, None),
        ("gitlab-oauth-weak", "receive-pack", 403, NO_UPLOAD),
        ("gitlab-reporter", "upload-pack", 200, None),
        ("gitlab-reporter", "receive-pack", 403, NO_PUSH),
        ("gitlab-outsider", "upload-pack", 404, NOT_FOUND),
        ("gitlab-project-bot", "receive-pack", 200, None),
        ("gitlab-fine-grained", "receive-pack", 200, None),
        ("gitlab-fine-grained-weak", "upload-pack", 200, None),
    ],
)
async def test_token_and_person_are_told_apart(
    simulator: Simulator, client: httpx.AsyncClient, token: str, service: str, status: int, text: str | None
) -> None:
    """First what the token holds, then whether the project is there, then what its user may do in it."""
    reply = await advertised(simulator, client, token, service)
    assert reply.status_code == status
    if text is None:
        assert reply.headers["Content-Type"] == f"application/x-git-{service}-advertisement"
        line = f"# service=git-{service}\n"
        assert reply.text.startswith(f"{len(line) + 4:04x}{line}0000")
    else:
        assert reply.text == text


@pytest.mark.parametrize(
    "token", ["gitlab-revoked", "gitlab-expired", "gitlab-blocked-user", "gitlab-ci-job", "gitlab-feed", None]
)
async def test_whoever_is_nobody_is_asked_to_sign_in(
    simulator: Simulator, client: httpx.AsyncClient, token: str | None
) -> None:
    """In the same words for revoked, expired and blocked."""
    reply = await advertised(simulator, client, token, "upload-pack")
    assert (reply.status_code, reply.headers["WWW-Authenticate"]) == (401, 'Basic realm="GitLab"')
    assert reply.text.startswith("HTTP Basic: Access denied. If a password was provided for Git authentication,")


async def test_a_bot_that_cannot_see_a_project_is_nobody_there(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """401, where a person gets 404."""
    other = "acme/shared-configuration"
    assert (await advertised(simulator, client, "gitlab-project-bot", "upload-pack", other)).status_code == 401


async def test_a_fine_grained_token_hears_what_it_lacks(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """In plain text; so does an older one where only fine-grained are let in."""
    reply = await advertised(simulator, client, "gitlab-fine-grained-weak", "receive-pack")
    assert (reply.status_code, reply.text[-14:]) == (403, " [Code: Push].")
    reply = await advertised(simulator, client, "gitlab-person-runtime", "upload-pack", "strict-corp/apps")
    assert (reply.status_code, reply.text[-18:]) == (403, " [Code: Download].")


async def test_a_deploy_token_needs_its_own_user_name(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """And knows one project only."""
    user = "gitlab+deploy-token-9001"

    async def status(service: str, repository: str = "acme/apps", username: str = user) -> int:
        return (
            await advertised(simulator, client, "gitlab-deploy", service, repository, username=username)
        ).status_code

    assert await status("upload-pack") == 200
    assert await status("upload-pack", username="anybody") == 401
    assert await status("upload-pack", "acme/shared-configuration") == 401
    assert await status("receive-pack") == 403


async def test_a_public_project_is_open_for_reading(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """To nobody in particular, and to a guest of the private ones."""
    assert (await advertised(simulator, client, None, "upload-pack", "acme/website")).status_code == 200
    assert (await advertised(simulator, client, None, "receive-pack", "acme/website")).status_code == 401
    assert (await advertised(simulator, client, "gitlab-outsider", "upload-pack", "acme/website")).status_code == 200
    assert (await advertised(simulator, client, "gitlab-outsider", "receive-pack", "acme/website")).text == NO_PUSH


async def test_nobody_pushes_to_an_archived_project(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """Not even its maintainer."""
    assert (await advertised(simulator, client, "gitlab-person-runtime", "receive-pack", "acme/attic")).text == NO_PUSH
    assert (await advertised(simulator, client, "gitlab-person-runtime", "upload-pack", "acme/attic")).is_success


async def test_asking_to_push_to_a_project_that_is_not_there_makes_it(
    world: World, simulator: Simulator, client: httpx.AsyncClient
) -> None:
    """By a mere GET, wherever the user may create one: so that this is no innocent probe."""
    missing = "acme/nowhere"
    assert (await advertised(simulator, client, "gitlab-good-user", "upload-pack", missing)).text == NOT_FOUND
    assert (await advertised(simulator, client, "gitlab-weak", "receive-pack", missing)).text == NO_UPLOAD
    assert (await advertised(simulator, client, "gitlab-reporter", "receive-pack", missing)).text == NOT_FOUND
    assert world.mutations == []
    assert (await advertised(simulator, client, "gitlab-good-user", "receive-pack", missing)).status_code == 200
    assert [(one.action, one.target) for one in world.mutations] == [("project created by a push", missing)]


async def test_a_url_without_git_is_redirected(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """To the one with it."""
    base = simulator.hosts["gitlab.acme.dev"].git_url
    reply = await client.get(f"{base}/acme/apps/info/refs", params={"service": "git-upload-pack"})
    target = f"{base}/acme/apps.git/info/refs?service=git-upload-pack"
    assert (reply.status_code, reply.headers["Location"]) == (301, target)
    reply = await advertised(simulator, client, "own-gitlab-good-runtime", "receive-pack", host="gitlab.acme.dev")
    assert reply.status_code == 200


async def test_repeated_bad_passwords_ban_an_address(
    world: World, simulator: Simulator, client: httpx.AsyncClient
) -> None:
    """Good ones too, for an hour, where the host is set to; a good one in between clears the count."""
    world.gitlab().git_attempts = 2
    for token in ("gitlab-revoked", "gitlab-good-user", "gitlab-revoked"):
        await advertised(simulator, client, token, "upload-pack")
    assert (await advertised(simulator, client, "gitlab-good-user", "upload-pack")).status_code == 200
    for _ in range(2):
        await advertised(simulator, client, "gitlab-revoked", "upload-pack")
    banned = await advertised(simulator, client, "gitlab-good-user", "upload-pack")
    assert (banned.status_code, banned.text) == (403, "Forbidden\n")
    world.stop_clock(datetime.now(UTC) + timedelta(hours=2))
    assert (await advertised(simulator, client, "gitlab-good-user", "upload-pack")).status_code == 200


async def test_the_dumb_protocol_is_refused(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """Without a service."""
    url = f"{simulator.hosts['gitlab.com'].repository_url('acme/website')}/info/refs"
    assert (await client.get(url)).status_code == 403
