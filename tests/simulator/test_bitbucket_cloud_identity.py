"""Who is calling Bitbucket Cloud, and what the headers say of their token."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.simulator.conftest import AskBitbucket
from webhook.simulator import Simulator, World
from webhook.simulator.bitbucket import BitbucketHost, Token, TokenKind
from webhook.simulator.faults import RateLimited

SCOPE_HEADERS = ("X-OAuth-Scopes", "X-Accepted-OAuth-Scopes", "X-Credential-Type")
ADA = "ada@acme.example"


async def test_an_api_token_counts_with_the_e_mail_of_its_owner(world: World, ask_bitbucket: AskBitbucket) -> None:
    """In any letter case, and the whole list of scopes comes with it."""
    reply = await ask_bitbucket("bitbucket-good-runtime", "/user", user=ADA.upper())
    assert (reply.status_code, reply.json()["nickname"]) == (200, "ada")
    assert reply.headers["X-Credential-Type"] == "api_token"
    assert reply.headers["X-OAuth-Scopes"] == (
        "read:user:bitbucket, read:workspace:bitbucket, read:webhook:bitbucket, write:webhook:bitbucket, "
        "read:repository:bitbucket, write:repository:bitbucket, admin:repository:bitbucket"
    )
    assert reply.headers["X-Accepted-OAuth-Scopes"] == "account"
    assert ADA not in reply.text


@pytest.mark.parametrize("user", ["ada", "git", "x-bitbucket-api-token-auth", "brook@acme.example", ""])
async def test_an_api_token_with_another_name_is_refused(ask_bitbucket: AskBitbucket, user: str) -> None:
    """The names that Git takes are among them."""
    reply = await ask_bitbucket("bitbucket-good-runtime", "/user", user=user)
    assert reply.status_code == 401
    assert not any(name in reply.headers for name in SCOPE_HEADERS)


@pytest.mark.parametrize(("accepted", "status"), [(False, 401), (True, 200)])
async def test_an_api_token_as_bearer_is_a_matter_of_dispute(
    world: World, ask_bitbucket: AskBitbucket, accepted: bool, status: int
) -> None:
    """Some were answered, others refused, so the host can do both."""
    world.bitbucket().accepts_bearer_api_tokens = accepted
    assert (await ask_bitbucket("bitbucket-good-runtime", "/user", user=None)).status_code == status


@pytest.mark.parametrize(
    ("token", "kind", "scopes"),
    [
        ("bitbucket-repo-token", "repo_access_token", "repository, repository:write, repository:admin, webhook"),
        ("bitbucket-project-token", "project_access_token", "repository, repository:write, repository:admin, webhook"),
        (
            "bitbucket-workspace-token",
            "workspace_access_token",
            "repository, repository:write, repository:admin, webhook",
        ),
        ("bitbucket-oauth", "oauth", "account, team, repository:write, repository:admin, webhook"),
    ],
)
async def test_access_and_oauth_tokens_are_bearers(
    ask_bitbucket: AskBitbucket, token: str, kind: str, scopes: str
) -> None:
    """And for the API nothing else."""
    reply = await ask_bitbucket(token, "/repositories/acme/apps")
    assert reply.status_code == 200
    assert (reply.headers["X-Credential-Type"], reply.headers["X-OAuth-Scopes"]) == (kind, scopes)
    assert (await ask_bitbucket(token, "/repositories/acme/apps", user="x-token-auth")).status_code == 401


async def test_scopes_are_listed_as_the_token_has_them(world: World, ask_bitbucket: AskBitbucket) -> None:
    """In no order that means anything, as recorded."""
    world.bitbucket().accepts_app_passwords = True
    reply = await ask_bitbucket("bitbucket-app-password", "/user", user="ada")
    assert reply.headers["X-OAuth-Scopes"] == "pipeline, pullrequest:write, account"
    assert reply.headers["X-Credential-Type"] == "apppassword"


@pytest.mark.parametrize(
    ("token", "path", "status", "accepted"),
    [
        ("bitbucket-repo-token", "/user", 403, "account"),
        ("bitbucket-repo-token", "/repositories/acme/shared-configuration", 404, "repository"),
        ("bitbucket-repo-token", "/nowhere", 404, None),
        ("bitbucket-repo-token", "/", 404, None),
        ("bitbucket-repo-token", "/repositories", 410, None),
    ],
)
async def test_refusals_tell_of_the_token_too(
    ask_bitbucket: AskBitbucket, token: str, path: str, status: int, accepted: str | None
) -> None:
    """Only an unknown path says nothing of accepted scopes."""
    reply = await ask_bitbucket(token, path)
    assert reply.status_code == status
    assert reply.headers["X-OAuth-Scopes"] == "repository, repository:write, repository:admin, webhook"
    assert reply.headers["X-Credential-Type"] == "repo_access_token"
    assert reply.headers.get("X-Accepted-OAuth-Scopes") == accepted


async def test_nobody_is_told_what_would_be_accepted(ask_bitbucket: AskBitbucket) -> None:
    """Anonymous callers are called so, except on a 401."""
    reply = await ask_bitbucket(None, "/repositories/acme/website")
    assert (reply.status_code, reply.headers["X-Accepted-OAuth-Scopes"]) == (200, "repository")
    assert reply.headers["X-Credential-Type"] == "unauthenticated_identity"
    assert "X-OAuth-Scopes" not in reply.headers
    reply = await ask_bitbucket(None, "/user")
    assert reply.status_code == 401
    assert not any(name in reply.headers for name in SCOPE_HEADERS)


@pytest.mark.parametrize(
    "token", ["bitbucket-expired", "bitbucket-revoked", "bitbucket-unscoped", "bitbucket-app-password"]
)
async def test_dead_tokens_are_unauthorized(ask_bitbucket: AskBitbucket, token: str) -> None:
    """Expired, revoked, made without scopes, and app passwords altogether: no telling which."""
    reply = await ask_bitbucket(token, "/user")
    assert reply.status_code == 401
    expected = "Token is invalid, expired, or not supported for this endpoint."
    assert reply.json() == {"type": "error", "error": {"message": expected}}
    assert not any(name in reply.headers for name in SCOPE_HEADERS)


async def test_a_401_may_be_plain_text(world: World, ask_bitbucket: AskBitbucket) -> None:
    """Both were recorded."""
    world.bitbucket().unauthorized_as_text = True
    reply = await ask_bitbucket("bitbucket-expired", "/user")
    assert (reply.status_code, reply.headers["Content-Type"]) == (401, "text/plain")
    assert reply.headers["WWW-Authenticate"] == 'Basic realm="Bitbucket.org HTTP"'


async def test_bad_credentials_are_worse_than_none(ask_bitbucket: AskBitbucket) -> None:
    """Even for what everybody may read."""
    for value in ("Bearer nonsense", "Basic !", "nonsense"):
        reply = await ask_bitbucket(None, "/repositories/acme/website", headers={"Authorization": value})
        assert reply.status_code == 401


async def test_a_token_dies_with_its_day(world: World, ask_bitbucket: AskBitbucket) -> None:
    """Nothing announced it: no header tells a token's expiry."""
    reply = await ask_bitbucket("bitbucket-good-runtime", "/user")
    assert reply.status_code == 200
    assert "expir" not in str(reply.headers).lower() + reply.text.lower()
    world.stop_clock(datetime.now(UTC) + timedelta(days=91))
    assert (await ask_bitbucket("bitbucket-good-runtime", "/user")).status_code == 401


