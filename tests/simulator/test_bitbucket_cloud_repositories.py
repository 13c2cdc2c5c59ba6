"""What a token reaches at Bitbucket Cloud: the caller, their workspaces, repositories and hooks."""

import pytest

from tests.simulator.conftest import AskBitbucket
from webhook.simulator import Simulator, World
from webhook.simulator.bitbucket import Repository, Token, TokenKind

LACKS_SCOPES = "Your credentials lack one or more required privilege scopes."
APPS = "/repositories/acme/apps"


@pytest.mark.parametrize(
    ("token", "path", "required"),
    [
        ("bitbucket-write-only", APPS, ["read:repository:bitbucket"]),
        ("bitbucket-no-webhooks", f"{APPS}/hooks", ["read:webhook:bitbucket"]),
        ("bitbucket-no-account", "/user", ["read:user:bitbucket"]),
        ("bitbucket-weak-repo-token", f"{APPS}/hooks", ["webhook"]),
        ("bitbucket-workspace-token", "/user", ["account"]),
        ("bitbucket-workspace-token", "/user/workspaces", ["account"]),
        ("bitbucket-workspace-token", "/user/workspaces/acme/permissions/repositories", ["account"]),
    ],
)
async def test_a_lack_of_scopes_is_told_in_the_words_of_the_token(
    world: World, ask_bitbucket: AskBitbucket, token: str, path: str, required: list[str]
) -> None:
    """What is required, and what was granted, each in its own vocabulary; the accepted scopes in the older one."""
    reply = await ask_bitbucket(token, path)
    granted = world.bitbucket().tokens[token].scopes
    detail = {"required": required, "granted": granted}
    assert reply.status_code == 403
    assert reply.json() == {"type": "error", "error": {"message": LACKS_SCOPES, "detail": detail}}
    assert reply.headers["X-OAuth-Scopes"] == ", ".join(granted)
    assert not reply.headers["X-Accepted-OAuth-Scopes"].endswith(":bitbucket")


@pytest.mark.parametrize(
    ("scope", "reads"),
    [
        ("repository", True),
        ("repository:write", True),
        ("pullrequest", True),
        ("pullrequest:write", True),
        ("project", True),
        ("repository:admin", False),
        ("project:admin", False),
        ("webhook", False),
        ("pipeline:write", False),
    ],
)
async def test_what_reads_a_private_repository_in_the_older_vocabulary(
    world: World, ask_bitbucket: AskBitbucket, scope: str, reads: bool
) -> None:
    """``pullrequest:write`` alone does (recorded); the admin scopes imply nothing."""
    world.bitbucket().add(Token(name="it", kind=TokenKind.WORKSPACE, bound_to="acme", scopes=[scope]))
    reply = await ask_bitbucket("it", APPS)
    assert reply.status_code == (200 if reads else 403)
    assert reply.headers["X-OAuth-Scopes"] == scope


@pytest.mark.parametrize(
    "scope",
    ["write:repository:bitbucket", "admin:repository:bitbucket", "read:pullrequest:bitbucket", "read:me:bitbucket"],
)
async def test_scopes_of_api_tokens_imply_nothing(world: World, ask_bitbucket: AskBitbucket, scope: str) -> None:
    """Write doesn't include read."""
    world.bitbucket().add(Token(name="it", owner="ada", scopes=[scope]))
    assert (await ask_bitbucket("it", APPS)).status_code == 403


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        (None, "/repositories/acme/website", 200),
        (None, APPS, 404),
        (None, "/repositories/acme/website/hooks", 401),
        ("bitbucket-good-runtime", APPS, 200),
        ("bitbucket-good-runtime", "/repositories/ACME/Apps", 200),
        ("bitbucket-good-runtime", "/repositories/acme/nowhere", 404),
        ("bitbucket-good-runtime", "/repositories/nowhere/apps", 404),
        ("bitbucket-good-runtime", "/repositories/dana/diary", 404),
        ("bitbucket-outsider", APPS, 404),
        ("bitbucket-outsider", "/repositories/acme/website", 200),
        ("bitbucket-workspace-token", "/repositories/acme/empty", 200),
        ("bitbucket-workspace-token", "/repositories/dana/diary", 404),
        ("bitbucket-project-token", "/repositories/acme/shared-configuration", 200),
        ("bitbucket-project-token", "/repositories/acme/empty", 404),
        ("bitbucket-repo-token", APPS, 200),
        ("bitbucket-repo-token", "/repositories/acme/shared-configuration", 404),
        ("bitbucket-repo-token", f"{APPS}/hooks", 200),
        ("bitbucket-repo-token", f"{APPS}/refs/branches", 200),
    ],
)
async def test_who_reaches_which_repository(
    ask_bitbucket: AskBitbucket, token: str | None, path: str, status: int
) -> None:
    """What is out of reach looks like what isn't there."""
    reply = await ask_bitbucket(token, path)
    assert reply.status_code == status
    if status == 404:
        assert reply.json()["error"]["message"].startswith("You may not have access to this repository")


