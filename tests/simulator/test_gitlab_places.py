"""Projects and groups of GitLab: who sees them, what they tell of their reader, and what asks for more."""

import httpx
import pytest

from tests.simulator.conftest import Ask
from webhook.simulator import Simulator, World
from webhook.simulator.gitlab import Group, Level

APPS = "/projects/acme%2Fapps"
MISSING = {"message": "404 Project Not Found"}


@pytest.mark.parametrize(
    ("token", "path", "project_access", "group_access"),
    [
        ("gitlab-person-runtime", APPS, None, 40),
        ("gitlab-good-user", APPS, None, 40),
        ("gitlab-weak", APPS, None, 40),
        ("gitlab-reporter", APPS, None, 20),
        ("gitlab-project-bot", APPS, 40, None),
        ("gitlab-good-runtime", "/projects/8002", None, 40),
        ("gitlab-reporter", "/projects/acme%2Fplatform%2Fcharts", None, 30),
        ("gitlab-outsider", "/projects/acme%2Fwebsite", None, None),
        ("gitlab-person-runtime", "/projects/alice%2Fnotes", 50, None),
        ("gitlab-oauth", APPS, None, 40),
    ],
)
async def test_a_project_tells_of_the_users_levels_and_not_of_the_tokens(
    ask_gitlab: Ask, token: str, path: str, project_access: int | None, group_access: int | None
) -> None:
    """A token that may only read shows the same as one that may do all."""
    permissions = (await ask_gitlab(token, path)).json()["permissions"]
    told = {name: access and access["access_level"] for name, access in permissions.items()}
    assert told == {"project_access": project_access, "group_access": group_access}


async def test_a_project_can_be_asked_for_in_any_letter_case(ask_gitlab: Ask) -> None:
    """By path, or by number."""
    for path in ("/projects/ACME%2FApps", "/projects/8001"):
        assert (await ask_gitlab("gitlab-weak", path)).json()["path_with_namespace"] == "acme/apps"


@pytest.mark.parametrize(
    ("token", "path"),
    [
        ("gitlab-weak", "/projects/acme%2Fnowhere"),
        ("gitlab-weak", "/projects/elsewhere%2Fapps"),
        ("gitlab-outsider", APPS),
        ("gitlab-project-bot", "/projects/acme%2Fshared-configuration"),
        (None, APPS),
    ],
)
async def test_what_a_user_does_not_see_is_not_there(ask_gitlab: Ask, token: str | None, path: str) -> None:
    """No word tells the two apart."""
    reply = await ask_gitlab(token, path)
    assert (reply.status_code, reply.json()) == (404, MISSING)


async def test_a_slash_that_is_not_encoded_names_no_project(world: World, ask_gitlab: Ask) -> None:
    """Nor does an encoded one that a reverse proxy decodes on its way."""
    unencoded = await ask_gitlab("gitlab-weak", "/projects/acme/apps")
    assert (unencoded.status_code, unencoded.json()) == (404, {"error": "404 Not Found"})
    world.gitlab().proxy_decodes_slashes = True
    decoded = await ask_gitlab("gitlab-weak", APPS)
    assert (decoded.status_code, decoded.json()) == (404, {"error": "404 Not Found"})
    assert (await ask_gitlab("gitlab-weak", "/projects/8001")).status_code == 200


async def test_a_public_project_is_shown_to_nobody_without_permissions(ask_gitlab: Ask) -> None:
    """But a bad token doesn't count as nobody."""
    reply = await ask_gitlab(None, "/projects/acme%2Fwebsite")
    assert reply.status_code == 200
    assert "permissions" not in reply.json()
    assert (await ask_gitlab("gitlab-revoked", "/projects/acme%2Fwebsite")).status_code == 401


async def test_projects_are_listed_by_membership_and_level(ask_gitlab: Ask) -> None:
    """All that are visible, unless one asks for less."""

    async def listed(query: str) -> set[str]:
        return {
            one["path_with_namespace"] for one in (await ask_gitlab("gitlab-outsider", f"/projects?{query}")).json()
        }

    assert await listed("") == {"acme/website", "elsewhere/apps"}
    assert await listed("membership=true") == await listed("min_access_level=50") == {"elsewhere/apps"}
    assert await listed("id_after=8007&id_before=8009") == {"elsewhere/apps"}
    assert (await ask_gitlab("gitlab-outsider", "/projects?min_access_level=x")).status_code == 400


async def test_a_groups_projects_are_listed_by_level(ask_gitlab: Ask) -> None:
    """Those of subgroups where they are asked for."""

    async def listed(query: str) -> set[str]:
        reply = await ask_gitlab("gitlab-reporter", f"/groups/acme/projects?{query}")
        return {one["path_with_namespace"] for one in reply.json()}

    assert "acme/apps" in await listed("")
    assert await listed("min_access_level=30") == set()
    assert await listed("min_access_level=30&include_subgroups=true") == {"acme/platform/charts"}
    assert (await ask_gitlab("gitlab-outsider", "/groups/acme/projects")).status_code == 404


