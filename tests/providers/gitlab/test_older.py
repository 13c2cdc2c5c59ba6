"""GitLab before 15.5: what can be found out by elimination, and what can't."""

from __future__ import annotations

import pytest

from tests.providers.gitlab.conftest import USER, Desk
from webhook.providers.base import ProviderUnavailable
from webhook.providers.findings import Outcome
from webhook.providers.requirements import Requirement, Role
from webhook.simulator.faults import Outage, Status
from webhook.simulator.gitlab import Token, TokenKind

VERSIONS = ["15.4.6-ee", "15.1.0", "14.10.5", "13.2.0-ee", "12.8.1"]
SELF = "/personal_access_tokens/self"
APPS = "gitlab/acme/apps"


@pytest.fixture(params=VERSIONS)
def any_old(own: Desk, request: pytest.FixtureRequest) -> Desk:
    own.world.version = request.param
    for scope in ("read_user", "write_repository"):
        own.world.add(Token(name=f"own-{scope}", owner="alice", scopes=[scope]))
    return own


async def test_a_token_with_api_is_good(any_old: Desk) -> None:
    """Only `api` is let in to make a project, which is then refused for having no name."""
    answer = await any_old.inspect("own-gitlab-good-runtime", APPS)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert (answer.facts.token_type, answer.facts.holds) == ("group", ("api",))
    assert any("does not say when this token expires" in warning for warning in answer.facts.warnings)
    assert (await any_old.user("own-gitlab-bare", APPS)).outcome is Outcome.SUFFICIENT


@pytest.mark.parametrize("name", ["own-gitlab-weak", "own-gitlab-good-user", "own-read_user", "own-write_repository"])
async def test_a_token_without_api_is_insufficient(any_old: Desk, name: str) -> None:
    """That much is proven."""
    finding = await any_old.runtime(name, APPS)
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ("api",))


@pytest.mark.parametrize("name", ["own-gitlab-weak", "own-gitlab-good-user"])
async def test_writing_by_git_stays_open(any_old: Desk, name: str) -> None:
    """No request to the API tells whether a token has `write_repository`."""
    finding = await any_old.user(name)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "whether this token has write_repository" in finding.reason


@pytest.mark.parametrize("name", ["own-read_user", "own-write_repository"])
async def test_a_token_that_reads_nothing_of_the_api_is_insufficient(any_old: Desk, name: str) -> None:
    """Whatever else it has."""
    finding = await any_old.user(name)
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ("read_api",))


async def test_read_user_is_proven_by_the_owner_alone(any_old: Desk) -> None:
    """Where it was asked for."""
    needs = Requirement(scopes=("read_user",))
    assert (await any_old.runtime("own-read_user", "", needs)).outcome is Outcome.SUFFICIENT
    assert (await any_old.runtime("own-write_repository", "", needs)).lacks == ("read_user",)


@pytest.mark.parametrize("role", list(Role))
async def test_refused_tokens_are_invalid(any_old: Desk, role: Role) -> None:
    """Expired, or never there."""
    expired = await any_old.inspect("own-gitlab-expired", roles={role: USER})
    assert expired.findings[role].outcome is Outcome.INVALID
    wrong = await any_old.inspect("", value="glpat-" + "wrong" * 4, roles={role: USER})
    assert wrong.findings[role].outcome is Outcome.INVALID


async def test_an_oauth_token_is_still_told_of(any_old: Desk) -> None:
    """Its scopes were always to be had."""
    any_old.world.add(Token(name="oauth", kind=TokenKind.OAUTH, owner="alice", scopes=["read_api"]))
    answer = await any_old.inspect("oauth", roles={Role.USER: USER})
    assert answer.facts.token_type == "oauth"
    assert answer.findings[Role.USER].lacks == ("write_repository",)


async def test_no_more_than_two_rounds_are_made(old: Desk) -> None:
    """All that tells scopes apart goes out together."""
    answer = await old.inspect("own-gitlab-bare", roles={Role.USER: USER})
    assert answer.requests == 4
    assert old.asked() == ["GET /gitlab/oauth/token/info", f"GET {SELF}", "GET /projects", "POST /projects"]


async def test_a_newer_gitlab_behind_a_proxy_is_none_of_these(own: Desk) -> None:
    """404 is a proxy's there, whatever else is let through."""
    own.spoil(SELF, Status(status=404, body='{"error": "404 Not Found"}'))
    with pytest.raises(ProviderUnavailable, match="proxy"):
        await own.inspect("own-gitlab-good-runtime")


async def test_gitlab_com_is_none_of_these(desk: Desk) -> None:
    """Its 404 means nothing, and nothing else is asked."""
    desk.spoil(SELF, Status(status=404, body='{"error": "404 Not Found"}'))
    with pytest.raises(ProviderUnavailable, match="404"):
        await desk.inspect("gitlab-good-runtime")
    assert len(desk.asked()) == 2


@pytest.mark.parametrize(
    "effect", [Status(status=404, body="{}"), Status(status=400, body='{"error": "no"}'), Status(status=403)]
)
async def test_replies_that_mean_nothing_leave_all_open(old: Desk, effect: Status) -> None:
    """Elimination needs GitLab's own words."""
    old.spoil("/projects", effect)
    old.spoil("/user", effect)
    with pytest.raises(ProviderUnavailable):
        await old.inspect("own-gitlab-good-runtime")


async def test_an_outage_in_the_second_round_is_no_verdict(old: Desk) -> None:
    """What the first one said doesn't suffice."""
    old.spoil("/projects", Outage())
    with pytest.raises(ProviderUnavailable):
        await old.inspect("own-gitlab-weak")
