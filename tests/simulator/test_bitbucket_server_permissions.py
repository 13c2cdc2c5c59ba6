"""What a token may do on a Bitbucket Server: the lesser of what it holds and of what its owner may."""

from functools import partial

import httpx
import pytest

from tests.simulator.bitbucket_server import HOST, JANE, problem
from tests.simulator.conftest import Ask
from webhook.simulator import World
from webhook.simulator.bitbucket_server import BitbucketServerHost, Project, Repository, User

API = "/rest/api/1.0"
APPS = f"{API}/projects/ACME/repos/apps"
TOKENS = "/rest/access-tokens/1.0"


@pytest.fixture
def ask(ask: Ask) -> Ask:
    """All questions of this file are for one host."""
    return partial(ask, host=HOST)


@pytest.fixture
def host(world: World) -> BitbucketServerHost:
    """What the server knows."""
    return world.bitbucket_server(HOST)


def slugs(reply: httpx.Response) -> set[str]:
    """The repositories of a page."""
    assert reply.status_code == 200
    return {one["slug"] for one in reply.json()["values"]}


def keys(reply: httpx.Response) -> set[str]:
    """The projects of a page."""
    assert reply.status_code == 200
    return {one["key"] for one in reply.json()["values"]}


READ, WRITE, ADMIN = "REPO_READ", "REPO_WRITE", "REPO_ADMIN"


@pytest.mark.parametrize(
    ("token", "levels"),
    [
        ("server-good-runtime", {READ, WRITE, ADMIN}),
        ("server-good-user", {READ, WRITE}),
        ("server-read-only", {READ}),
        ("server-no-admin", {READ, WRITE}),
        ("server-repo-admin", {READ, WRITE, ADMIN}),
        ("server-weak-owner", {READ, WRITE}),
        ("server-reader", {READ}),
        ("server-project-token", {READ, WRITE, ADMIN}),
        ("server-repo-token", {READ, WRITE, ADMIN}),
        (None, set()),
    ],
)
async def test_the_filter_shows_where_a_token_has_a_permission(ask: Ask, token: str | None, levels: set[str]) -> None:
    """Each level includes those below it; a token is capped by its owner's rights, and the other way round."""
    found = set()
    for level in (READ, WRITE, ADMIN):
        query = f"permission={level}&projectkey=ACME&name=apps&limit=1"
        if "apps" in slugs(await ask(token, f"{API}/repos?{query}")):
            found.add(level)
    assert found == levels


@pytest.mark.parametrize(
    ("token", "levels"),
    [
        ("server-good-runtime", {"PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN"}),
        ("server-good-user", {"PROJECT_READ"}),
        ("server-no-admin", {"PROJECT_READ", "PROJECT_WRITE"}),
        ("server-weak-owner", {"PROJECT_READ", "PROJECT_WRITE"}),
        ("server-reader", set()),
        ("server-project-token", {"PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN"}),
        ("server-repo-token", set()),
        (None, set()),
    ],
)
async def test_projects_are_filtered_likewise(ask: Ask, token: str | None, levels: set[str]) -> None:
    """A right on a repository is none on its project."""
    found = {
        level
        for level in ("PROJECT_READ", "PROJECT_WRITE", "PROJECT_ADMIN")
        if "ACME" in keys(await ask(token, f"{API}/projects?permission={level}"))
    }
    assert found == levels


