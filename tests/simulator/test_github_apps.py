"""An App signs in with a JSON web token, finds its installation and gets tokens for it."""

import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.simulator.conftest import Ask
from webhook.simulator import World


def assertion(world: World, slug: str = "good-app", **claims: Any) -> dict[str, str]:
    """The header with which an App signs in; claims may be replaced, or left out by ``None``."""
    app, now = world.app(slug), int(time.time())
    chosen = {"iss": str(app.id), "iat": now - 60, "exp": now + 540, **claims}
    text = jwt.encode(
        {"alg": "RS256"},
        {name: value for name, value in chosen.items() if value is not None},
        RSAKey.import_key(app.private_key_pem),
    )
    return {"Authorization": f"Bearer {text}"}


async def test_an_app_signs_in_by_number_or_client_id(world: World, ask: Ask) -> None:
    """No scopes and no rate limits are told."""
    for issuer in (2001, "2001", "Iv23li2001"):
        reply = await ask(None, "/app", headers=assertion(world, iss=issuer))
        assert (reply.status_code, reply.json()["slug"]) == (200, "good-app")
        assert "X-OAuth-Scopes" not in reply.headers
        assert "X-RateLimit-Limit" not in reply.headers


@pytest.mark.parametrize(
    ("claims", "status", "text"),
    [
        ({"exp": 1}, 401, "'Expiration time' claim ('exp') must be a numeric value representing the future time"),
        ({"exp": None}, 401, "'Expiration time' claim ('exp') must be a numeric value"),
        ({"exp": int(time.time()) + 3600}, 401, "'Expiration time' claim ('exp') is too far in the future"),
        ({"iat": int(time.time()) + 3600}, 401, "'Issued at' claim ('iat') must be an Integer"),
        ({"iss": None}, 401, "Missing 'issuer' claim ('iss')"),
        ({"iss": "77"}, 404, "Integration not found"),
        ({"iss": "2002"}, 401, "A JSON web token could not be decoded"),
    ],
)
async def test_a_wrong_assertion_is_refused(
    world: World, ask: Ask, claims: dict[str, Any], status: int, text: str
) -> None:
    """Claim by claim; the key of another App can't be told from nonsense."""
    reply = await ask(None, "/app", headers=assertion(world, **claims))
    assert reply.status_code == status
    assert text in reply.json()["message"]


async def test_a_token_is_no_assertion(ask: Ask) -> None:
    """The App's endpoints take nothing else, and nothing else takes assertions."""
    reply = await ask("good-installation", "/app")
    assert (reply.status_code, reply.json()["message"]) == (401, "A JSON web token could not be decoded")


async def test_an_assertion_has_no_user(world: World, ask: Ask) -> None:
    """An App is nobody, and sees nothing private."""
    assert (await ask(None, "/user", headers=assertion(world))).status_code == 403
    assert (await ask(None, "/repos/acme/apps", headers=assertion(world))).status_code == 404


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/orgs/acme/installation", True),
        ("/users/acme/installation", False),
        ("/repos/acme/apps/installation", True),
        ("/orgs/sso-corp/installation", False),
        ("/users/octocat/installation", False),
        ("/repos/acme/nowhere/installation", False),
        ("/app/installations/3001", True),
        ("/app/installations/3002", False),
        ("/app/installations/nonsense", False),
    ],
)
async def test_an_installation_is_found_by_where_it_is(world: World, ask: Ask, path: str, found: bool) -> None:
    """Another App's doesn't exist."""
    reply = await ask(None, path, headers=assertion(world))
    assert reply.status_code == (200 if found else 404)
    assert not found or reply.json()["id"] == 3001


async def test_an_installation_tells_its_permissions(world: World, ask: Ask) -> None:
    """Webhooks is ``repository_hooks`` there."""
    document = (await ask(None, "/app/installations/3001", headers=assertion(world))).json()
    assert document["permissions"] == {
        "administration": "write",
        "contents": "write",
        "metadata": "read",
        "repository_hooks": "write",
    }
    assert (document["repository_selection"], document["suspended_at"]) == ("all", None)
    (listed,) = (await ask(None, "/app/installations", headers=assertion(world))).json()
    assert listed == document


