"""Who is calling GitLab, how a token is shown and refused, and what tells a GitLab from anything else."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.simulator.conftest import Ask
from webhook.simulator import Simulator, World
from webhook.simulator.faults import RateLimited
from webhook.simulator.gitlab import GitLabHost, Token, TokenKind

SELF = "/personal_access_tokens/self"
ROUTABLE = r"[A-Za-z0-9_-]{27,300}\.[0-9a-z]{2}\.[0-9a-z]{9}"
FORMS = {
    "gitlab-good-user": "glpat-" + ROUTABLE,
    "gitlab-group-runtime": "glpat-" + ROUTABLE,
    "gitlab-project-bot": "glpat-" + ROUTABLE,
    "gitlab-fine-grained": "glpat-" + ROUTABLE,
    "gitlab-legacy-form": r"glpat-[A-Za-z0-9_-]{20}",
    "gitlab-oauth": r"[0-9a-f]{64}",
    "gitlab-deploy": r"gldt-[A-Za-z0-9_-]{20}",
    "gitlab-ci-job": r"glcbt-[0-9a-f]{2}_[A-Za-z0-9_-]{20}",
    "gitlab-feed": r"glft-[A-Za-z0-9_-]{20}",
    "own-gitlab-good-runtime": "acme-" + ROUTABLE,
    "own-gitlab-bare": r"[A-Za-z0-9_-]{20}",
}


@pytest.mark.parametrize(("name", "form"), FORMS.items())
def test_a_token_has_the_form_of_its_kind(world: World, name: str, form: str) -> None:
    """Prefixes are GitLab's, unless an administrator chose another or none."""
    assert re.fullmatch(form, world.token(name).value)


def test_a_host_can_be_written_by_hand() -> None:
    """Keys name what they stand for, levels are words, and a world file keeps a host's kind."""
    world = World.from_yaml(
        """
        hosts:
          git.example.com:
            kind: gitlab
            path_prefix: /gitlab
            accounts:
              alice: {id: 1}
            groups:
              acme: {id: 2, members: {alice: maintainer}}
            projects:
              acme/apps: {id: 3}
            tokens:
              mine: {owner: alice, scopes: [api], expires_at: 2027-01-31}
        """
    )
    host = world.gitlab("git.example.com")
    assert host.project_level("alice", host.projects["acme/apps"]).name == "MAINTAINER"
    assert World.from_yaml(world.to_yaml()) == world
    with pytest.raises(LookupError, match=r"git\.example\.com is no GitHubHost"):
        world.github("git.example.com")


def test_a_fine_grained_token_has_one_scope() -> None:
    """Which says what it is and nothing of what it may do."""
    assert Token(name="mine", kind=TokenKind.FINE_GRAINED, scopes=["api"]).scopes == ["granular"]


@pytest.mark.parametrize("form", ["PRIVATE-TOKEN: {}", "private-token: {}", "Authorization: Bearer {}"])
async def test_a_personal_token_is_shown_in_either_header(world: World, ask_gitlab: Ask, form: str) -> None:
    """In any letter case."""
    name, _, value = form.format(world.token("gitlab-weak").value).partition(": ")
    assert (await ask_gitlab(None, "/user", headers={name: value})).status_code == 200


async def test_an_oauth_token_is_a_bearer_and_nothing_else(world: World, ask_gitlab: Ask) -> None:
    """As PRIVATE-TOKEN nobody knows it."""
    assert (await ask_gitlab("gitlab-oauth", "/user")).status_code == 200
    value = world.token("gitlab-oauth").value
    assert (await ask_gitlab(None, "/user", headers={"PRIVATE-TOKEN": value})).status_code == 401


async def test_basic_means_nothing_to_the_api(world: World, ask_gitlab: Ask) -> None:
    """It is Git's."""
    auth = httpx.BasicAuth("alice", world.token("gitlab-weak").value)
    assert (await ask_gitlab(None, "/user", auth=auth)).status_code == 401