async def test_the_filter_may_look_at_the_person_alone(ask: Ask, host: BitbucketServerHost) -> None:
    """Whether it applies a token's restrictions is unknown; the endpoints themselves always do."""
    host.filter_ignores_tokens = True
    assert "apps" in slugs(await ask("server-read-only", f"{API}/repos?permission=REPO_ADMIN"))
    assert "ACME" in keys(await ask("server-read-only", f"{API}/projects?permission=PROJECT_ADMIN"))
    assert "apps" not in slugs(await ask("server-weak-owner", f"{API}/repos?permission=REPO_ADMIN"))
    assert (await ask("server-read-only", f"{APPS}/webhooks")).status_code == 401


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=apps", {"apps"}),
        ("name=%20APPS%20", {"apps"}),
        ("name=e&projectkey=ACME", {"shared-configuration", "website", "empty"}),
        ("name=shared-configuration", set()),
        ("name=shared%20configuration", {"shared-configuration"}),
        ("projectname=operations", {"runbooks"}),
        ("projectname=OPS", set()),
        ("projectkey=ops", {"runbooks"}),
        ("visibility=public", {"website"}),
        ("archived=ARCHIVED", {"attic"}),
    ],
)
async def test_repositories_are_chosen_by_names_and_not_by_slugs(ask: Ask, query: str, expected: set[str]) -> None:
    """A name matches in part and in any letter case, so that more may come back than was meant."""
    assert slugs(await ask("server-good-runtime", f"{API}/repos?{query}")) == expected


async def test_before_8_0_a_project_key_chooses_nothing(ask: Ask, host: BitbucketServerHost) -> None:
    """What a version doesn't know it ignores, and answers with all projects' repositories."""
    host.version = "7.11.2"
    assert slugs(await ask("server-good-runtime", f"{API}/repos?projectkey=OPS&name=apps")) == {"apps"}
    document = (await ask("server-good-runtime", APPS)).json()
    assert "archived" not in document


async def test_an_unknown_permission_is_a_bad_request(ask: Ask) -> None:
    """And not an empty list."""
    assert problem(await ask("server-good-runtime", f"{API}/repos?permission=REPO_OWN")) == (400, None)
    assert problem(await ask("server-good-runtime", f"{API}/projects?permission=REPO_READ")) == (400, None)


async def test_anonymous_callers_see_what_is_public(ask: Ask, host: BitbucketServerHost) -> None:
    """A public project's repositories are public, too; nothing more follows from it."""
    assert slugs(await ask(None, f"{API}/repos")) == {"website"}
    host.projects["OPS"].public = True
    assert slugs(await ask(None, f"{API}/repos")) == {"website", "runbooks"}
    assert slugs(await ask(None, f"{API}/repos?permission=REPO_WRITE")) == set()
    assert problem(await ask(None, f"{API}/projects/ACME/repos/website/webhooks")) == (401, "AuthorisationException")


async def test_lists_come_in_pages(ask: Ask) -> None:
    """``nextPageStart`` leads on, until the last page."""
    seen: list[str] = []
    start: int | None = 0
    while start is not None:
        page = (await ask("server-good-runtime", f"{API}/repos?limit=2&start={start}")).json()
        assert page["size"] == len(page["values"]) <= 2
        assert page["isLastPage"] is ("nextPageStart" not in page)
        seen += [one["slug"] for one in page["values"]]
        start = page.get("nextPageStart")
    assert seen == ["apps", "shared-configuration", "website", "empty", "runbooks", "diary"]


@pytest.mark.parametrize(
    ("token", "path", "expected"),
    [
        ("server-good-runtime", "/projects/ACME", (200, None)),
        ("server-good-runtime", "/projects/acme/repos/APPS", (200, None)),
        ("server-good-runtime", "/projects/NONE", (404, "project.NoSuchProjectException")),
        ("server-good-runtime", "/projects/NONE/repos/apps", (404, "project.NoSuchProjectException")),
        ("server-good-runtime", "/projects/ACME/repos/none", (404, "repository.NoSuchRepositoryException")),
        ("server-reader", "/projects/ACME/repos/apps", (200, None)),
        ("server-reader", "/projects/ACME", (200, None)),
        ("server-reader", "/projects/ACME/repos/empty", (401, "AuthorisationException")),
        ("server-reader", "/projects/OPS", (401, "AuthorisationException")),
        ("server-project-token", "/projects/ACME/repos/empty", (200, None)),
        ("server-project-token", "/projects/OPS/repos/runbooks", (401, "AuthorisationException")),
        ("server-repo-token", "/projects/ACME/repos/apps", (200, None)),
        ("server-repo-token", "/projects/ACME/repos/empty", (401, "AuthorisationException")),
        ("server-repo-token", "/projects/ACME/repos/website", (200, None)),
        (None, "/projects/ACME/repos/apps", (401, "AuthorisationException")),
        (None, "/projects/ACME/repos/website", (200, None)),
        ("server-good-runtime", f"/projects/~{JANE}/repos/diary", (200, None)),
        ("server-weak-owner", f"/projects/~{JANE}/repos/diary", (401, "AuthorisationException")),
    ],
)
async def test_what_is_not_there_is_404_and_what_is_not_permitted_401(
    ask: Ask, token: str | None, path: str, expected: tuple[int, str | None]
) -> None:
    """In this order, so that a 401 tells that something is there."""
    reply = await ask(token, API + path)
    assert (reply.status_code, None) == expected if reply.status_code == 200 else problem(reply) == expected


