"""What Gitea and Forgejo say of a token: nothing but refusals, and those name what is missing."""

import base64
import re
from functools import partial
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from tests.simulator.conftest import Ask
from webhook.simulator import Simulator, World
from webhook.simulator.faults import RateLimited
from webhook.simulator.gitea import GiteaHost, Repository, Token

HOST = "gitea.acme.dev"
APPS = "/repos/acme/apps"
HOOKS = f"{APPS}/hooks"
LACKING = "token does not have at least one of required scope(s)"
NOT_AN_ADMIN = "user should be an owner or a collaborator with admin write of a repository"


@pytest.fixture
def ask(ask: Ask) -> Ask:
    """All questions of this file are for one host."""
    return partial(ask, host=HOST)


@pytest.fixture
def host(world: World) -> GiteaHost:
    """What the server knows."""
    return world.gitea(HOST)


def outcome(reply: httpx.Response) -> tuple[int, str | None]:
    """Status and message."""
    document: Any = reply.json()
    return reply.status_code, document.get("message") if isinstance(document, dict) else None


async def test_the_version_is_open(ask: Ask, simulator: Simulator) -> None:
    """The API is below a path."""
    assert simulator.hosts[HOST].api_url == f"{simulator.hosts[HOST].origin}/api/v1"
    reply = await ask(None, "/version")
    assert (reply.status_code, reply.json()) == (200, {"version": "1.22.6"})


async def test_a_forgejo_says_so(simulator: Simulator, client: httpx.AsyncClient, ask: Ask, host: GiteaHost) -> None:
    """By an endpoint that a Gitea doesn't have, and behind its version."""
    own = f"{simulator.hosts[HOST].origin}/api/forgejo/v1/version"
    assert (await client.get(own)).status_code == 404
    host.flavour, host.version = "forgejo", "11.0.1"
    assert (await client.get(own)).json() == {"version": "11.0.1+gitea-1.22.0"}
    assert (await ask(None, "/version")).json() == {"version": "11.0.1+gitea-1.22.0"}


@pytest.mark.parametrize("form", ["token {}", "Bearer {}", "TOKEN {}"])
async def test_a_token_signs_its_owner_in(ask: Ask, world: World, form: str) -> None:
    """By either scheme, in any letter case."""
    value = world.token("gitea-good-user").value
    reply = await ask(None, "/user", headers={"Authorization": form.format(value)})
    assert reply.json().items() >= {"login": "octocat", "id": 1, "is_admin": False}.items()


@pytest.mark.parametrize("form", ["anybody:{}", "{}:x-oauth-basic", "{}:"])
async def test_basic_takes_a_token_as_password_or_user_name(ask: Ask, world: World, form: str) -> None:
    """As Git clients send it."""
    pair = base64.b64encode(form.format(world.token("gitea-good-user").value).encode()).decode()
    assert (await ask(None, "/user", headers={"Authorization": f"Basic {pair}"})).status_code == 200


async def test_a_bad_token_is_refused_everywhere(ask: Ask) -> None:
    """By what is open to all, too; it may be deleted or wrong."""
    expected = (401, "invalid username, password or token")
    for path in ("/user", "/version", "/repos/acme/website"):
        assert outcome(await ask("gitea-revoked", path)) == expected
        assert outcome(await ask(None, path, headers={"Authorization": "token nonsense"})) == expected


async def test_nobody_is_asked_for_a_token(ask: Ask, host: GiteaHost) -> None:
    """Except for what is open, unless the whole site is closed."""
    assert outcome(await ask(None, "/user")) == (401, "token is required")
    assert (await ask(None, "/repos/acme/website")).status_code == 200
    assert (await ask(None, "/users/octocat")).status_code == 200
    host.requires_sign_in = True
    assert outcome(await ask(None, "/version")) == (403, "Only signed in user is allowed to call APIs.")


