"""OAuth tokens, of which GitLab tells beside its API."""

from __future__ import annotations

import pytest

from tests.providers.gitlab.conftest import USER, Desk
from webhook.providers.base import ProviderUnavailable
from webhook.providers.findings import Outcome
from webhook.providers.requirements import Role
from webhook.simulator.faults import Outage, Status
from webhook.simulator.gitlab import Token, TokenKind

INFO = "/oauth/token/info"


async def test_an_oauth_token_with_api_is_good(desk: Desk) -> None:
    """That it is one GitLab says in the first round, its scopes in the second."""
    answer = await desk.inspect("gitlab-oauth", "acme/apps")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert (answer.facts.token_type, answer.facts.holds, answer.facts.account) == ("oauth", ("api",), "alice")
    assert answer.requests == 4
    assert f"GET {INFO}" in desk.asked()


async def test_missing_scopes_are_named(desk: Desk) -> None:
    """As of other tokens with scopes."""
    assert (await desk.runtime("gitlab-oauth-weak")).lacks == ("api",)
    assert (await desk.user("gitlab-oauth-weak")).lacks == ("write_repository",)


async def test_an_expired_one_is_invalid(desk: Desk) -> None:
    """GitLab says so before it says what sort of token it is."""
    assert (await desk.runtime("gitlab-oauth-expired")).outcome is Outcome.INVALID


async def test_one_that_lives_for_hours_is_warned_of(desk: Desk) -> None:
    """Its application renews it, and not what a Secret holds; one without an end gets no such warning."""
    facts = (await desk.inspect("gitlab-oauth", roles={Role.USER: USER})).facts
    assert facts.short_lived
    assert facts.expires_at is not None
    assert any("valid for only a few hours" in warning for warning in facts.warnings)
    assert not (await desk.inspect("gitlab-oauth-weak", roles={Role.USER: USER})).facts.warnings


async def test_it_is_asked_below_the_path_that_a_gitlab_is_at(own: Desk) -> None:
    """Beside the API of this very GitLab."""
    own.world.add(Token(name="oauth", kind=TokenKind.OAUTH, owner="alice", scopes=["api"]))
    assert (await own.runtime("oauth", "gitlab/acme/apps")).outcome is Outcome.SUFFICIENT
    assert own.simulator.journal.records[-1].path.startswith("/gitlab/")
    assert any(one.path == f"/gitlab{INFO}" for one in own.simulator.journal.records)


async def test_an_api_that_is_elsewhere_leaves_it_open(desk: Desk) -> None:
    """Where such a GitLab has its web site, nobody knows."""
    desk.simulator.faults.add(
        Status(status=400, body='{"message": "400 Bad request - requires token type to be a personal access token"}')
    )
    desk.api_suffix = "/behind/a/proxy"
    with pytest.raises(ProviderUnavailable, match="at an unusual path"):
        await desk.inspect("gitlab-oauth")
    assert not any("oauth" in one for one in desk.asked())


@pytest.mark.parametrize(
    "effect",
    [
        Outage(),
        Status(status=401, body='{"error": "invalid_token"}'),
        Status(status=403, body='{"scope": ["api"]}'),
        Status(status=200, body="{}"),
        Status(status=200, body='{"scope": 7}'),
    ],
)
async def test_what_is_not_told_is_no_verdict(desk: Desk, effect: Outage | Status) -> None:
    """A CI job's token, say, is neither sort."""
    desk.simulator.faults.add(effect, path=INFO)
    with pytest.raises(ProviderUnavailable):
        await desk.inspect("gitlab-oauth")


async def test_scopes_may_be_one_text(desk: Desk) -> None:
    """As RFC 6749 has them."""
    desk.simulator.faults.add(Status(status=200, body='{"scopes": "api read_user", "application": {}}'), path=INFO)
    assert (await desk.inspect("gitlab-oauth")).facts.holds == ("api", "read_user")
