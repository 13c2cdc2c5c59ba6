"""Who is calling a Bitbucket Server, what the headers say of them, and what becomes of bad credentials."""

import base64
import re
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import pytest
from pydantic import ValidationError

from tests.simulator.bitbucket_server import HOST, JANE, problem
from tests.simulator.conftest import Ask
from webhook.simulator import Simulator, World
from webhook.simulator.bitbucket_server import BitbucketServerHost, Token, TokenKind, User
from webhook.simulator.faults import RateLimited

PROPERTIES = "/rest/api/1.0/application-properties"
APPS = "/rest/api/1.0/projects/ACME/repos/apps"


@pytest.fixture
def ask(ask: Ask) -> Ask:
    """All questions of this file are for one host."""
    return partial(ask, host=HOST)


@pytest.fixture
def host(world: World) -> BitbucketServerHost:
    """What the server knows."""
    return world.bitbucket_server(HOST)


def basic(name: str, secret: str) -> dict[str, str]:
    """A token in the place of a password."""
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{secret}'.encode()).decode()}"}


async def test_application_properties_are_open_and_name_the_product(ask: Ask) -> None:
    """The build number follows from the version; nobody is named."""
    for path in (PROPERTIES, PROPERTIES.replace("1.0", "latest")):
        reply = await ask(None, path)
        assert reply.status_code == 200
        assert reply.json().items() >= {"version": "8.19.12", "buildNumber": "8019012"}.items()
        assert reply.json()["displayName"] == "Bitbucket"
        assert "X-AUSERNAME" not in reply.headers


async def test_the_headers_name_whoever_signed_in(ask: Ask) -> None:
    """By the name that they sign in with, URL-encoded, not by the slug; on HEAD, on errors and on unknown paths too."""
    nowhere = "/rest/api/1.0/nonsense"
    for method, path, status in (("GET", PROPERTIES, 200), ("HEAD", PROPERTIES, 200), ("GET", nowhere, 404)):
        reply = await ask("server-good-runtime", path, method)
        assert reply.status_code == status
        assert (reply.headers["X-AUSERNAME"], reply.headers["X-AUSERID"]) == ("jane.doe%40acme.dev", "101")


@pytest.mark.parametrize(
    ("token", "name"),
    [("server-project-token", "access-token-user%2F1%2F1"), ("server-repo-token", "access-token-user%2F2%2F11")],
)
async def test_a_project_or_repository_token_signs_in_a_service_user(ask: Ask, token: str, name: str) -> None:
    """Whose name has slashes, encoded, and tells what kind of token it is."""
    assert (await ask(token, PROPERTIES)).headers["X-AUSERNAME"] == name


@pytest.mark.parametrize("token", ["server-expired", "server-revoked"])
@pytest.mark.parametrize("path", [PROPERTIES, APPS])
async def test_a_bad_token_is_refused_even_by_open_endpoints(ask: Ask, token: str, path: str) -> None:
    """Expired and revoked can't be told apart, and nobody is named."""
    reply = await ask(token, path)
    assert problem(reply) == (401, "auth.IncorrectPasswordAuthenticationException")
    assert "X-AUSERNAME" not in reply.headers


async def test_a_bad_token_may_count_as_none(ask: Ask, host: BitbucketServerHost) -> None:
    """How real servers treat it is unknown: open endpoints may answer, without naming anybody."""
    host.ignores_bad_tokens = True
    reply = await ask("server-revoked", PROPERTIES)
    assert (reply.status_code, reply.headers.get("X-AUSERNAME")) == (200, None)
    assert problem(await ask("server-revoked", APPS)) == (401, "AuthorisationException")


async def test_nobody_may_be_called_anonymous(ask: Ask, host: BitbucketServerHost) -> None:
    """A header that is there need not mean that somebody signed in."""
    host.names_anonymous = True
    assert (await ask(None, PROPERTIES)).headers["X-AUSERNAME"] == "anonymous"


async def test_a_missing_permission_is_401_too_but_names_the_caller(ask: Ask, host: BitbucketServerHost) -> None:
    """Which is all that tells it from bad credentials, and older servers may leave it out."""
    reply = await ask("server-read-only", f"{APPS}/webhooks")
    assert problem(reply) == (401, "AuthorisationException")
    assert reply.headers["X-AUSERNAME"] == "jane.doe%40acme.dev"
    assert reply.headers["WWW-Authenticate"].startswith("OAuth realm=")
    host.names_caller_in_refusals = False
    assert "X-AUSERNAME" not in (await ask("server-read-only", f"{APPS}/webhooks")).headers


