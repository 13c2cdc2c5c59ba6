"""What a token may do in a repository, and what it is told when it may not."""

from typing import Any

import httpx
import pytest

from tests.simulator.conftest import Ask
from webhook.simulator import World
from webhook.simulator.github import Repository, Role

APPS = "/repos/acme/apps"
ABSENT = 4294967289  # an id that nothing has
NOT_BY_TOKEN = "Resource not accessible by personal access token"

WRITE_PROBES = [
    ("PUT", f"{APPS}/contents/probe-file", 422),
    ("POST", f"{APPS}/git/refs", 422),
    ("POST", f"{APPS}/merges", 422),
    ("POST", f"{APPS}/hooks", 422),
    ("PATCH", f"{APPS}/hooks/{ABSENT}", 404),
    ("POST", f"{APPS}/keys", 422),
    ("DELETE", f"{APPS}/keys/{ABSENT}", 404),
]


def outcome(reply: httpx.Response) -> tuple[int, str | None]:
    """Status and message."""
    document = reply.json() if reply.content else None
    return reply.status_code, document.get("message") if isinstance(document, dict) else None


async def test_a_repository_tells_of_the_users_rights_and_not_of_the_tokens(ask: Ask) -> None:
    """A fine-grained token that may only read contents still shows admin."""
    document = (await ask("weak-fine-grained", APPS)).json()
    assert document["full_name"] == "acme/apps"
    assert document["private"] is True
    assert document["permissions"] == {"admin": True, "maintain": True, "push": True, "triage": True, "pull": True}


@pytest.mark.parametrize(
    ("token", "rights"),
    [
        ("writer-classic", {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True}),
        ("reader-classic", {"admin": False, "maintain": False, "push": False, "triage": False, "pull": True}),
        ("good-installation", dict.fromkeys(("admin", "maintain", "push", "triage", "pull"), False)),
    ],
)
async def test_permissions_follow_the_role(ask: Ask, token: str, rights: dict[str, bool]) -> None:
    """An installation has no user, so all are false."""
    assert (await ask(token, APPS)).json()["permissions"] == rights


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        ("good-classic", APPS, 200),
        ("good-classic", "/repos/ACME/Apps", 200),
        ("good-classic", "/repos/acme/nowhere", 404),
        ("no-scope-classic", APPS, 404),
        ("public-only-classic", APPS, 404),
        ("hooks-only-classic", APPS, 404),
        ("no-scope-classic", "/repos/acme/website", 200),
        (None, APPS, 404),
        (None, "/repos/acme/website", 200),
        ("good-classic", "/repos/octocat/diary", 200),
        ("writer-classic", "/repos/octocat/diary", 404),
        ("good-fine-grained", APPS, 200),
        ("good-fine-grained", "/repos/octocat/diary", 404),
        ("own-fine-grained", "/repos/octocat/diary", 200),
        ("own-fine-grained", APPS, 404),
        ("selected-fine-grained", APPS, 200),
        ("selected-fine-grained", "/repos/acme/shared-configuration", 404),
        ("pending-fine-grained", APPS, 404),
        ("pending-fine-grained", "/repos/acme/website", 200),
        ("public-fine-grained", APPS, 404),
        ("good-installation", APPS, 200),
        ("good-installation", "/repos/octocat/diary", 404),
        ("selected-installation", "/repos/acme/shared-configuration", 404),
        ("good-app-user", APPS, 200),
        ("good-app-user", "/repos/octocat/diary", 404),
    ],
)
async def test_what_a_token_does_not_reach_is_not_there(ask: Ask, token: str | None, path: str, status: int) -> None:
    """404, never 403, for private repositories out of reach."""
    assert (await ask(token, path)).status_code == status


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        ("good-fine-grained", "/commits", 200),
        ("no-hooks-fine-grained", "/hooks", 403),
        ("no-admin-fine-grained", "/actions/permissions", 403),
        ("no-admin-fine-grained", "/hooks", 200),
        ("read-only-fine-grained", "/hooks", 200),
        ("read-only-fine-grained", "/actions/permissions", 200),
        ("read-only-fine-grained", "/keys", 200),
        ("weak-fine-grained", "/rulesets", 200),
        ("weak-fine-grained", "/keys", 403),
        ("good-fine-grained", "/collaborators", 200),
        ("good-fine-grained", "/rulesets/rule-suites", 403),
        ("good-classic", "/rulesets/rule-suites", 200),
        ("good-installation", "/rulesets/rule-suites", 403),
        ("good-app-user", "/hooks", 200),
        ("weak-app-user", "/hooks", 403),
    ],
)
async def test_each_read_asks_for_its_permission(ask: Ask, token: str, path: str, status: int) -> None:
    """Rule suites refuse fine-grained tokens whatever they hold."""
    assert (await ask(token, APPS + path)).status_code == status


