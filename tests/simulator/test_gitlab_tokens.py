"""What GitLab tells a token about itself, and the endpoints beside it that no probe may call."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.simulator.conftest import Ask
from webhook.simulator import Simulator, World

SELF = "/personal_access_tokens/self"
NOT_PERSONAL = "400 Bad request - This endpoint requires token type to be a personal access token"


async def test_a_token_tells_of_itself(ask_gitlab: Ask) -> None:
    """Its scopes as they were chosen, its user by number, its last day as a date."""
    document = (await ask_gitlab("gitlab-good-user", SELF)).json()
    last_day = (datetime.now(UTC) + timedelta(days=90)).date().isoformat()
    assert document["name"] == "gitlab-good-user"
    assert document["scopes"] == ["write_repository", "read_api"]
    assert (document["user_id"], document["expires_at"]) == (6001, last_day)
    assert (document["active"], document["revoked"], document["granular"]) == (True, False, False)


@pytest.mark.parametrize(
    "token",
    [
        "gitlab-good-runtime",
        "gitlab-group-runtime",
        "gitlab-project-bot",
        "gitlab-impersonation",
        "gitlab-write-only",
        "gitlab-read-user",
        "gitlab-read-repository",
    ],
)
async def test_every_personal_access_token_may_ask_whatever_its_scopes(ask_gitlab: Ask, token: str) -> None:
    """Those of projects, groups and service accounts are personal access tokens too."""
    assert (await ask_gitlab(token, SELF)).status_code == 200
    assert (await ask_gitlab(token, f"{SELF}/associations")).status_code == 200


async def test_other_kinds_may_not(ask_gitlab: Ask) -> None:
    """An OAuth token is told so."""
    for path in (SELF, f"{SELF}/associations"):
        reply = await ask_gitlab("gitlab-oauth", path)
        assert (reply.status_code, reply.json()) == (400, {"message": NOT_PERSONAL})


async def test_a_token_without_end_has_no_date(ask_gitlab: Ask) -> None:
    """Service accounts may have such."""
    assert (await ask_gitlab("gitlab-good-runtime", SELF)).json()["expires_at"] is None


async def test_older_versions_tell_less(ask_gitlab: Ask) -> None:
    """Nothing of fine-grained tokens."""
    document = (await ask_gitlab("own-gitlab-good-user", SELF, host="gitlab.acme.dev")).json()
    assert "granular" not in document
    assert document["last_used_ips"]


async def test_a_token_can_be_asked_for_by_number_by_its_user_alone(world: World, ask_gitlab: Ask) -> None:
    """Another's is 401, as one is that isn't there."""
    number = world.gitlab().tokens["gitlab-good-user"].id
    path = f"/personal_access_tokens/{number}"
    assert (await ask_gitlab("gitlab-weak", path)).json()["name"] == "gitlab-good-user"
    assert (await ask_gitlab("gitlab-reporter", path)).status_code == 401
    assert (await ask_gitlab("gitlab-weak", "/personal_access_tokens/1")).status_code == 401
    assert (await ask_gitlab("gitlab-write-only", path)).json()["error"] == "insufficient_scope"


async def test_associations_tell_the_users_levels(ask_gitlab: Ask) -> None:
    """In groups the highest, in projects their own and the inherited one."""
    document = (await ask_gitlab("gitlab-group-runtime", f"{SELF}/associations?min_access_level=40")).json()
    assert [(one["name"], one["access_levels"]) for one in document["groups"]] == [("Acme", 40), ("Platform", 40)]
    apps = next(one for one in document["projects"] if one["path_with_namespace"] == "acme/apps")
    assert apps["access_levels"] == {"project_access_level": None, "group_access_level": 40}
    assert (await ask_gitlab("gitlab-reporter", f"{SELF}/associations?min_access_level=40")).json() == {
        "groups": [],
        "projects": [],
    }


async def test_associations_without_a_level_have_public_projects_of_strangers(ask_gitlab: Ask) -> None:
    """So that being listed proves nothing; the levels do."""
    document = (await ask_gitlab("gitlab-outsider", f"{SELF}/associations")).json()
    levels = {one["path_with_namespace"]: one["access_levels"] for one in document["projects"]}
    assert levels["acme/website"] == {"project_access_level": None, "group_access_level": None}
    assert levels["elsewhere/apps"]["group_access_level"] == 50
    assert "acme/apps" not in levels


async def test_associations_come_in_pages(ask_gitlab: Ask) -> None:
    """Of twenty unless otherwise asked."""
    path = f"{SELF}/associations?min_access_level=30&per_page=2&page=2"
    reply = await ask_gitlab("gitlab-person-runtime", path)
    assert len(reply.json()["projects"]) == 2
    assert (reply.headers["X-Page"], reply.headers["X-Next-Page"], reply.headers["X-Prev-Page"]) == ("2", "3", "1")


async def test_a_level_that_does_not_exist_is_refused(ask_gitlab: Ask) -> None:
    """Before anything is looked for."""
    reply = await ask_gitlab("gitlab-weak", f"{SELF}/associations?min_access_level=33")
    assert (reply.status_code, reply.json()) == (400, {"error": "min_access_level does not have a valid value"})


async def test_rotating_revokes_the_token_and_is_recorded(world: World, ask_gitlab: Ask) -> None:
    """So that a test can tell that nobody ever did."""
    reply = await ask_gitlab("gitlab-self-rotating", f"{SELF}/rotate", "POST")
    assert reply.status_code == 200
    assert (await ask_gitlab("gitlab-self-rotating", SELF)).status_code == 401
    renewed = {"PRIVATE-TOKEN": reply.json()["token"]}
    assert (await ask_gitlab(None, SELF, headers=renewed)).status_code == 200
    assert [(one.action, one.token) for one in world.mutations] == [("token rotated", "gitlab-self-rotating")]


async def test_rotating_asks_for_a_scope(world: World, ask_gitlab: Ask) -> None:
    """``api`` or ``self_rotate``."""
    reply = await ask_gitlab("gitlab-weak", f"{SELF}/rotate", "POST")
    assert (reply.status_code, reply.json()["scope"]) == (403, "self_rotate api read_api")
    assert world.mutations == []


async def test_a_token_can_revoke_itself_whatever_its_scopes(world: World, ask_gitlab: Ask) -> None:
    """And its user's others by number."""
    number = world.gitlab().tokens["gitlab-weak"].id
    assert (await ask_gitlab("gitlab-wide", f"/personal_access_tokens/{number}", "DELETE")).status_code == 204
    assert (await ask_gitlab("gitlab-write-only", SELF, "DELETE")).status_code == 204
    assert (await ask_gitlab("gitlab-weak", SELF)).status_code == 401
    assert [one.target for one in world.mutations] == ["gitlab-weak", "gitlab-write-only"]