async def test_somebody_may_be_prohibited_from_signing_in(ask: Ask) -> None:
    """Whatever the token holds."""
    status, message = outcome(await ask("gitea-prohibited", "/user"))
    assert (status, str(message).partition(",")[0]) == (403, "This account is prohibited from signing in")


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("/user", "[read:user]"),
        ("/users/octocat", "[read:user]"),
        ("/user/orgs", "[read:user read:organization]"),
        ("/user/repos", "[read:user]"),
        ("/orgs/acme", "[read:organization]"),
        ("/notifications", "[read:notification]"),
        ("/packages/acme", "[read:package]"),
        ("/admin/users", "[read:admin]"),
        (APPS, "[read:repository]"),
        (HOOKS, "[read:repository]"),
        (f"{APPS}/issues", "[read:issue]"),
        ("/repos/acme/none", "[read:repository]"),
    ],
)
async def test_a_refusal_names_the_missing_scopes(ask: Ask, path: str, missing: str) -> None:
    """Which proves that the token is good. It comes before a 404."""
    reply = await ask("gitea-none", path)
    assert outcome(reply) == (403, f"{LACKING}: {missing}")
    assert reply.json()["url"].endswith("/api/swagger")
    assert LACKING not in (await ask("gitea-all", path)).text


async def test_newer_versions_tell_the_tokens_scopes_too(ask: Ask, host: GiteaHost) -> None:
    """So that a single refusal would be enough."""
    host.tells_scopes = True
    message = f"{LACKING}, required=[read:notification], token scope=write:repository,read:user"
    assert outcome(await ask("gitea-good-user", "/notifications")) == (403, message)


async def test_the_newest_tell_a_token_of_itself(ask: Ask, host: GiteaHost) -> None:
    """Whatever it holds; others don't know the endpoint."""
    assert (await ask("gitea-weak", "/token")).status_code == 404
    host.tells_of_tokens = True
    told = (await ask("gitea-none", "/token")).json()
    assert (told["scopes"], told["user"]) == ([], {"id": 1, "login": "octocat"})
    assert (await ask("gitea-weak", "/token")).json()["scopes"] == ["read:repository"]
    assert outcome(await ask(None, "/token")) == (401, "token is required")


async def test_packages_are_somebodys(ask: Ask) -> None:
    """A person's or an organisation's."""
    assert (await ask("gitea-all", "/packages/octocat")).json() == []
    assert (await ask("gitea-all", "/packages/nobody")).status_code == 404


async def test_all_named_scopes_are_needed(ask: Ask) -> None:
    """Though the text says that one is enough."""
    assert outcome(await ask("gitea-good-user", "/user/orgs"))[0] == 403
    reply = await ask("gitea-good-runtime", "/user/orgs")
    assert (reply.status_code, reply.headers["X-Total-Count"]) == (200, "1")
    assert [one["name"] for one in reply.json()] == ["acme"]


def test_scopes_include_what_is_below_them() -> None:
    """Writing includes reading, and all includes everything except for the restriction to what is public."""
    assert Token(name="t", owner="o", scopes=["write:user"]).holds("read:user")
    assert not Token(name="t", owner="o", scopes=["read:user"]).holds("write:user")
    assert not Token(name="t", owner="o", scopes=["write:user"]).holds("read:repository")
    everything = Token(name="t", owner="o", scopes=["all"])
    assert everything.holds("write:admin")
    assert not everything.public_only
    with pytest.raises(ValidationError):
        Token.model_validate({"name": "t", "owner": "o", "scopes": ["repo"]})


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        ("gitea-weak", APPS, 200),
        ("gitea-weak", "/repos/ACME/Apps", 200),
        ("gitea-weak", "/repos/acme/none", 404),
        ("gitea-weak", "/repos/none/apps", 404),
        ("gitea-reader", "/repos/octocat/diary", 404),
        ("gitea-reader", "/repos/acme/shared-configuration", 404),
        ("gitea-root", "/repos/octocat/diary", 200),
        (None, APPS, 404),
        ("gitea-public-only", "/repos/acme/website", 200),
        ("gitea-public-only", "/repos/acme/none", 404),
    ],
)
async def test_what_a_person_may_not_see_is_not_there(ask: Ask, token: str | None, path: str, status: int) -> None:
    """404, as for what doesn't exist."""
    reply = await ask(token, path)
    assert reply.status_code == status
    if status == 404:
        assert reply.json()["message"] == "The target couldn't be found."


async def test_a_token_for_what_is_public_is_told_so_of_private_things(ask: Ask) -> None:
    """403 where its owner would see something."""
    assert outcome(await ask("gitea-public-only", APPS)) == (403, "token scope is limited to public repos")
    assert outcome(await ask("gitea-public-only", HOOKS)) == (403, "token scope is limited to public repos")
    assert outcome(await ask("gitea-public-only", f"{APPS}/issues")) == (403, "token scope is limited to public issues")
    assert (await ask("gitea-public-only", "/repos/acme/website/hooks")).status_code == 200
    listed = (await ask("gitea-public-only", "/user/repos")).json()
    assert [one["full_name"] for one in listed] == ["acme/website"]


