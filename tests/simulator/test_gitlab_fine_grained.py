"""Fine-grained personal access tokens of GitLab: what they may do, where, and what they tell of it."""

import pytest

from tests.simulator.conftest import Ask
from webhook.simulator import World
from webhook.simulator.gitlab import GranularScope

SELF = "/personal_access_tokens/self"


def denial(permission: str, boundary: str = "project") -> dict[str, str]:
    """GitLab's words since general availability."""
    return {
        "error": "insufficient_granular_scope",
        "error_description": (
            "Access denied: This operation requires a fine-grained personal access token with the following "
            f"{boundary} permissions: [{permission}]."
        ),
    }


async def test_it_says_what_it_is_and_by_number_what_it_may_do(world: World, ask_gitlab: Ask) -> None:
    """Whether it does so under ``self`` is uncertain."""
    document = (await ask_gitlab("gitlab-fine-grained-acme", SELF)).json()
    assert (document["scopes"], document["granular"]) == (["granular"], True)
    assert "granular_scopes" not in document
    whole = (await ask_gitlab("gitlab-fine-grained-acme", f"/personal_access_tokens/{document['id']}")).json()
    about_itself, in_acme = whole["granular_scopes"]
    assert about_itself["permissions"] == ["read_personal_access_token", "read_user"]
    assert (about_itself["access"], about_itself["group_id"], about_itself["project_id"]) == ("user", None, None)
    assert (in_acme["access"], in_acme["group_id"], in_acme["project_id"]) == ("selected_memberships", 7001, None)
    assert "push_code" in in_acme["permissions"]
    world.gitlab().self_includes_granular_scopes = True
    assert (await ask_gitlab("gitlab-fine-grained-acme", SELF)).json()["granular_scopes"] == whole["granular_scopes"]


@pytest.mark.parametrize(
    ("method", "path", "permission", "boundary"),
    [
        ("GET", SELF, "Personal Access Token: Read", "user"),
        ("GET", f"{SELF}/associations", "Personal Access Token: Read", "user"),
        ("GET", "/user", "User: Read", "user"),
        ("GET", "/version", "Metadata: Read", "instance"),
        ("GET", "/projects/acme%2Fapps/repository/branches", "Branch: Read", "project"),
        ("GET", "/groups/acme", "Group: Read", "group"),
        ("POST", "/projects", "Project: Create", "user"),
    ],
)
async def test_each_endpoint_asks_for_its_permission(
    ask_gitlab: Ask, method: str, path: str, permission: str, boundary: str
) -> None:
    """Even the one that tells a token of itself."""
    reply = await ask_gitlab("gitlab-fine-grained-silent", path, method)
    assert (reply.status_code, reply.json()) == (403, denial(permission, boundary))


async def test_the_first_wording_named_permissions_as_the_sources_do(world: World, ask_gitlab: Ask) -> None:
    """Which some versions still say."""
    world.gitlab().old_granular_wording = True
    text = (await ask_gitlab("gitlab-fine-grained-silent", "/user")).json()["error_description"]
    assert "lacks the required permissions: [read_user]" in text


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ({"access": "all_memberships"}, "/projects/acme%2Fapps", 200),
        ({"access": "all_memberships"}, "/projects/acme%2Fwebsite", 200),
        ({"access": "personal_projects"}, "/projects/acme%2Fapps", 403),
        ({"access": "personal_projects"}, "/projects/alice%2Fnotes", 200),
        ({"access": "selected_memberships", "project_id": 8001}, "/projects/acme%2Fapps", 200),
        ({"access": "selected_memberships", "project_id": 8001}, "/projects/8002", 403),
        ({"access": "selected_memberships", "group_id": 7001}, "/projects/acme%2Fplatform%2Fcharts", 200),
        ({"access": "selected_memberships", "group_id": 7002}, "/projects/acme%2Fapps", 403),
        ({"access": "user"}, "/projects/acme%2Fapps", 403),
        ({"access": "all_memberships"}, "/projects/elsewhere%2Fapps", 404),
    ],
)
async def test_a_permission_counts_where_it_was_given(
    world: World, ask_gitlab: Ask, scope: dict[str, object], path: str, status: int
) -> None:
    """A group's is good for all that is below it."""
    given = GranularScope.model_validate({"permissions": ["read_project"], **scope})
    world.gitlab().tokens["gitlab-fine-grained"].granular_scopes = [given]
    assert (await ask_gitlab("gitlab-fine-grained", path)).status_code == status


async def test_permissions_may_be_written_in_either_way(world: World, ask_gitlab: Ask) -> None:
    """Which of them GitLab's JSON has is documented nowhere."""
    given = GranularScope(access="all_memberships", permissions=["Project: Read"])
    world.gitlab().tokens["gitlab-fine-grained"].granular_scopes = [given]
    assert (await ask_gitlab("gitlab-fine-grained", "/projects/acme%2Fapps")).status_code == 200


async def test_a_group_can_refuse_every_older_token(ask_gitlab: Ask) -> None:
    """With the very words that a fine-grained token hears, so that they don't prove its kind."""
    path = "/projects/strict-corp%2Fapps"
    for token in ("gitlab-person-runtime", "gitlab-weak"):
        reply = await ask_gitlab(token, path)
        assert (reply.status_code, reply.json()) == (403, denial("Project: Read"))
    assert (await ask_gitlab("gitlab-fine-grained", path)).status_code == 200
    assert (await ask_gitlab("gitlab-oauth", path)).status_code == 200
    assert (await ask_gitlab("gitlab-person-runtime", SELF)).status_code == 200
