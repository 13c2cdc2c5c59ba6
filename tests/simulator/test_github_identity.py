"""Who is calling GitHub, and what the headers say of their token."""

import base64
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.simulator.conftest import Ask
from webhook.simulator import Simulator, World


@pytest.mark.parametrize(
    ("token", "scopes"),
    [
        ("good-classic", "admin:repo_hook, repo"),
        ("weak-classic", "read:org, repo"),
        ("legacy-classic", "admin:repo_hook, repo"),
        ("good-oauth", "admin:repo_hook, repo"),
        ("no-scope-classic", ""),
        ("good-app-user", ""),
        ("good-fine-grained", None),
    ],
)
async def test_the_scopes_header_has_three_states(ask: Ask, token: str, scopes: str | None) -> None:
    """A list for classic and OAuth tokens, empty for none and for an App's user, absent for fine-grained tokens."""
    reply = await ask(token, "/user")
    assert reply.status_code == 200
    assert reply.json()["login"] == "octocat"
    assert reply.headers.get("X-OAuth-Scopes") == scopes


async def test_scope_lists_are_normalised(world: World, ask: Ask) -> None:
    """What another scope implies is left out, but ``repo`` doesn't swallow ``admin:repo_hook``."""
    world.github().tokens["good-classic"].scopes = [
        "public_repo",
        "repo",
        "read:repo_hook",
        "admin:repo_hook",
        "read:org",
    ]
    reply = await ask("good-classic", "/user")
    assert reply.headers["X-OAuth-Scopes"] == "admin:repo_hook, read:org, repo"


async def test_old_tokens_list_implied_scopes_too(world: World, ask: Ask) -> None:
    """Recordings have ``read:packages`` beside ``write:packages``, so a token can be told to."""
    token = world.github().tokens["good-classic"]
    token.scopes, token.normalised = ["write:packages", "read:packages"], False
    assert (await ask("good-classic", "/user")).headers["X-OAuth-Scopes"] == "write:packages, read:packages"


@pytest.mark.parametrize("path", ["/", "/user", "/rate_limit", "/repos/acme/apps", "/repos/acme/nowhere", "/nowhere"])
async def test_scopes_are_told_nearly_everywhere(ask: Ask, path: str) -> None:
    """Also on a 404."""
    assert (await ask("weak-classic", path)).headers["X-OAuth-Scopes"] == "read:org, repo"


@pytest.mark.parametrize("token", ["expired", "revoked", "expired-fine-grained", "refresh"])
async def test_a_dead_token_is_bad_credentials(ask: Ask, token: str) -> None:
    """Expired, revoked and wrong can't be told apart, and no scopes are told."""
    reply = await ask(token, "/user")
    assert (reply.status_code, reply.json()["message"]) == (401, "Bad credentials")
    assert "X-OAuth-Scopes" not in reply.headers


async def test_a_wrong_token_is_bad_credentials_even_for_public_data(ask: Ask) -> None:
    """Bad credentials are worse than none."""
    reply = await ask(None, "/repos/acme/website", headers={"Authorization": "token nonsense"})
    assert (reply.status_code, reply.json()["message"]) == (401, "Bad credentials")


async def test_nobody_has_no_user(ask: Ask) -> None:
    """``GET /user`` asks for authentication."""
    assert (await ask(None, "/user")).status_code == 401


@pytest.mark.parametrize("form", ["token {}", "Bearer {}", "bearer {}", "TOKEN {}"])
async def test_both_schemes_count_in_any_case(world: World, ask: Ask, form: str) -> None:
    """``token`` and ``Bearer`` are the same."""
    reply = await ask(None, "/user", headers={"Authorization": form.format(world.token("good-classic").value)})
    assert reply.status_code == 200


@pytest.mark.parametrize("form", ["anybody:{}", "{}:x-oauth-basic", "{}:"])
async def test_basic_takes_a_token_as_password_or_user_name(world: World, ask: Ask, form: str) -> None:
    """As Git clients and old scripts send it."""
    pair = base64.b64encode(form.format(world.token("good-classic").value).encode()).decode()
    assert (await ask(None, "/user", headers={"Authorization": f"Basic {pair}"})).status_code == 200


async def test_the_expiry_is_in_utc_or_with_an_offset(world: World, ask: Ask) -> None:
    """Both layouts are recorded."""
    moment = (datetime.now(UTC) + timedelta(days=90)).replace(microsecond=0)
    for name, zone in (("user-classic", "UTC"), ("local-time-fine-grained", "+0100")):
        token = world.github().tokens[name]
        token.expires_at, token.expiry_zone = moment, zone
    name = "github-authentication-token-expiration"
    assert (await ask("user-classic", "/user")).headers[name] == moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    local = moment + timedelta(hours=1)
    assert (await ask("local-time-fine-grained", "/user")).headers[name] == local.strftime("%Y-%m-%d %H:%M:%S +0100")
    assert name not in (await ask("good-classic", "/user")).headers


async def test_an_installation_token_has_no_user_and_no_expiry_header(ask: Ask) -> None:
    """Neither form of it."""
    for name in ("good-installation", "long-installation"):
        reply = await ask(name, "/user")
        assert (reply.status_code, reply.json()["message"]) == (403, "Resource not accessible by integration")
        assert "github-authentication-token-expiration" not in reply.headers