async def test_permissions_leave_out_invited_groups(world: World, ask_gitlab: Ask) -> None:
    """The list by level doesn't."""
    world.gitlab().projects["acme/apps"].invited["elsewhere"] = Level.DEVELOPER
    told = (await ask_gitlab("gitlab-outsider", APPS)).json()["permissions"]
    assert told == {"project_access": None, "group_access": None}
    listed = (await ask_gitlab("gitlab-outsider", "/projects?min_access_level=30&id_after=8000&id_before=8002")).json()
    assert [one["id"] for one in listed] == [8001]


@pytest.mark.parametrize(
    ("token", "status"),
    [("gitlab-person-runtime", 200), ("gitlab-weak", 200), ("gitlab-reporter", 403), ("gitlab-outsider", 404)],
)
async def test_hooks_are_for_maintainers(ask_gitlab: Ask, token: str, status: int) -> None:
    """Reading them needs no more of a token than any reading."""
    assert (await ask_gitlab(token, f"{APPS}/hooks")).status_code == status


async def test_a_hook_without_address_is_refused_after_the_caller(world: World, ask_gitlab: Ask) -> None:
    """Scope, project and level come first; nothing is made."""
    path = f"{APPS}/hooks"
    answers = {name: await ask_gitlab(name, path, "POST") for name in ("gitlab-wide", "gitlab-weak", "gitlab-reporter")}
    assert {name: reply.status_code for name, reply in answers.items()} == {
        "gitlab-wide": 400,
        "gitlab-weak": 403,
        "gitlab-reporter": 403,
    }
    assert answers["gitlab-wide"].json() == {"error": "url is missing"}
    assert world.mutations == []
    made = await ask_gitlab("gitlab-wide", path, "POST", json={"url": "https://ci.example.com"})
    assert (made.status_code, len(world.mutations)) == (201, 1)


async def test_a_project_without_name_proves_the_api_scope_and_makes_nothing(world: World, ask_gitlab: Ask) -> None:
    """With a name it is made, and recorded."""
    reply = await ask_gitlab("gitlab-person-runtime", "/projects", "POST")
    missing = {"error": "name, path are missing, at least one parameter must be provided"}
    assert (reply.status_code, reply.json()) == (400, missing)
    assert (await ask_gitlab("gitlab-good-user", "/projects", "POST")).json()["error"] == "insufficient_scope"
    assert world.mutations == []
    made = await ask_gitlab("gitlab-person-runtime", "/projects", "POST", json={"name": "new"})
    assert (made.status_code, [one.target for one in world.mutations]) == (201, ["alice/new"])


async def test_code_of_a_private_project_is_for_reporters(world: World, ask_gitlab: Ask) -> None:
    """A guest sees the project, and not what is in it."""
    world.gitlab().groups["acme"].members["bob"] = Level.GUEST
    assert (await ask_gitlab("gitlab-reporter", APPS)).status_code == 200
    assert (await ask_gitlab("gitlab-reporter", f"{APPS}/repository/branches")).status_code == 403
    assert (await ask_gitlab("gitlab-weak", f"{APPS}/repository/branches")).json()[0]["name"] == "main"
    assert (await ask_gitlab("gitlab-weak", f"{APPS}/repository/files/nothing.txt")).status_code == 404


async def test_a_group_says_nothing_of_its_reader(ask_gitlab: Ask) -> None:
    """Its members do."""
    document = (await ask_gitlab("gitlab-good-runtime", "/groups/acme%2Fplatform")).json()
    assert (document["full_path"], document["parent_id"]) == ("acme/platform", 7001)
    assert "permissions" not in document
    member = (await ask_gitlab("gitlab-good-runtime", "/groups/acme%2Fplatform/members/all/6103")).json()
    assert member["access_level"] == 40


async def test_a_member_is_found_with_the_highest_of_its_levels(ask_gitlab: Ask) -> None:
    """In a project too; 404 for whoever is none."""
    path = "/projects/acme%2Fplatform%2Fcharts/members/all"
    assert (await ask_gitlab("gitlab-weak", f"{path}/6002")).json()["access_level"] == 30
    assert (await ask_gitlab("gitlab-weak", f"{path}/6004")).json() == {"message": "404 Not found"}


async def test_a_private_group_is_seen_by_members_of_what_is_below_it(world: World, ask_gitlab: Ask) -> None:
    """Which makes seeing a group no proof of a level in it."""
    assert (await ask_gitlab("gitlab-project-bot", "/groups/acme")).status_code == 200
    reply = await ask_gitlab("gitlab-outsider", "/groups/acme")
    assert (reply.status_code, reply.json()) == (404, {"message": "404 Group Not Found"})
    world.gitlab().add(Group(path="open", id=7009, visibility="internal"))
    assert (await ask_gitlab("gitlab-outsider", "/groups/open")).status_code == 200
    assert (await ask_gitlab(None, "/groups/open")).status_code == 404


async def test_a_link_leads_to_where_the_caller_is(simulator: Simulator, ask_gitlab: Ask) -> None:
    """With the path prefix."""
    document = (await ask_gitlab("own-gitlab-weak", APPS, host="gitlab.acme.dev")).json()
    assert document["http_url_to_repo"] == simulator.hosts["gitlab.acme.dev"].repository_url("acme/apps")


async def test_head_answers_with_headers_alone(ask_gitlab: Ask) -> None:
    """As to a GET."""
    reply: httpx.Response = await ask_gitlab("gitlab-weak", APPS, "HEAD")
    assert (reply.status_code, reply.content) == (200, b"")
