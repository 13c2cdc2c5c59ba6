"""How each kind of token is shown to the API, what a refusal means, and the username that Git needs."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from tests.providers.bitbucket.conftest import Harness
from tests.support.factories import make_token
from webhook.providers.base import ProviderUnavailable
from webhook.providers.findings import AuthScheme, GitAuth, Outcome, TokenCredential
from webhook.providers.requirements import Role
from webhook.simulator.faults import Status

GIT_NAME = "x-bitbucket-api-token-auth"


def basic(username: str) -> GitAuth:
    """How Argo CD sends what is under password."""
    return GitAuth(AuthScheme.BASIC, username)


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("name", ["expired", "unscoped", "revoked"])
async def test_a_refused_api_token_is_invalid_together_with_its_e_mail_address(
    harness: Harness, name: str, as_text: bool
) -> None:
    """Expired, revoked, without scopes, of somebody else: one 401 for all of them, as JSON or as text."""
    harness.world.unauthorized_as_text = as_text
    answer = await harness.inspect(name)
    finding = answer.findings[Role.RUNTIME]
    assert finding.outcome is Outcome.INVALID
    assert "together with the stored e-mail address" in finding.reason
    assert "e-mail address of the token's own account" in answer.remedy
    assert len(harness.asked()) == 1


async def test_the_e_mail_address_of_somebody_else_is_refused(harness: Harness) -> None:
    """Which of the two is wrong can't be told."""
    finding = await harness.find("good-runtime", username="brook@acme.example")
    assert (finding.outcome, "belongs to another account" in finding.reason) == (Outcome.INVALID, True)


@pytest.mark.parametrize("username", [GIT_NAME, "ada", "x-token-auth", "", None])
async def test_an_api_token_without_e_mail_address_can_t_be_verified(harness: Harness, username: str | None) -> None:
    """A 401 as bearer says nothing of an API token: the reason names what is missing."""
    finding = await harness.find("good-runtime", username=username)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "only together with the e-mail address of its account" in finding.reason
    assert harness.asked() == ["GET /2.0/user"]


async def test_an_api_token_that_counts_as_bearer_is_judged(harness: Harness) -> None:
    """Should Bitbucket take it so, its Git username is no obstacle."""
    harness.world.accepts_bearer_api_tokens = True
    assert (await harness.find("good-runtime", username=GIT_NAME)).outcome is Outcome.SUFFICIENT
    assert (await harness.find("no-webhooks", username=GIT_NAME)).outcome is Outcome.INSUFFICIENT


async def test_an_app_password_is_refused_without_asking(harness: Harness) -> None:
    """None of them works any more, and the remedy is what replaced them."""
    answer = await harness.inspect("app-password", username="ada")
    finding = answer.findings[Role.RUNTIME]
    assert (finding.outcome, "has not accepted app passwords" in finding.reason) == (Outcome.INVALID, True)
    assert "https://id.atlassian.com/manage-profile/security/api-tokens" in answer.remedy
    assert harness.asked() == []


async def test_a_refused_access_token_is_confirmed_to_be_bad(harness: Harness) -> None:
    """`/user` alone may be refused to access tokens as such: an endpoint open to all must refuse them, too."""
    harness.world.tokens["bitbucket-repo-token"].revoked = True
    assert (await harness.find("repo-token")).outcome is Outcome.INVALID
    assert harness.asked() == ["GET /2.0/hook_events", "GET /2.0/user"]


async def test_a_refusal_in_two_places_needs_no_confirmation(harness: Harness) -> None:
    """The repository of the URL refuses it as well."""
    harness.world.tokens["bitbucket-repo-token"].revoked = True
    assert (await harness.find("repo-token", "acme/apps")).outcome is Outcome.INVALID
    assert harness.asked() == ["GET /2.0/repositories/acme/apps", "GET /2.0/user"]


@pytest.mark.parametrize("path", ["", "acme/apps"])
async def test_an_access_token_that_only_user_refuses_is_judged_by_another_reply(harness: Harness, path: str) -> None:
    """Should `/user` be "not supported for this endpoint", the scopes stand in every other reply."""
    harness.simulator.faults.add(Status(status=401, body='{"type": "error"}'), path="/2.0/user")
    assert (await harness.find("repo-token", path)).outcome is Outcome.SUFFICIENT
    assert len(harness.asked()) == 2


@pytest.mark.parametrize("path", ["", "acme/apps"])
async def test_an_account_that_is_gone_for_api_tokens_is_no_obstacle(harness: Harness, path: str) -> None:
    """One source says that `/user` answers 410 to API tokens."""
    harness.world.user_gone_for_api_tokens = True
    assert (await harness.find("good-runtime", path)).outcome is Outcome.SUFFICIENT
    harness.simulator.faults.add(Status(status=410), path="/2.0/user")
    if path:
        assert (await harness.find("good-runtime", path)).outcome is Outcome.SUFFICIENT
    else:
        with pytest.raises(ProviderUnavailable, match="answers 410"):
            await harness.find("good-runtime")


async def test_an_unknown_kind_of_token_costs_one_more_request(harness: Harness) -> None:
    """A token without a known prefix is tried as bearer, and then with the e-mail address that stands beside it."""
    token = harness.world.tokens["bitbucket-good-runtime"]
    token.fixed_value = SecretStr(make_token("q", ""))
    assert (await harness.find("good-runtime")).outcome is Outcome.SUFFICIENT
    assert harness.asked() == ["GET /2.0/user"] * 2