REPOSITORY_ADMINS = {
    "server-good-runtime": 200,
    "server-good-user": 401,
    "server-read-only": 401,
    "server-no-admin": 401,
    "server-repo-admin": 200,
    "server-weak-owner": 401,
    "server-reader": 401,
    "server-project-token": 200,
    "server-repo-token": 200,
    None: 401,
}


@pytest.mark.parametrize("path", ["/webhooks", "/settings/hooks", "/permissions/users"])
@pytest.mark.parametrize(("token", "status"), REPOSITORY_ADMINS.items())
async def test_the_hooks_of_a_repository_are_for_its_administrators(
    ask: Ask, token: str | None, status: int, path: str
) -> None:
    """Which proves ``REPO_ADMIN`` without changing anything."""
    assert (await ask(token, APPS + path)).status_code == status


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("server-good-runtime", 200),
        ("server-project-token", 200),
        ("server-repo-admin", 401),
        ("server-no-admin", 401),
        ("server-weak-owner", 401),
        ("server-repo-token", 401),
    ],
)
async def test_the_people_of_a_project_are_for_its_administrators(ask: Ask, token: str, status: int) -> None:
    """Which proves ``PROJECT_ADMIN``."""
    reply = await ask(token, f"{API}/projects/ACME/permissions/users")
    assert reply.status_code == status
    if status == 200:
        found = {one["user"]["slug"]: one["permission"] for one in reply.json()["values"]}
        assert found == {JANE: "PROJECT_ADMIN", "hubot": "PROJECT_WRITE"}


async def test_rights_come_from_the_person_the_project_and_the_server(ask: Ask, host: BitbucketServerHost) -> None:
    """The highest of them counts; administrators of the server may everything everywhere."""
    assert (await ask("server-weak-owner", f"{API}/projects/OPS/repos/runbooks")).status_code == 401
    host.projects["OPS"].default_permission = "PROJECT_READ"
    assert (await ask("server-weak-owner", f"{API}/projects/OPS/repos/runbooks")).status_code == 200
    host.repositories["OPS/runbooks"].permissions["hubot"] = "REPO_ADMIN"
    assert (await ask("server-weak-owner", f"{API}/projects/OPS/repos/runbooks/webhooks")).status_code == 200
    assert (await ask("server-weak-owner", f"{APPS}/webhooks")).status_code == 401
    host.users["hubot"].global_permission = "ADMIN"
    assert (await ask("server-weak-owner", f"{APPS}/webhooks")).status_code == 200


async def test_a_project_lists_the_repositories_that_the_caller_may_read(ask: Ask) -> None:
    """Others are left out without a word."""
    assert slugs(await ask("server-reader", f"{API}/projects/ACME/repos")) == {"apps", "website"}


PROBE = {"name": "!invalid"}


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("server-good-runtime", 400),
        ("server-no-admin", 401),
        ("server-repo-admin", 401),
        ("server-project-token", 401),
    ],
)
async def test_an_invalid_name_in_the_own_project_tells_an_administrating_token(
    ask: Ask, world: World, token: str, status: int
) -> None:
    """What the predecessor of this product asked: 400 is as good as ``PROJECT_ADMIN``, and nothing is made."""
    assert (await ask(token, f"{API}/users/{JANE}/repos", "POST", json=PROBE)).status_code == status
    assert (await ask(token, f"{API}/users/{JANE}/repos", "POST")).status_code == status
    assert world.mutations == []