async def test_selected_repositories_alone_are_installed(world: World, ask: Ask) -> None:
    """The others have no installation."""
    headers = assertion(world, "selected-app")
    assert (await ask(None, "/repos/acme/apps/installation", headers=headers)).status_code == 200
    assert (await ask(None, "/repos/acme/website/installation", headers=headers)).status_code == 404


async def test_a_suspended_installation_gives_no_tokens(world: World, ask: Ask) -> None:
    """It says since when; its tokens are refused too."""
    headers = assertion(world, "suspended-app")
    document = (await ask(None, "/app/installations/3002", headers=headers)).json()
    assert document["suspended_at"] is not None
    assert document["suspended_by"]["login"] == "octocat"
    for reply in (
        await ask(None, "/app/installations/3002/access_tokens", "POST", headers=headers),
        await ask("suspended-installation", "/installation/repositories"),
    ):
        assert (reply.status_code, reply.json()["message"]) == (403, "This installation has been suspended")


async def mint(world: World, ask: Ask, form: str = "", **body: Any) -> Any:
    """Ask for a token of the good App."""
    headers = assertion(world) | ({"X-GitHub-Stateless-S2S-Token": form} if form else {})
    return await ask(None, "/app/installations/3001/access_tokens", "POST", headers=headers, json=body)


async def test_a_minted_token_works(world: World, ask: Ask) -> None:
    """For an hour; minting is no mutation."""
    reply = await mint(world, ask)
    assert reply.status_code == 201
    headers = {"Authorization": f"token {reply.json()['token']}"}
    listing = (await ask(None, "/installation/repositories", headers=headers)).json()
    assert listing["total_count"] == 5
    assert listing["repository_selection"] == "all"
    assert (await ask(None, "/repos/acme/apps/hooks", headers=headers)).status_code == 200
    assert world.mutations == []


async def test_the_form_of_minted_tokens_can_be_chosen(world: World, ask: Ask) -> None:
    """Long by default on github.com, 40 characters when asked."""
    long = (await mint(world, ask)).json()["token"]
    short = (await mint(world, ask, "disabled")).json()["token"]
    assert (long.count("."), len(short)) == (2, 40)


async def test_a_minted_token_may_hold_less(world: World, ask: Ask) -> None:
    """Fewer permissions, fewer repositories; never more."""
    reply = await mint(world, ask, permissions={"contents": "read"}, repositories=["apps"])
    assert reply.json()["permissions"] == {"contents": "read", "metadata": "read"}
    headers = {"Authorization": f"token {reply.json()['token']}"}
    assert (await ask(None, "/installation/repositories", headers=headers)).json()["total_count"] == 1
    assert (await ask(None, "/repos/acme/apps/hooks", headers=headers)).status_code == 403
    for permissions in ({"secrets": "read"}, {"contents": "admin"}):
        reply = await mint(world, ask, permissions=permissions)
        assert reply.status_code == 422
        assert reply.json()["message"] == "The permissions requested are not granted to this installation."
    assert (await mint(world, ask, repositories=["nowhere"])).status_code == 422


async def test_installation_repositories_are_for_installations(ask: Ask) -> None:
    """403 for people."""
    assert (await ask("good-classic", "/installation/repositories")).status_code == 403
    assert (await ask("selected-installation", "/installation/repositories")).json()["total_count"] == 1


async def test_an_app_of_an_enterprise_server(world: World, ask: Ask) -> None:
    """The same below ``/api/v3``, with tokens of 40 characters only."""
    headers = assertion(world, "ghes-app") | {"X-GitHub-Stateless-S2S-Token": "enabled"}
    path = "/app/installations/41/access_tokens"
    reply = await ask(None, path, "POST", headers=headers, host="git.acme.dev")
    assert (reply.status_code, len(reply.json()["token"])) == (201, 40)