async def test_an_outsider_may_hear_that_access_is_denied(world: World, ask_bitbucket: AskBitbucket) -> None:
    """As the documentation and old recordings have it; the scopes are told either way."""
    world.bitbucket().hides_repositories = False
    reply = await ask_bitbucket("bitbucket-outsider", APPS)
    message = "Access denied. You must have write or admin access."
    assert (reply.status_code, reply.json()["error"]["message"]) == (403, message)
    assert "detail" not in reply.json()["error"]


async def test_a_repository_is_found_by_uuid_too(world: World, ask_bitbucket: AskBitbucket) -> None:
    """In braces, as the API gives them out."""
    uuid = world.bitbucket().repositories["acme/apps"].uuid
    reply = await ask_bitbucket("bitbucket-good-runtime", f"/repositories/acme/{uuid}")
    assert (reply.status_code, reply.json()["full_name"]) == (200, "acme/apps")


async def test_a_repository_says_nothing_of_the_caller(ask_bitbucket: AskBitbucket) -> None:
    """Permissions are elsewhere."""
    document = (await ask_bitbucket("bitbucket-good-runtime", APPS)).json()
    assert (document["is_private"], document["project"]["key"]) == (True, "PLAT")
    assert "permission" not in str(document)


async def test_hooks_need_an_administrator(world: World, ask_bitbucket: AskBitbucket) -> None:
    """Whatever the token holds: this 403 has no detail."""
    assert (await ask_bitbucket("bitbucket-good-runtime", f"{APPS}/hooks")).status_code == 200
    for token in ("bitbucket-good-user", "bitbucket-reader"):
        reply = await ask_bitbucket(token, f"{APPS}/hooks")
        message = "Access denied. You must have admin access."
        assert (reply.status_code, reply.json()["error"]) == (403, {"message": message})
    world.bitbucket().repositories["acme/apps"] = Repository.model_validate(
        {"workspace": "acme", "slug": "apps", "permissions": {"brook": "admin"}}
    )
    assert (await ask_bitbucket("bitbucket-good-user", f"{APPS}/hooks")).status_code == 200


async def test_a_hook_is_really_made_and_removed(world: World, ask_bitbucket: AskBitbucket) -> None:
    """And each change is on record, so that a test can prove that none was made."""
    new = {"url": "https://ci.example.com/new", "events": ["repo:push"]}
    made = await ask_bitbucket("bitbucket-repo-token", f"{APPS}/hooks", method="POST", json=new)
    assert (made.status_code, made.json()["url"]) == (201, new["url"])
    uid = made.json()["uuid"]
    removed = await ask_bitbucket("bitbucket-repo-token", f"{APPS}/hooks/{uid}", method="DELETE")
    assert removed.status_code == 204
    assert (await ask_bitbucket("bitbucket-repo-token", f"{APPS}/hooks/{uid}", method="DELETE")).status_code == 404
    assert [(one.action, one.target, one.token) for one in world.mutations] == [
        (f"hook {uid} created", "acme/apps", "bitbucket-repo-token"),
        (f"hook {uid} removed", "acme/apps", "bitbucket-repo-token"),
    ]


async def test_to_make_a_hook_is_to_read_the_repository_too(world: World, ask_bitbucket: AskBitbucket) -> None:
    """``webhook`` alone lists them."""
    world.bitbucket().add(Token(name="it", kind=TokenKind.WORKSPACE, bound_to="acme", scopes=["webhook"]))
    assert (await ask_bitbucket("it", f"{APPS}/hooks")).status_code == 200
    new = {"url": "https://ci.example.com/new", "events": ["repo:push"]}
    reply = await ask_bitbucket("it", f"{APPS}/hooks", method="POST", json=new)
    assert (reply.status_code, reply.json()["error"]["detail"]["required"]) == (403, ["webhook", "repository"])


async def test_to_remove_a_hook_an_api_token_needs_a_scope_of_its_own(ask_bitbucket: AskBitbucket) -> None:
    """``delete:webhook``, beside those to read and write."""
    reply = await ask_bitbucket("bitbucket-good-runtime", f"{APPS}/hooks/{{any}}", method="DELETE")
    assert (reply.status_code, reply.json()["error"]["detail"]["required"]) == (403, ["delete:webhook:bitbucket"])


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"url": "https://ci.example.com"}'])
async def test_rights_are_looked_at_before_the_body(world: World, ask_bitbucket: AskBitbucket, body: bytes) -> None:
    """403 for who may not, 400 for who may; nothing changes."""
    for token, status in (("bitbucket-no-webhooks", 403), ("bitbucket-good-runtime", 400)):
        reply = await ask_bitbucket(token, f"{APPS}/hooks", method="POST", content=body)
        assert reply.status_code == status
    assert world.mutations == []