async def test_a_valid_name_makes_a_repository(ask: Ask, world: World, host: BitbucketServerHost) -> None:
    """Also the first one of somebody who had no project of their own, and a second one of the same name not."""
    reply = await ask("server-weak-owner", f"{API}/users/hubot/repos", "POST", json={"name": "My Notes"})
    assert (reply.status_code, reply.json()["slug"], reply.json()["project"]["type"]) == (201, "my-notes", "PERSONAL")
    (mutation,) = world.mutations
    assert (mutation.host, mutation.target, mutation.token) == (HOST, "~hubot/my-notes", "server-weak-owner")
    again = await ask("server-weak-owner", f"{API}/users/hubot/repos", "POST", json={"name": "my notes"})
    assert problem(again) == (409, "repository.DuplicateRepositoryException")
    assert (await ask("server-weak-owner", f"{API}/projects/~hubot/repos/my-notes/webhooks")).status_code == 200
    unknown = await ask("server-weak-owner", f"{API}/users/nobody/repos", "POST", json={"name": "x"})
    assert problem(unknown) == (404, "user.NoSuchUserException")


async def test_administrators_make_repositories_and_webhooks(ask: Ask, world: World) -> None:
    """A body that lacks something is refused after the permission was looked at, and changes nothing."""
    repositories, hooks = f"{API}/projects/ACME/repos", f"{APPS}/webhooks"
    hook = {"name": "n", "url": "https://hooks.example.com", "events": ["repo:refs_changed"]}
    for path, good in ((repositories, {"name": "new"}), (hooks, hook)):
        assert (await ask("server-no-admin", path, "POST", json=good)).status_code == 401
        assert problem(await ask("server-good-runtime", path, "POST", json={})) == (400, None)
        assert problem(await ask("server-good-runtime", path, "POST", content=b"{")) == (400, None)
    assert world.mutations == []
    for path, good in ((repositories, {"name": "new"}), (hooks, hook)):
        assert (await ask("server-good-runtime", path, "POST", json=good)).status_code == 201
    assert [one.target for one in world.mutations] == ["ACME/new", "ACME/apps"]


@pytest.mark.parametrize(
    ("token", "path", "names"),
    [
        ("server-repo-admin", f"{TOKENS}/users/{JANE}", {"server-good-runtime", "server-expired", "server-plain"}),
        ("server-good-runtime", f"{TOKENS}/projects/ACME", {"server-project-token"}),
        ("server-good-runtime", "/rest/access-tokens/latest/projects/ACME/repos/apps", {"server-repo-token"}),
        ("server-weak-owner", f"{TOKENS}/users/{JANE}", None),
        ("server-project-token", f"{TOKENS}/users/{JANE}", None),
        ("server-no-admin", f"{TOKENS}/projects/ACME", None),
    ],
)
async def test_tokens_may_be_listed_to_their_owners(
    ask: Ask, host: BitbucketServerHost, token: str, path: str, names: set[str] | None
) -> None:
    """Without their values, and only where the server is set to: whether a token is enough for it is unknown."""
    assert problem(await ask(token, path)) == (401, "AuthorisationException")
    host.lists_tokens_to_tokens = True
    reply = await ask(token, path)
    if names is None:
        assert problem(reply) == (401, "AuthorisationException")
        return
    found = {one["name"]: one for one in reply.json()["values"]}
    assert found.keys() >= names
    assert "server-revoked" not in found
    assert not any(host.tokens[name].value in reply.text for name in found)
    assert all(set(one) >= {"id", "permissions", "createdDate"} for one in found.values())


async def test_a_project_without_a_name_is_called_by_its_key(ask: Ask, host: BitbucketServerHost) -> None:
    """In its document and where names are searched."""
    host.add(User(slug="sam", id=300), Project(key="BARE", id=300), Repository(project="BARE", slug="r", id=300))
    host.users[JANE].global_permission = "SYS_ADMIN"
    assert (await ask("server-good-runtime", f"{API}/projects/BARE")).json()["name"] == "BARE"
    assert slugs(await ask("server-good-runtime", f"{API}/repos?projectname=bare")) == {"r"}