async def test_refusals_name_the_kind_of_actor(ask: Ask) -> None:
    """A fine-grained token is a personal access token, an App's an integration."""
    assert outcome(await ask("weak-fine-grained", f"{APPS}/hooks")) == (403, NOT_BY_TOKEN)
    for name in ("no-hooks-installation", "weak-app-user"):
        assert outcome(await ask(name, f"{APPS}/hooks")) == (403, "Resource not accessible by integration")


@pytest.mark.parametrize(
    ("token", "path", "expected"),
    [
        ("good-classic", "/hooks", (200, None)),
        ("hooks-only-classic", "/hooks", (200, None)),
        ("user-classic", "/hooks", (200, None)),
        ("writer-classic", "/hooks", (404, "Not Found")),
        ("no-scope-classic", "/hooks", (404, "Not Found")),
        ("writer-classic", "/actions/permissions", (403, "Must have admin rights to Repository.")),
        ("writer-fine-grained", "/actions/permissions", (403, "Must have admin rights to Repository.")),
        ("reader-classic", "/collaborators", (403, "Must have push access to view repository collaborators.")),
        ("writer-classic", "/collaborators", (200, None)),
        ("writer-classic", "/keys", (404, "Not Found")),
    ],
)
async def test_the_persons_role_counts_beside_the_token(
    ask: Ask, token: str, path: str, expected: tuple[int, str | None]
) -> None:
    """Hooks and keys hide from who is no admin; ``admin:repo_hook`` alone opens hooks and nothing else."""
    assert outcome(await ask(token, APPS + path)) == expected


async def test_public_contents_prove_nothing(ask: Ask) -> None:
    """Everybody reads them, with a token of no permission too."""
    for token in (None, "public-fine-grained", "no-scope-classic", "good-fine-grained"):
        assert (await ask(token, "/repos/acme/website/commits")).status_code == 200
    assert (await ask("public-fine-grained", "/repos/acme/website/hooks")).status_code == 403


async def test_an_empty_repository_answers_conflict(ask: Ask) -> None:
    """Which needs the permission all the same."""
    assert outcome(await ask("good-classic", "/repos/acme/empty/commits")) == (409, "Git Repository is empty.")


@pytest.mark.parametrize(("method", "path", "status"), WRITE_PROBES)
async def test_write_probes_are_refused_for_their_body_when_the_token_may(
    world: World, ask: Ask, method: str, path: str, status: int
) -> None:
    """And change nothing."""
    for token in ("good-fine-grained", "good-classic", "good-installation"):
        assert (await ask(token, path, method, json={})).status_code == status
        assert (await ask(token, path, method)).status_code == status
    assert world.mutations == []


@pytest.mark.parametrize(("method", "path", "status"), WRITE_PROBES)
async def test_write_probes_are_forbidden_when_the_token_may_only_read(
    ask: Ask, method: str, path: str, status: int
) -> None:
    """403 comes before the body is looked at."""
    assert outcome(await ask("read-only-fine-grained", path, method, json={})) == (403, NOT_BY_TOKEN)


@pytest.mark.parametrize(("method", "path", "status"), WRITE_PROBES)
async def test_a_host_may_look_at_the_body_first(world: World, ask: Ask, method: str, path: str, status: int) -> None:
    """The order is documented nowhere, so a client must not depend on it."""
    world.github().validates_before_authorizing = True
    assert (await ask("read-only-fine-grained", path, method, json={})).status_code == status
    assert (await ask("pending-fine-grained", path, method, json={})).status_code == 404