@pytest.mark.parametrize(
    ("token", "rights"),
    [
        ("gitea-weak", {"admin": True, "push": True, "pull": True}),
        ("gitea-writer", {"admin": False, "push": True, "pull": True}),
        ("gitea-reader", {"admin": False, "push": False, "pull": True}),
    ],
)
async def test_a_repository_tells_of_the_persons_rights_and_not_of_the_tokens(
    ask: Ask, token: str, rights: dict[str, bool]
) -> None:
    """A token that may only read shows admin."""
    assert (await ask(token, APPS)).json()["permissions"] == rights


async def test_hooks_are_for_those_who_administer_the_repository(ask: Ask) -> None:
    """To read them, a token for reading is enough."""
    assert [one["id"] for one in (await ask("gitea-weak", HOOKS)).json()] == [501]
    for token in ("gitea-writer", "gitea-reader"):
        assert outcome(await ask(token, HOOKS)) == (403, NOT_AN_ADMIN)
    assert outcome(await ask(None, "/repos/acme/website/hooks")) == (401, "token is required")


PROBES = [("/user/repos", "[Name]: Required"), ("/orgs/acme/repos", "[Name]: Required"), (HOOKS, "[Type]: Required")]


@pytest.mark.parametrize(("path", "problem"), PROBES)
async def test_a_write_without_content_is_refused_for_it_when_the_token_may(
    ask: Ask, world: World, path: str, problem: str
) -> None:
    """422, and nothing changes."""
    assert outcome(await ask("gitea-all", path, "POST", json={})) == (422, problem)
    assert outcome(await ask("gitea-all", path, "POST")) == (422, "[]: Empty request body")
    for content in (b"{", b"[]"):
        assert (await ask("gitea-all", path, "POST", content=content)).status_code == 422
    assert world.mutations == []


@pytest.mark.parametrize(
    ("token", "path", "expected"),
    [
        ("gitea-weak", HOOKS, f"{LACKING}: [write:repository]"),
        ("gitea-writer", HOOKS, NOT_AN_ADMIN),
        ("gitea-good-user", "/user/repos", f"{LACKING}: [write:user]"),
        ("gitea-weak", "/orgs/acme/repos", f"{LACKING}: [write:organization write:repository]"),
        (
            "gitea-reader",
            "/orgs/acme/repos",
            "Given user is not allowed to create repository in organization.",
        ),
    ],
)
async def test_a_write_is_forbidden_before_its_content_is_looked_at(
    ask: Ask, token: str, path: str, expected: str
) -> None:
    """To create a repository of one's own takes ``write:user`` as well, which the API's description doesn't say."""
    assert outcome(await ask(token, path, "POST", json={})) == (403, expected)


async def test_creating_a_repository_takes_both_scopes(ask: Ask, host: GiteaHost) -> None:
    """After ``write:user`` it asks for ``write:repository``."""
    host.add(Token(name="user-only", owner="octocat", scopes=["write:user"]))
    assert outcome(await ask("user-only", "/user/repos", "POST", json={})) == (403, f"{LACKING}: [write:repository]")


async def test_a_valid_write_changes_the_record(ask: Ask, world: World) -> None:
    """So that the absence of mutations means something."""
    hook = {"type": "gitea", "config": {"url": "https://hooks.example.com", "content_type": "json"}}
    for path, body, target in (
        ("/user/repos", {"name": "new"}, "octocat/new"),
        ("/orgs/acme/repos", {"name": "new", "private": True}, "acme/new"),
        (HOOKS, hook, "acme/apps"),
    ):
        assert (await ask("gitea-all", path, "POST", json=body)).status_code == 201
        assert world.mutations[-1].target == target
    assert len(world.mutations) == 3


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/user/repos", {"name": "diary"}, 409),
        ("/user/repos", {"name": "!invalid"}, 422),
        ("/orgs/none/repos", {"name": "new"}, 404),
        (HOOKS, {"type": "gitea"}, 422),
        (HOOKS, {"type": "gitea", "config": {"url": "https://hooks.example.com"}}, 422),
    ],
)
async def test_an_invalid_write_changes_nothing(
    ask: Ask, world: World, path: str, body: dict[str, Any], status: int
) -> None:
    """Whatever is wrong with it."""
    assert (await ask("gitea-all", path, "POST", json=body)).status_code == status
    assert world.mutations == []