async def test_somebody_without_a_licence_is_refused_everything(ask: Ask) -> None:
    """Though the token is good."""
    reply = await ask("server-unlicensed", PROPERTIES)
    assert problem(reply) == (401, "auth.NoAccessAuthenticationException")


async def test_the_tokens_of_an_inactive_person_are_bad(ask: Ask, host: BitbucketServerHost) -> None:
    """Without a word of why."""
    host.users[JANE].active = False
    assert problem(await ask("server-good-runtime", APPS))[1] == "auth.IncorrectPasswordAuthenticationException"


async def test_a_token_takes_the_place_of_its_owners_password(ask: Ask, world: World) -> None:
    """With the right name only, and only a person's: those of projects and repositories are Bearer."""
    value = world.token("server-good-runtime").value
    assert (await ask(None, APPS, headers=basic("jane.doe@acme.dev", value))).status_code == 200
    for name, token in (
        ("hubot", "server-good-runtime"),
        ("nobody", "server-good-runtime"),
        ("jane.doe@acme.dev", "server-project-token"),
        ("x-token-auth", "server-repo-token"),
    ):
        reply = await ask(None, APPS, headers=basic(name, world.token(token).value))
        assert problem(reply) == (401, "auth.IncorrectPasswordAuthenticationException")


async def test_too_many_bad_passwords_ask_for_a_captcha(ask: Ask, world: World, host: BitbucketServerHost) -> None:
    """Even of the right one, which is not looked at; the token as Bearer goes on working."""
    value = world.token("server-good-runtime").value
    for _ in range(5):
        assert (await ask(None, APPS, headers=basic("jane.doe@acme.dev", "wrong"))).status_code == 401
    reply = await ask(None, APPS, headers=basic("jane.doe@acme.dev", value))
    assert problem(reply) == (401, "auth.CaptchaRequiredAuthenticationException")
    assert reply.headers["WWW-Authenticate"] == 'Basic realm="Atlassian Bitbucket"'
    assert "X-AUSERNAME" not in reply.headers
    assert (await ask("server-good-runtime", APPS)).status_code == 200
    host.captcha_after = None
    assert (await ask(None, APPS, headers=basic("jane.doe@acme.dev", value))).status_code == 200


async def test_a_right_password_forgives_the_wrong_ones(ask: Ask, world: World, host: BitbucketServerHost) -> None:
    """They count in a row."""
    host.users[JANE].failed_logins = 4
    value = world.token("server-good-runtime").value
    assert (await ask(None, APPS, headers=basic("jane.doe@acme.dev", value))).status_code == 200
    assert host.users[JANE].failed_logins == 0


WHO_AM_I = "/plugins/servlet/applinks/whoami"


@pytest.mark.parametrize(
    ("version", "confined"),
    [
        ("7.11.2", False),
        ("8.9.21", False),
        ("8.9.22", True),
        ("8.10.0", False),
        ("8.19.11", False),
        ("8.19.12", True),
        ("9.3.1", False),
        ("9.3.2", True),
        ("10.0.0", True),
    ],
)
async def test_newer_versions_take_tokens_for_the_api_and_git_only(
    ask: Ask, world: World, host: BitbucketServerHost, version: str, confined: bool
) -> None:
    """Elsewhere Bearer is sent to the login page, and Basic counts as a bad password."""
    host.version = version
    bearer = await ask("server-good-runtime", WHO_AM_I)
    password = await ask(None, WHO_AM_I, headers=basic("hubot", world.token("server-weak-owner").value))
    if confined:
        assert bearer.status_code == 302
        assert "/bitbucket/login?" in bearer.headers["Location"]
        assert problem(password) == (401, "auth.IncorrectPasswordAuthenticationException")
        assert host.users["hubot"].failed_logins == 1
    else:
        assert (bearer.text, password.text) == ("jane.doe@acme.dev", "hubot")