VALID_WRITES: list[tuple[str, str, dict[str, Any] | None, int]] = [
    ("PUT", f"{APPS}/contents/docs/new.md", {"message": "Add", "content": "aGk="}, 201),
    ("POST", f"{APPS}/git/refs", {"ref": "refs/heads/new", "sha": "0" * 40}, 201),
    ("POST", f"{APPS}/merges", {"base": "main", "head": "new"}, 201),
    ("POST", f"{APPS}/hooks", {"config": {"url": "https://hooks.example.com"}}, 201),
    ("PATCH", f"{APPS}/hooks/501", {"active": False}, 200),
    ("POST", f"{APPS}/keys", {"title": "new", "key": "ssh-ed25519 AAAA"}, 201),
    ("DELETE", f"{APPS}/keys/601", None, 204),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), VALID_WRITES)
async def test_a_valid_write_changes_the_record(
    world: World, ask: Ask, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    """So that the absence of mutations means something."""
    reply = await ask("good-fine-grained", path, method, json=body)
    assert reply.status_code == status
    (mutation,) = world.mutations
    assert (mutation.host, mutation.target, mutation.token) == ("github.com", "acme/apps", "good-fine-grained")


async def test_changing_a_hook_to_what_it_is_changes_nothing(world: World, ask: Ask) -> None:
    """An empty PATCH of a hook that exists is answered 200."""
    assert (await ask("good-classic", f"{APPS}/hooks/501", "PATCH", json={})).status_code == 200
    assert world.mutations == []


async def test_a_body_that_is_no_json_is_a_bad_request(ask: Ask) -> None:
    """400, once the caller may."""
    reply = await ask("good-classic", f"{APPS}/hooks", "POST", content=b"{")
    assert outcome(reply) == (400, "Problems parsing JSON")


async def test_an_archived_repository_is_read_only(ask: Ask) -> None:
    """Reads go on."""
    attic = "/repos/acme/attic"
    assert (await ask("good-classic", f"{attic}/hooks")).status_code == 200
    reply = await ask("good-classic", f"{attic}/contents/x", "PUT", json={"message": "m", "content": "eA=="})
    assert outcome(reply) == (403, "Repository was archived so is read-only.")


async def test_the_accepted_permissions_are_told_to_permission_bearing_tokens(world: World, ask: Ask) -> None:
    """It is the endpoint's need, not the token's grant; most recorded responses lack it, so it can be left out."""
    name = "X-Accepted-GitHub-Permissions"
    assert (await ask("no-hooks-fine-grained", f"{APPS}/hooks")).headers[name] == "repository_hooks=read"
    assert (await ask("good-installation", f"{APPS}/actions/permissions")).headers[name] == "administration=read"
    assert name not in (await ask("good-classic", f"{APPS}/hooks")).headers
    world.github().sends_accepted_permissions = False
    assert name not in (await ask("no-hooks-fine-grained", f"{APPS}/hooks")).headers


async def test_saml_refuses_a_classic_token_that_was_not_authorized(ask: Ask) -> None:
    """With a header that says where to authorise it, and the scopes all the same."""
    reply = await ask("good-classic", "/repos/sso-corp/apps")
    assert reply.status_code == 403
    assert "organization SAML enforcement" in reply.json()["message"]
    assert reply.headers["X-GitHub-SSO"].startswith("required; url=https://github.com/orgs/sso-corp/sso?")
    assert reply.headers["X-OAuth-Scopes"] == "admin:repo_hook, repo"
    assert (await ask("sso-authorized", "/repos/sso-corp/apps")).status_code == 200


async def test_listings_leave_out_what_saml_protects_and_say_so(ask: Ask) -> None:
    """200 with the organisations' ids."""
    reply = await ask("good-classic", "/user/repos?per_page=100")
    assert reply.headers["X-GitHub-SSO"] == "partial-results; organizations=9002"
    assert "sso-corp/apps" not in [one["full_name"] for one in reply.json()]


@pytest.mark.parametrize(
    ("token", "organization", "text"),
    [
        ("good-classic", "strict-corp", "`strict-corp` forbids access via a personal access token (classic)."),
        ("unlimited-fine-grained", "short-lived-corp", "if the token's lifetime is greater than 366 days."),
        ("walled-fine-grained", "walled-corp", "has an IP allow list enabled, and your IP address is not permitted"),
        ("good-classic", "walled-corp", "has an IP allow list enabled, and your IP address is not permitted"),
    ],
)
async def test_an_organization_forbids_good_tokens(ask: Ask, token: str, organization: str, text: str) -> None:
    """Each policy in GitHub's words."""
    reply = await ask(token, f"/repos/{organization}/apps")
    assert reply.status_code == 403
    assert text in reply.json()["message"]


async def test_an_oauth_token_is_no_classic_one(ask: Ask) -> None:
    """The policy against classic tokens lets it pass."""
    assert (await ask("good-oauth", "/repos/strict-corp/apps")).status_code == 200


async def test_own_repositories_come_in_pages(ask: Ask, client: httpx.AsyncClient, world: World) -> None:
    """``Link`` leads from the first to the last, on the host that was asked."""
    names, reply = [], await ask("good-classic", "/user/repos?per_page=2&visibility=private")
    while True:
        assert len(reply.json()) <= 2
        names += [one["full_name"] for one in reply.json()]
        if "next" not in reply.links:
            break
        headers = {"Authorization": f"token {world.token('good-classic').value}"}
        reply = await client.get(reply.links["next"]["url"], headers=headers)
    assert names == sorted(set(names), key=str.lower)
    assert "acme/apps" in names
    assert "acme/website" not in names
    assert set(reply.links) == {"first", "prev"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("affiliation=owner", {"octocat/hello-world", "octocat/diary"}),
        ("affiliation=owner&visibility=public", {"octocat/hello-world"}),
        ("affiliation=collaborator", set()),
    ],
)
async def test_own_repositories_can_be_chosen(ask: Ask, query: str, expected: set[str]) -> None:
    """By affiliation and visibility."""
    assert {one["full_name"] for one in (await ask("good-classic", f"/user/repos?{query}")).json()} == expected