async def about_oauth(
    simulator: Simulator, client: httpx.AsyncClient, token: str | None, host: str = "gitlab.com"
) -> httpx.Response:
    """``/oauth/token/info``, which is the web site's and not the API's."""
    headers = {} if token is None else {"Authorization": f"Bearer {simulator.world.token(token).value}"}
    return await client.get(f"{simulator.hosts[host].git_url}/oauth/token/info", headers=headers)


async def test_an_oauth_token_is_told_of_elsewhere(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """Twice over, in an older and a newer vocabulary."""
    document = (await about_oauth(simulator, client, "gitlab-oauth")).json()
    assert (document["resource_owner_id"], document["scope"], document["scopes"]) == (6001, ["api"], ["api"])
    assert 7190 <= document["expires_in"] == document["expires_in_seconds"] <= 7200
    endless = (await about_oauth(simulator, client, "gitlab-oauth-weak")).json()
    assert (endless["scope"], endless["expires_in"]) == (["read_api"], None)


@pytest.mark.parametrize("token", [None, "gitlab-person-runtime", "gitlab-oauth-expired", "gitlab-deploy"])
async def test_what_is_no_good_oauth_token_is_invalid_there(
    simulator: Simulator, client: httpx.AsyncClient, token: str | None
) -> None:
    """A personal access token too."""
    reply = await about_oauth(simulator, client, token)
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_token")
    assert 'realm="Doorkeeper"' in reply.headers["WWW-Authenticate"]