async def test_tokens_are_listed_for_a_password_only(ask: Ask) -> None:
    """No token can look itself up."""
    assert outcome(await ask("gitea-all", "/users/octocat/tokens")) == (401, "auth required")
    assert outcome(await ask("gitea-root", "/users/octocat/tokens")) == (401, "auth required")
    assert (await ask("gitea-reader", "/users/octocat/tokens")).status_code == 403
    assert (await ask("gitea-root", "/users/nobody/tokens")).status_code == 404


async def test_the_sites_people_are_for_its_administrators(ask: Ask) -> None:
    """The scope alone is not enough."""
    assert outcome(await ask("gitea-all", "/admin/users")) == (403, "user should be the site admin")
    assert len((await ask("gitea-root", "/admin/users")).json()) == 5


async def test_lists_come_in_pages(ask: Ask) -> None:
    """The whole length is in a header."""
    first, last = await ask("gitea-all", "/user/repos?limit=3"), await ask("gitea-all", "/user/repos?limit=3&page=2")
    assert (len(first.json()), len(last.json())) == (3, 2)
    assert first.headers["X-Total-Count"] == last.headers["X-Total-Count"] == "5"


async def test_a_rate_limit_is_a_proxys(simulator: Simulator, ask: Ask) -> None:
    """Gitea itself counts nothing."""
    for limit, said in ((RateLimited(retry_after=7), "7"), (RateLimited(), None)):
        simulator.faults.add(limit, host=HOST, times=1)
        reply = await ask("gitea-all", "/user")
        assert (reply.status_code, reply.headers.get("Retry-After")) == (429, said)


async def test_requests_are_logged_by_the_tokens_name(simulator: Simulator, ask: Ask) -> None:
    """A dead one's too."""
    await ask("gitea-revoked", "/user")
    await ask(None, "/user")
    await ask(None, "/user", headers={"Authorization": "token nonsense"})
    await ask(None, "/user", headers={"Authorization": "nonsense"})
    assert [one.token for one in simulator.journal.records] == ["gitea-revoked", None, "(unknown)", "(unknown)"]


@pytest.mark.parametrize("path", ["/nowhere", "/repos/acme", f"{APPS}/nowhere"])
async def test_everything_else_is_not_found(ask: Ask, path: str) -> None:
    """In Gitea's JSON."""
    assert outcome(await ask("gitea-all", path)) == (404, "The target couldn't be found.")


async def test_the_web_site_is_no_api(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """A page answers beside it."""
    reply = await client.get(f"{simulator.hosts[HOST].origin}/user")
    assert (reply.status_code, reply.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_a_token_is_40_hexadecimal_characters(world: World) -> None:
    """Like those of other providers, too."""
    assert re.fullmatch(r"[0-9a-f]{40}", world.token("gitea-good-runtime").value)


def test_a_world_with_a_gitea_survives_its_file(world: World) -> None:
    """Written by hand it needs names once."""
    assert World.from_yaml(world.to_yaml()) == world
    by_hand = World.from_yaml(
        """
        hosts:
          git.example.com:
            kind: gitea
            users: {ann: {id: 1}}
            organizations: {acme: {id: 2, owners: [ann]}}
            repositories: {acme/apps: {id: 3, collaborators: {bob: write}}}
            tokens: {mine: {owner: ann, scopes: [all]}}
        """
    )
    read = by_hand.gitea("git.example.com")
    assert read.role(read.users["ann"], read.repositories["acme/apps"]).name == "OWNER"
    assert read.repositories["acme/apps"].collaborators["bob"].name == "WRITE"
    assert read.tokens["mine"].name == "mine"


def test_a_host_is_put_together_piece_by_piece() -> None:
    """The way a test builds just what it needs."""
    host = GiteaHost(name=HOST)
    host.add(Repository(owner="a", name="r", id=1), Token(name="t", owner="a"))
    assert World.of(host).gitea() is host
    assert host.repository("A", "R") is host.repositories["a/r"]