REVOKED = "Token was revoked. You have to re-authorize from the user."
EXPIRED = "Token is expired. You can either do re-authorization or token refresh."
NO_IMPERSONATION = "Token is an impersonation token but impersonation was disabled."


@pytest.mark.parametrize(
    ("token", "error", "description"),
    [
        ("gitlab-revoked", "invalid_token", REVOKED),
        ("gitlab-expired", "invalid_token", EXPIRED),
        ("gitlab-oauth-expired", "invalid_token", EXPIRED),
        ("gitlab-impersonation", "invalid_token", NO_IMPERSONATION),
        ("gitlab-needs-proof", "dpop_error", "DPoP validation error: DPoP header is missing"),
    ],
)
async def test_a_bad_token_hears_why(world: World, ask_gitlab: Ask, token: str, error: str, description: str) -> None:
    """In the words of OAuth, in body and challenge."""
    world.gitlab().impersonation_disabled = True
    reply = await ask_gitlab(token, "/user")
    assert (reply.status_code, reply.json()) == (401, {"error": error, "error_description": description})
    assert f'error="{error}", error_description="{description}"' in reply.headers["WWW-Authenticate"]


@pytest.mark.parametrize("token", [None, "gitlab-deploy", "gitlab-ci-job", "gitlab-feed", "gitlab-runner"])
async def test_what_the_api_does_not_know_is_unauthorized(ask_gitlab: Ask, token: str | None) -> None:
    """Nobody, and tokens that are for other doors."""
    reply = await ask_gitlab(token, SELF)
    assert (reply.status_code, reply.json()) == (401, {"message": "401 Unauthorized"})
    assert "WWW-Authenticate" not in reply.headers


async def test_an_unknown_token_is_unauthorized(ask_gitlab: Ask) -> None:
    """It gets no other word than nobody does."""
    reply = await ask_gitlab(None, SELF, headers={"PRIVATE-TOKEN": "nonsense-nonsense"})
    assert (reply.status_code, reply.json()) == (401, {"message": "401 Unauthorized"})


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("blocked", "403 Forbidden - Your account has been blocked."),
        ("deactivated", "403 Forbidden - Your account has been deactivated by your administrator."),
        ("blocked_pending_approval", "403 Forbidden - Your account is pending approval"),
    ],
)
async def test_a_token_of_a_blocked_user_is_forbidden(world: World, ask_gitlab: Ask, state: str, text: str) -> None:
    """The token itself is real."""
    world.gitlab().accounts["carol"].state = state  # type: ignore[assignment]
    reply = await ask_gitlab("gitlab-blocked-user", SELF)
    assert reply.status_code == 403
    assert reply.json()["message"].startswith(text)


async def test_a_token_ends_as_its_last_day_begins(world: World, ask_gitlab: Ask) -> None:
    """At midnight UTC."""
    token = world.gitlab().tokens["gitlab-weak"]
    token.expires_at = datetime(2027, 3, 1, tzinfo=UTC).date()
    world.stop_clock(datetime(2027, 2, 28, 23, 59, 59, tzinfo=UTC))
    assert (await ask_gitlab("gitlab-weak", SELF)).status_code == 200
    world.stop_clock(datetime(2027, 3, 1, tzinfo=UTC))
    assert (await ask_gitlab("gitlab-weak", SELF)).json()["error_description"] == EXPIRED


@pytest.mark.parametrize(
    ("token", "username", "bot"),
    [
        ("gitlab-person-runtime", r"alice", False),
        ("gitlab-project-bot", r"project_8001_bot_[0-9a-f]{32}", True),
        ("gitlab-group-runtime", r"group_7001_bot_[0-9a-f]{32}", True),
        ("gitlab-good-runtime", r"service_account_group_7001_[0-9a-f]+", True),
        ("gitlab-oauth", r"alice", False),
    ],
)
async def test_the_user_tells_whose_token_it_is(ask_gitlab: Ask, token: str, username: str, bot: bool) -> None:
    """Every token acts as some user; those of projects and groups have a bot of their own."""
    document = (await ask_gitlab(token, "/user")).json()
    assert re.fullmatch(username, document["username"])
    assert document["bot"] is bot