async def test_everything_is_below_the_context_path(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """Its neighbours are web pages."""
    running = simulator.hosts[HOST]
    assert running.api_url == f"{running.origin}/bitbucket"
    assert running.repository_url("acme/apps") == f"{running.origin}/bitbucket/scm/acme/apps.git"
    for path in (PROPERTIES, f"/bitbucketeer{PROPERTIES}"):
        reply = await client.get(running.origin + path)
        assert (reply.status_code, reply.headers["Content-Type"]) == (404, "text/html;charset=UTF-8")


@pytest.mark.parametrize("wrong", ["bitbucket", "/bitbucket/", "/"])
def test_a_context_path_is_written_in_one_way(wrong: str) -> None:
    """With a slash before it and none behind it."""
    with pytest.raises(ValidationError, match="context path"):
        BitbucketServerHost(name=HOST, context_path=wrong)


async def test_a_rate_limit_is_429(simulator: Simulator, ask: Ask) -> None:
    """Whether it says when to come back is up to the server."""
    for limit, said in ((RateLimited(retry_after=7), "7"), (RateLimited(), None)):
        simulator.faults.add(limit, host=HOST, times=1)
        reply = await ask("server-good-runtime", APPS)
        assert (reply.status_code, reply.headers.get("Retry-After")) == (429, said)


async def test_requests_are_logged_by_the_tokens_name(simulator: Simulator, ask: Ask) -> None:
    """A dead one's too, and one that is shown in Basic."""
    await ask("server-expired", APPS)
    await ask(None, APPS)
    await ask(None, APPS, headers={"Authorization": "Bearer nonsense"})
    assert [one.token for one in simulator.journal.records] == ["server-expired", None, "(unknown)"]


def test_a_token_has_the_form_of_its_age(world: World) -> None:
    """44 characters of base64 over a number and a secret, behind ``BBDC-`` on newer servers."""
    value = world.token("server-plain").value
    assert re.fullmatch(r"[MNO][A-Za-z0-9+/]{43}", value)
    assert re.match(rb"\d{12}:", base64.b64decode(value))
    assert re.fullmatch(r"BBDC-[MNO][A-Za-z0-9+/]{43}", world.token("server-good-runtime").value)


def test_a_world_with_a_bitbucket_server_survives_its_file(world: World, host: BitbucketServerHost) -> None:
    """Written by hand it needs names once."""
    assert World.from_yaml(world.to_yaml()) == world
    by_hand = World.from_yaml(
        """
        hosts:
          git.example.com:
            kind: bitbucket-server
            users: {ann: {id: 1}}
            projects: {P: {id: 1, permissions: {ann: PROJECT_WRITE}}}
            repositories: {P/r: {id: 1}}
            tokens: {mine: {owner: ann, permissions: [PROJECT_READ, REPO_WRITE]}}
        """
    )
    read = by_hand.bitbucket_server("git.example.com")
    assert (read.users["ann"].name, read.repositories["P/r"].name, read.tokens["mine"].name) == ("ann", "r", "mine")


def test_only_possible_combinations_of_permissions_can_be_made() -> None:
    """A repository permission is as high as the project permission beside it, and inherited from it."""
    with pytest.raises(ValidationError, match="lower than the project permission"):
        Token(name="t", owner="ann", permissions=["PROJECT_ADMIN", "REPO_WRITE"])
    with pytest.raises(ValidationError, match="holds no project permission"):
        Token(name="t", owner="P/r", kind=TokenKind.REPOSITORY, permissions=["PROJECT_READ"])
    assert Token(name="t", owner="ann", permissions=["PROJECT_WRITE"]).repository_level.name == "WRITE"


async def test_a_token_ends_on_time(ask: Ask, world: World, host: BitbucketServerHost) -> None:
    """By the world's clock."""
    assert (await ask("server-good-user", APPS)).status_code == 200
    world.stop_clock(datetime.now(UTC) + timedelta(days=91))
    assert (await ask("server-good-user", APPS)).status_code == 401


async def test_whoever_signed_in_may_look_people_up(ask: Ask, host: BitbucketServerHost) -> None:
    """By slug."""
    host.add(User(slug="new", id=200))
    document = (await ask("server-read-only", f"/rest/api/1.0/users/{JANE}")).json()
    assert document.items() >= {"name": "jane.doe@acme.dev", "slug": JANE, "type": "NORMAL", "active": True}.items()
    assert problem(await ask("server-read-only", "/rest/api/1.0/users/nobody")) == (404, "user.NoSuchUserException")
    assert problem(await ask(None, "/rest/api/1.0/users/new")) == (401, "AuthorisationException")