@pytest.mark.parametrize("username", ["ada@acme.example", "x-token-auth", None])
async def test_a_token_that_nobody_gave_out_is_invalid(harness: Harness, username: str | None) -> None:
    """Without a prefix it can only be OAuth's, or no token at all."""
    finding = await harness.find(TokenCredential(SecretStr(make_token("n", "")), username))
    assert finding.outcome is Outcome.INVALID
    assert len(harness.asked()) == 2


async def test_an_e_mail_address_fails_for_git_where_argo_cd_sends_it_there(harness: Harness) -> None:
    """It is what the API needs; a person's token is warned of nothing."""
    runtime = (await harness.inspect("good-runtime", git_auth=basic("ada@acme.example"))).facts.warnings
    assert len(runtime) == 1 and "fails for Git" in runtime[0]
    assert (await harness.inspect("good-runtime", roles=[Role.USER])).facts.warnings == ()


@pytest.mark.parametrize("sent", ["x-access-token", ""])
@pytest.mark.parametrize("name", ["repo-token", "project-token", "workspace-token", "oauth"])
async def test_without_a_username_argo_cd_sends_one_that_fails_for_git(harness: Harness, name: str, sent: str) -> None:
    """Its own one, or an empty one with forceHttpBasicAuth; the warning names the one that works."""
    answer = await harness.inspect(name, username=None, git_auth=basic(sent))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    (warning,) = (one for one in answer.facts.warnings if "has no username" in one)
    assert warning.endswith("Git needs the username x-token-auth.")
    assert (sent or "an empty username") in warning


@pytest.mark.parametrize("name", ["repo-token", "oauth"])
async def test_the_right_username_is_no_warning(harness: Harness, name: str) -> None:
    """As Bitbucket documents it."""
    for auth in (basic("x-token-auth"), None):
        warnings = (await harness.inspect(name, username="x-token-auth", git_auth=auth)).facts.warnings
        assert not any("username" in one for one in warnings)


@pytest.mark.parametrize(
    ("name", "username"), [("repo-token", "x-token-auth"), ("oauth", None), ("good-runtime", "ada@acme.example")]
)
async def test_bearer_tokens_are_warned_of(harness: Harness, name: str, username: str | None) -> None:
    """Bitbucket Cloud documents them for its API and not for Git."""
    answer = await harness.inspect(name, username=username, git_auth=GitAuth(AuthScheme.BEARER))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert any("store this" in one and "under password" in one for one in answer.facts.warnings)


async def test_an_api_token_without_username_needs_two_names(harness: Harness) -> None:
    """Should Bitbucket take it as bearer, Git still fails."""
    harness.world.accepts_bearer_api_tokens = True
    warnings = (await harness.inspect("good-runtime", username=None, git_auth=basic("x-access-token"))).facts.warnings
    assert len(warnings) == 1 and GIT_NAME in warnings[0]


MECHANISM = '{"type": "error", "error": {"message": "This API is not accessible by this authentication mechanism"}}'


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("path", ["", "acme/apps"])
async def test_an_endpoint_that_is_not_for_this_kind_of_token_says_nothing_against_it(
    harness: Harness, path: str, status: int
) -> None:
    """The scopes stand in another reply, of which one is asked for where there is none."""
    harness.simulator.faults.add(Status(status=status, body=MECHANISM), path="/2.0/user")
    assert (await harness.find("repo-token", path)).outcome is Outcome.SUFFICIENT
    assert len(harness.asked()) == 2


@pytest.mark.parametrize("status", [401, 403])
async def test_such_an_endpoint_never_makes_a_token_invalid(harness: Harness, status: int) -> None:
    """Whatever else answers in the same words."""
    harness.simulator.faults.add(Status(status=status, body=MECHANISM), path="/2.0/.*")
    for path in ("", "acme/apps"):
        with pytest.raises(ProviderUnavailable, match="no other response lists its scopes") as raised:
            await harness.find("repo-token", path)
        assert not raised.value.transient


@pytest.mark.parametrize(
    ("username", "says"),
    [
        (GIT_NAME, "works for Git and fails for the API"),
        ("ada", "works for Git and fails for the API"),
        ("brook", "the stored one is neither"),
        ("x-token-auth", "the stored one is neither"),
    ],
)
async def test_a_git_username_fails_for_the_api(harness: Harness, username: str, says: str) -> None:
    """The other way round: where the check went well as bearer, the username is still told to be unfit."""
    harness.world.accepts_bearer_api_tokens = True
    warnings = (await harness.inspect("good-runtime", username=username)).facts.warnings
    assert len(warnings) == 1 and says in warnings[0]


@pytest.mark.parametrize("name", ["workspace-token", "oauth"])
async def test_access_and_oauth_tokens_need_their_own_name_for_git(harness: Harness, name: str) -> None:
    """Any name will do for the API, which gets none, so that only this warning tells."""
    needed = "Git needs the username x-token-auth"
    assert any(needed in text for text in (await harness.inspect(name, username="ada")).facts.warnings)
    for fine in ("x-token-auth", None):
        assert not any(needed in text for text in (await harness.inspect(name, username=fine)).facts.warnings)


async def test_a_username_is_never_shown(harness: Harness) -> None:
    """People put tokens there."""
    secret = make_token("u", "ghp" + "_")
    answer = await harness.inspect("oauth", username=secret)
    assert secret[:12] not in repr(answer)


async def test_what_is_too_long_for_an_e_mail_address_is_sent_nowhere(harness: Harness) -> None:
    """A header of a megabyte ends the connection that others' requests share."""
    username = f"{'a' * 100_000}@acme.example"
    finding = await harness.find("good-runtime", username=username)
    assert finding.outcome is Outcome.UNVERIFIED
    assert "the stored username is not an e-mail address" in finding.reason