@pytest.mark.parametrize(
    ("token", "method", "path", "acceptable"),
    [
        ("gitlab-write-only", "GET", "/user", "read_user api read_api"),
        ("gitlab-write-only", "GET", "/version", "read_user api read_api"),
        ("gitlab-read-user", "GET", "/projects/acme%2Fapps", "api read_api"),
        ("gitlab-read-repository", "GET", "/groups/acme", "api read_api"),
        ("gitlab-read-user", "GET", "/projects/acme%2Fapps/repository/files/README.md", "read_repository api read_api"),
        ("gitlab-weak", "POST", "/projects", "api read_api"),
        ("gitlab-oauth-weak", "POST", "/projects", "api read_api"),
    ],
)
async def test_a_missing_scope_is_named_with_its_alternatives(
    ask_gitlab: Ask, token: str, method: str, path: str, acceptable: str
) -> None:
    """Even where one of them would only do for reading."""
    reply = await ask_gitlab(token, path, method)
    assert (reply.status_code, reply.json()) == (
        403,
        {
            "error": "insufficient_scope",
            "error_description": "The request requires higher privileges than provided by the access token.",
            "scope": acceptable,
        },
    )


async def test_repository_scopes_open_no_more_of_the_api_than_files(ask_gitlab: Ask) -> None:
    """``write_repository`` not even these."""
    file = "/projects/acme%2Fapps/repository/files/README.md"
    assert (await ask_gitlab("gitlab-read-repository", file)).status_code == 200
    assert (await ask_gitlab("gitlab-write-only", file)).status_code == 403


@pytest.mark.parametrize(
    ("version", "path", "status", "error"),
    [
        ("15.4.6-ee", SELF, 401, None),
        ("15.0.5", SELF, 405, "405 Not Allowed"),
        ("13.2.0", SELF, 404, "404 Not Found"),
        ("17.3.0-ee", f"{SELF}/associations", 404, "404 Not Found"),
        ("15.1.0", "/metadata", 404, "404 Not Found"),
        ("15.1.0", "/version", 200, None),
    ],
)
async def test_what_a_version_is_too_old_for_is_not_there(
    world: World, ask_gitlab: Ask, version: str, path: str, status: int, error: str | None
) -> None:
    """Between 15.1 and 15.4 ``self`` is taken for the number of a token, and no good token of anybody's has it."""
    world.gitlab().version = version
    reply = await ask_gitlab("gitlab-person-runtime", path)
    assert reply.status_code == status
    assert reply.json().get("error") == error


async def test_a_gitlab_is_known_by_its_headers_and_its_refusal(ask_gitlab: Ask) -> None:
    """To whoever shows no token."""
    reply = await ask_gitlab(None, "/version")
    assert (reply.status_code, reply.json()) == (401, {"message": "401 Unauthorized"})
    assert reply.headers["Content-Type"] == "application/json"
    assert '"correlation_id"' in reply.headers["X-GitLab-Meta"]
    assert reply.headers["X-Request-Id"] in reply.headers["X-GitLab-Meta"]


async def test_the_version_is_told_to_those_who_may_ask(ask_gitlab: Ask) -> None:
    """In two places."""
    assert (await ask_gitlab("gitlab-read-user", "/version")).json()["version"] == "19.6.0-ee"
    document = (await ask_gitlab("own-gitlab-weak", "/metadata", host="gitlab.acme.dev")).json()
    assert (document["version"], document["enterprise"]) == ("17.11.4-ee", True)


async def test_a_path_prefix_is_before_everything(
    simulator: Simulator, ask_gitlab: Ask, client: httpx.AsyncClient
) -> None:
    """API, web site and Git; beside it is something else."""
    running = simulator.hosts["gitlab.acme.dev"]
    assert running.api_url == running.origin + "/gitlab/api/v4"
    assert running.repository_url("acme/apps") == running.origin + "/gitlab/acme/apps.git"
    assert (await ask_gitlab("own-gitlab-good-runtime", SELF, host="gitlab.acme.dev")).status_code == 200
    beside = await client.get(running.origin + "/api/v4/version")
    assert (beside.status_code, beside.headers["Content-Type"]) == (404, "text/html")