async def test_own_repositories_of_a_fine_grained_token(world: World, ask: Ask) -> None:
    """Private ones outside its selection are hidden, unless the host is set to the other unverified behaviour."""
    path = "/user/repos?visibility=private"
    listed = {one["full_name"] for one in (await ask("selected-fine-grained", path)).json()}
    assert listed == {"acme/apps"}
    world.github().lists_unselected_repositories = True
    listed = {one["full_name"] for one in (await ask("selected-fine-grained", path)).json()}
    assert {"acme/apps", "acme/shared-configuration", "octocat/diary"} <= listed


async def test_type_and_visibility_exclude_each_other(ask: Ask) -> None:
    """422, as documented."""
    assert (await ask("good-classic", "/user/repos?type=all&visibility=all")).status_code == 422


async def test_an_organizations_repositories_are_those_that_are_seen(ask: Ask) -> None:
    """Public ones for everybody, private ones for who may."""
    public = [one["full_name"] for one in (await ask("no-scope-classic", "/orgs/acme/repos")).json()]
    assert public == ["acme/website"]
    private = [one["full_name"] for one in (await ask("selected-fine-grained", "/orgs/acme/repos?type=private")).json()]
    assert private == ["acme/apps"]
    assert (await ask("good-classic", "/orgs/octocat/repos")).status_code == 404
    assert (await ask("good-classic", "/orgs/acme")).json()["login"] == "acme"


async def test_a_repository_may_come_into_being_while_the_world_is_served(world: World, ask: Ask) -> None:
    """The world is read at every request."""
    assert (await ask("good-classic", "/repos/acme/new")).status_code == 404
    world.github().add(Repository(owner="acme", name="new", id=999, roles={"octocat": Role.READ}))
    assert (await ask("good-classic", "/repos/acme/new")).status_code == 200