async def test_an_empty_repository_has_no_branches(ask_bitbucket: AskBitbucket) -> None:
    """The list is there all the same."""
    full = await ask_bitbucket("bitbucket-good-runtime", f"{APPS}/refs/branches")
    assert [one["name"] for one in full.json()["values"]] == ["main"]
    empty = await ask_bitbucket("bitbucket-good-runtime", "/repositories/acme/empty/refs/branches")
    assert (empty.status_code, empty.json()["values"]) == (200, [])


@pytest.mark.parametrize(
    ("by_permission", "key", "value"), [(False, "administrator", True), (True, "permission", "owner")]
)
async def test_workspaces_of_the_caller_are_wrapped(
    world: World, ask_bitbucket: AskBitbucket, by_permission: bool, key: str, value: object
) -> None:
    """In either of two shapes."""
    world.bitbucket().names_workspace_permission = by_permission
    (entry,) = (await ask_bitbucket("bitbucket-good-runtime", "/user/workspaces")).json()["values"]
    assert (entry["workspace"]["slug"], entry[key]) == ("acme", value)


@pytest.mark.parametrize(
    ("token", "permission"),
    [("bitbucket-good-runtime", "admin"), ("bitbucket-good-user", "write"), ("bitbucket-reader", "read")],
)
@pytest.mark.parametrize("query", ['repository.slug="apps"', 'repository.full_name = "acme/apps"'])
async def test_the_caller_s_permission_on_one_repository(
    ask_bitbucket: AskBitbucket, token: str, permission: str, query: str
) -> None:
    """The only place that tells it, chosen by a filter."""
    path = "/user/workspaces/acme/permissions/repositories"
    (entry,) = (await ask_bitbucket(token, path, params={"q": query})).json()["values"]
    assert (entry["repository"]["full_name"], entry["permission"]) == ("acme/apps", permission)


async def test_permissions_elsewhere_are_not_told(ask_bitbucket: AskBitbucket) -> None:
    """A workspace of strangers, an unknown filter, a repository that isn't there, nobody."""
    path = "/user/workspaces/acme/permissions/repositories"
    assert (await ask_bitbucket("bitbucket-outsider", path)).status_code == 404
    assert (await ask_bitbucket("bitbucket-good-runtime", path, params={"q": "size > 1"})).status_code == 400
    none = await ask_bitbucket("bitbucket-good-runtime", path, params={"q": 'repository.slug="no"'})
    assert (none.status_code, none.json()["values"]) == (200, [])
    assert (await ask_bitbucket(None, path)).status_code == 401
    assert (await ask_bitbucket(None, "/user/workspaces")).status_code == 401


async def test_repositories_without_permission_are_not_listed(world: World, ask_bitbucket: AskBitbucket) -> None:
    """A member of the workspace has no part in all of them."""
    world.bitbucket().repositories["acme/apps"].permissions = {}
    reply = await ask_bitbucket("bitbucket-good-user", "/user/workspaces/acme/permissions/repositories")
    assert "acme/apps" not in [one["repository"]["full_name"] for one in reply.json()["values"]]


async def test_long_lists_come_in_pages(ask_bitbucket: AskBitbucket) -> None:
    """The next one's address is in the document."""
    path = "/user/workspaces/acme/permissions/repositories"
    first = (await ask_bitbucket("bitbucket-good-runtime", path, params={"pagelen": "3"})).json()
    assert (len(first["values"]), first["size"], first["page"]) == (3, 4, 1)
    rest = await ask_bitbucket("bitbucket-good-runtime", first["next"].partition("/2.0")[2])
    assert len(rest.json()["values"]) == 1
    assert "next" not in rest.json()


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("bitbucket-good-runtime", 200),
        ("bitbucket-reader", 200),
        ("bitbucket-oauth", 200),
        ("bitbucket-outsider", 404),
        ("bitbucket-workspace-token", 403),
        (None, 404),
    ],
)
async def test_a_workspace_is_for_its_members(ask_bitbucket: AskBitbucket, token: str | None, status: int) -> None:
    """With the scope to read it, which an access token can't hold."""
    assert (await ask_bitbucket(token, "/workspaces/acme")).status_code == status


@pytest.mark.parametrize(
    "path", ["/repositories", "/workspaces", "/user/permissions/workspaces", "/user/permissions/repositories"]
)
async def test_removed_endpoints_are_gone_and_leave_a_trace(
    simulator: Simulator, ask_bitbucket: AskBitbucket, path: str
) -> None:
    """So that a test can prove that nobody asks them any more."""
    reply = await ask_bitbucket("bitbucket-good-runtime", path)
    assert reply.status_code == 410
    assert reply.json()["error"]["message"] == "CHANGE-2770 - Functionality has been deprecated"
    assert "X-OAuth-Scopes" in reply.headers
    (record,) = simulator.journal.matching(host="bitbucket.org", path=f"/2.0{path}")
    assert (record.status, record.token) == (410, "bitbucket-good-runtime")