async def test_the_web_site_asks_people_to_sign_in(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """For anything that is there or not, with 302, and then with a page where JSON may have been expected."""
    origin = simulator.hosts["gitlab.com"].origin
    for path in ("/acme/apps", "/nobody/nothing", "/"):
        reply = await client.get(origin + path)
        assert (reply.status_code, reply.headers["Location"]) == (302, f"{origin}/users/sign_in")
    page = await client.get(f"{origin}/acme/apps", follow_redirects=True)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


async def test_an_unknown_path_of_the_api_is_not_found(ask_gitlab: Ask) -> None:
    """In JSON, whoever asks; a known path with another method is 405."""
    for token in (None, "gitlab-weak"):
        reply = await ask_gitlab(token, "/what/ever")
        assert (reply.status_code, reply.json()) == (404, {"error": "404 Not Found"})
    assert (await ask_gitlab("gitlab-weak", "/user", "DELETE")).status_code == 405


@pytest.mark.parametrize("headers", [False, True])
@pytest.mark.parametrize("secondary", [False, True])
async def test_rate_limits_come_in_two_forms_and_mostly_without_headers(
    world: World, simulator: Simulator, ask_gitlab: Ask, secondary: bool, headers: bool
) -> None:
    """Plain text for the whole host, JSON for one endpoint."""
    world.gitlab().sends_rate_limit_headers = headers
    simulator.faults.add(RateLimited(secondary=secondary, reset_in=60))
    reply = await ask_gitlab("gitlab-weak", SELF)
    assert reply.status_code == 429
    if secondary:
        text = "This endpoint has been requested too many times. Try again later."
        assert reply.json() == {"message": {"error": text}}
    else:
        assert (reply.text, reply.headers["Content-Type"]) == ("Retry later\n", "text/plain")
    told = {name for name in reply.headers if name.startswith("ratelimit-") or name == "retry-after"}
    names = {"name", "limit", "observed", "remaining", "reset", "resettime"}
    assert told == ({f"ratelimit-{name}" for name in names} | {"retry-after"} if headers else set())


async def test_retry_after_can_come_alone(simulator: Simulator, ask_gitlab: Ask) -> None:
    """As from versions in between."""
    simulator.faults.add(RateLimited(retry_after=17))
    reply = await ask_gitlab("gitlab-weak", SELF)
    assert reply.headers["Retry-After"] == "17"
    assert "RateLimit-Reset" not in reply.headers


async def test_requests_are_logged_by_the_name_of_the_token(
    simulator: Simulator, world: World, ask_gitlab: Ask
) -> None:
    """Wherever it was shown, good or not."""
    for headers in (
        {"PRIVATE-TOKEN": world.token("gitlab-revoked").value},
        {"JOB-TOKEN": world.token("gitlab-ci-job").value},
        {"Authorization": f"Bearer {world.token('gitlab-oauth').value}"},
        {"PRIVATE-TOKEN": "nonsense-nonsense"},
        {"Authorization": "nonsense"},
        {},
    ):
        await ask_gitlab(None, "/user", headers=headers)
    named = [record.token for record in simulator.journal.records]
    assert named == ["gitlab-revoked", "gitlab-ci-job", "gitlab-oauth", "(unknown)", "(unknown)", None]


def test_versions_are_compared_by_number() -> None:
    """15.10 is newer than 15.5."""
    assert GitLabHost(version="15.10.2-ee").at_least(15, 5)
    assert not GitLabHost(version="15.4.6").at_least(15, 5)


async def test_an_oauth_token_lives_for_two_hours(world: World, ask_gitlab: Ask) -> None:
    """From when it was made."""
    world.stop_clock(datetime.now(UTC) + timedelta(hours=3))
    assert (await ask_gitlab("gitlab-oauth", "/user")).json()["error_description"] == EXPIRED