async def test_the_user_may_be_gone_for_api_tokens(world: World, ask_bitbucket: AskBitbucket) -> None:
    """One source claims it; the scopes would be told all the same."""
    world.bitbucket().user_gone_for_api_tokens = True
    reply = await ask_bitbucket("bitbucket-good-runtime", "/user")
    assert (reply.status_code, reply.headers["X-Credential-Type"]) == (410, "api_token")
    assert (await ask_bitbucket("bitbucket-oauth", "/user")).status_code == 200


@pytest.mark.parametrize("path", ["/user", "/repositories/acme/apps", "/2.0x/user", "/api/2.0/user"])
async def test_the_old_path_is_forbidden(simulator: Simulator, client: httpx.AsyncClient, path: str) -> None:
    """The API begins at ``/2.0``, and elsewhere nobody's token is looked at."""
    assert simulator.hosts["bitbucket.org"].api_url.endswith("/2.0")
    reply = await client.get(simulator.hosts["bitbucket.org"].origin + path)
    assert (reply.status_code, reply.json()) == (403, {"type": "error", "error": {"message": "Forbidden"}})
    assert not any(name in reply.headers for name in SCOPE_HEADERS)


@pytest.mark.parametrize(("host", "status"), [("api.bitbucket.org", 200), ("bitbucket.org", 404)])
async def test_with_real_names_the_api_and_the_web_site_are_different_hosts(
    ask_bitbucket: AskBitbucket, host: str, status: int
) -> None:
    """``https://bitbucket.org/2.0/user`` is no API."""
    reply = await ask_bitbucket("bitbucket-good-runtime", "/user", headers={"Host": host})
    assert reply.status_code == status


async def test_an_unknown_path_explains_itself_in_a_text(ask_bitbucket: AskBitbucket) -> None:
    """Where the detail of a 403 is an object."""
    reply = await ask_bitbucket("bitbucket-good-runtime", "/what/ever")
    assert (reply.status_code, reply.json()["error"]["message"]) == (404, "Resource not found")
    assert reply.json()["error"]["detail"].startswith("There is no API hosted at this URL.")