async def test_a_one_time_password_is_asked_for(ask: Ask) -> None:
    """401 with a header that says why."""
    reply = await ask("otp", "/user")
    assert (reply.status_code, reply.headers["X-GitHub-OTP"]) == (401, "required; app")
    assert reply.json()["message"] == "Must specify two-factor authentication OTP code."


async def test_a_suspended_person_is_refused(ask: Ask) -> None:
    """Whatever the token holds."""
    reply = await ask("suspended-user", "/user")
    assert (reply.status_code, reply.json()["message"]) == (403, "Sorry. Your account was suspended.")


async def test_a_request_without_user_agent_is_forbidden(ask: Ask) -> None:
    """In HTML, by the edge."""
    reply = await ask("good-classic", "/user", headers={"User-Agent": ""})
    assert reply.status_code == 403
    assert "User-Agent" in reply.text


async def test_a_trailing_slash_is_not_found(ask: Ask) -> None:
    """GitHub's API has none."""
    assert (await ask("good-classic", "/user/")).status_code == 404


async def test_everything_else_is_not_found(ask: Ask) -> None:
    """In GitHub's JSON."""
    reply = await ask("good-classic", "/what/ever")
    assert (reply.status_code, reply.json()["message"]) == (404, "Not Found")


async def test_after_repeated_bad_credentials_good_ones_are_refused_too(world: World, ask: Ask) -> None:
    """For a minute, and only where the host is set to."""
    world.github().login_attempts = 3
    for _ in range(3):
        assert (await ask("revoked", "/user")).status_code == 401
    reply = await ask("good-classic", "/user")
    assert (reply.status_code, reply.json()["message"]) == (403, "Max number of login attempt exceeded")
    later = datetime.now(UTC) + timedelta(minutes=2)
    world.stop_clock(later)
    assert (await ask("good-classic", "/user")).status_code == 200


async def test_enterprise_server_has_its_api_below_a_path(simulator: Simulator, ask: Ask) -> None:
    """And says its version on every response, 401 included."""
    assert simulator.hosts["git.acme.dev"].api_url.endswith("/api/v3")
    reply = await ask("ghes-good-classic", "/user", host="git.acme.dev")
    assert reply.status_code == 200
    assert reply.headers["X-GitHub-Enterprise-Version"] == "3.17.2"
    assert "X-RateLimit-Limit" not in reply.headers
    assert (await ask("ghes-expired", "/user", host="git.acme.dev")).headers["X-GitHub-Enterprise-Version"] == "3.17.2"
    assert (await ask(None, "/meta", host="git.acme.dev")).json()["installed_version"] == "3.17.2"


async def test_enterprise_server_serves_no_api_at_its_root(simulator: Simulator, client: httpx.AsyncClient) -> None:
    """A web page answers there."""
    reply = await client.get(simulator.hosts["git.acme.dev"].origin + "/user")
    assert (reply.status_code, reply.headers["Content-Type"]) == (404, "text/html")


async def test_private_mode_answers_nobody_anonymously(world: World, ask: Ask) -> None:
    """But still says what it is."""
    world.github("git.acme.dev").private_mode = True
    reply = await ask(None, "/meta", host="git.acme.dev")
    assert reply.status_code == 401
    assert "X-GitHub-Enterprise-Version" in reply.headers


async def test_a_tenant_of_ghe_com_is_like_github_com(simulator: Simulator, ask: Ask) -> None:
    """Its API is at the root."""
    assert simulator.hosts["acme.ghe.com"].api_url == simulator.hosts["acme.ghe.com"].origin
    assert (await ask("ghe-good-classic", "/user", host="acme.ghe.com")).status_code == 200


async def test_a_token_of_one_host_is_unknown_on_another(ask: Ask) -> None:
    """Hosts share nothing."""
    assert (await ask("good-classic", "/user", host="git.acme.dev")).status_code == 401


@pytest.mark.parametrize(("host", "status"), [("api.github.com", 200), ("github.com", 404)])
async def test_with_real_names_the_api_and_the_web_site_are_different_hosts(ask: Ask, host: str, status: int) -> None:
    """``https://github.com/user`` is no API."""
    assert (await ask("good-classic", "/user", headers={"Host": host})).status_code == status


async def test_accept_and_api_version_may_be_missing(ask: Ask) -> None:
    """They are only ever advice."""
    assert (await ask("good-classic", "/user", headers={"Accept": ""})).status_code == 200


async def test_requests_are_counted_against_the_primary_limit(world: World, ask: Ask) -> None:
    """``/rate_limit`` isn't; at zero all else is 403."""
    world.github().rate_limit = 2
    assert (await ask("good-classic", "/user")).headers["X-RateLimit-Remaining"] == "1"
    assert (await ask("good-classic", "/rate_limit")).headers["X-RateLimit-Remaining"] == "1"
    assert (await ask("good-classic", "/user")).headers["X-RateLimit-Remaining"] == "0"
    reply = await ask("good-classic", "/user")
    assert (reply.status_code, reply.headers["X-RateLimit-Remaining"]) == (403, "0")
    assert reply.json()["message"] == "API rate limit exceeded for user ID 583231."
    assert int(reply.headers["X-RateLimit-Reset"]) > datetime.now(UTC).timestamp()


async def test_head_answers_with_headers_alone(ask: Ask) -> None:
    """As programs do that only want the scopes."""
    reply = await ask("good-classic", "/", method="HEAD")
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["X-OAuth-Scopes"] == "admin:repo_hook, repo"