async def test_head_answers_with_headers_alone(ask_bitbucket: AskBitbucket) -> None:
    """As Atlassian's own recipe for reading a token's scopes has it."""
    reply = await ask_bitbucket("bitbucket-oauth", "/user", method="HEAD")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["X-OAuth-Scopes"].startswith("account, team")


@pytest.mark.parametrize("as_date", [False, True])
async def test_a_rate_limit_says_when_to_come_back(
    world: World, simulator: Simulator, ask_bitbucket: AskBitbucket, as_date: bool
) -> None:
    """In seconds or as a date; always 429."""
    world.bitbucket().retry_after_as_date = as_date
    simulator.faults.add(RateLimited(retry_after=60), host="bitbucket.org")
    before = datetime.now(UTC)
    reply = await ask_bitbucket("bitbucket-good-runtime", "/user")
    assert reply.status_code == 429
    assert (reply.headers["X-RateLimit-Limit"], reply.headers["X-RateLimit-NearLimit"]) == ("1000", "true")
    assert "X-RateLimit-Resource" in reply.headers
    told = reply.headers["Retry-After"]
    if as_date:
        assert timedelta(seconds=58) < parsedate_to_datetime(told) - before < timedelta(seconds=65)
    else:
        assert told == "60"


async def test_a_rate_limit_may_not_say_when(simulator: Simulator, ask_bitbucket: AskBitbucket) -> None:
    """Nobody promised the header."""
    simulator.faults.add(RateLimited(), host="bitbucket.org")
    reply = await ask_bitbucket("bitbucket-good-runtime", "/user")
    assert (reply.status_code, "Retry-After" in reply.headers) == (429, False)


async def test_the_log_names_a_token_that_was_shown_wrongly(simulator: Simulator, ask_bitbucket: AskBitbucket) -> None:
    """And a stranger's as unknown."""
    await ask_bitbucket("bitbucket-good-runtime", "/user", user="git")
    await ask_bitbucket(None, "/user", headers={"Authorization": "Bearer nonsense"})
    await ask_bitbucket(None, "/user")
    assert [one.token for one in simulator.journal.records] == ["bitbucket-good-runtime", "(unknown)", None]
    assert {one.status for one in simulator.journal.records} == {401}


@pytest.mark.parametrize(
    ("token", "form"),
    [
        ("bitbucket-good-runtime", r"ATATT3[A-Za-z0-9_\-=]{186}"),
        ("bitbucket-repo-token", r"ATCTT3[A-Za-z0-9_\-=]{186}"),
        ("bitbucket-app-password", r"ATBB[A-Za-z0-9]{32}"),
        ("bitbucket-oauth", r"[A-Za-z0-9_-]{86}=="),
    ],
)
def test_a_token_has_the_form_of_its_kind(world: World, token: str, form: str) -> None:
    """Prefix, length and alphabet."""
    assert re.fullmatch(form, world.token(token).value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": TokenKind.REPOSITORY, "bound_to": "acme/apps", "scopes": ["account"]},
        {"kind": TokenKind.WORKSPACE, "bound_to": "acme", "scopes": ["team:write"]},
        {"kind": TokenKind.PROJECT, "scopes": ["project"]},
        {"kind": TokenKind.PROJECT, "bound_to": "acme/PLAT", "owner": "ada"},
        {"kind": TokenKind.API_TOKEN, "scopes": ["read:user:bitbucket"]},
        {"kind": TokenKind.API_TOKEN, "owner": "ada", "scopes": ["account"]},
        {"kind": TokenKind.OAUTH, "owner": "ada", "scopes": ["read:user:bitbucket"]},
        {"kind": TokenKind.OAUTH, "owner": "ada", "bound_to": "acme"},
    ],
)
def test_a_token_that_can_not_exist_is_refused(wrong: dict[str, object]) -> None:
    """An access token has no account, and each kind has its own vocabulary."""
    with pytest.raises(ValueError, match=r"token|oauth"):
        Token.model_validate({"name": "mine", **wrong})


def test_a_world_with_bitbucket_can_be_written_by_hand() -> None:
    """And survives its file."""
    world = World.from_yaml(
        """
        hosts:
          bitbucket.org:
            kind: bitbucket
            accounts:
              ada: {email: ada@acme.example, account_id: "1"}
            workspaces:
              acme: {members: {ada: owner}}
            repositories:
              acme/apps: {permissions: {brook: write}}
            tokens:
              mine: {owner: ada, scopes: [read:user:bitbucket]}
              its: {kind: repo_access_token, bound_to: acme/apps, scopes: [repository]}
        """
    )
    host = world.bitbucket()
    assert isinstance(host, BitbucketHost)
    assert host.repositories["acme/apps"].permissions["brook"].name == "WRITE"
    assert world.token("its").value.startswith("ATCTT")
    assert World.from_yaml(world.to_yaml()) == world
    assert world.token("mine").value not in repr(world)
