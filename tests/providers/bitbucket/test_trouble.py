"""When Bitbucket doesn't answer as it should."""

from __future__ import annotations

import pytest

from tests.providers.bitbucket.conftest import Harness
from webhook.providers.base import ProviderUnavailable
from webhook.providers.findings import Outcome
from webhook.simulator.faults import (
    AnyEffect,
    ContentType,
    Cut,
    Empty,
    Html,
    Outage,
    Oversized,
    RateLimited,
    Redirect,
    Status,
    StripHeaders,
    Truncated,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("effect", "says"),
    [
        (Outage(), "answered with status 503"),
        (Outage(status=502, html=True), "answered with status 502"),
        (Cut(), "closed the connection"),
        (Cut(after_bytes=5), "closed the connection"),
        (Html(), "text/html where JSON was expected"),
        (ContentType(), "text/plain where JSON was expected"),
        (Truncated(), "invalid JSON"),
        (Oversized(megabytes=2), "a body that is too large"),
        (Redirect(to="https://elsewhere.example/"), "redirect"),
        (StripHeaders(), "which scopes this token has"),
        (StripHeaders(names=["X-OAuth-Scopes", "X-Credential-Type"]), "which scopes this token has"),
        (Status(status=404), "which scopes this token has"),
        (Status(status=403, body="<html>", content_type="text/html"), "which scopes this token has"),
        (Status(status=409), "answers 409"),
        (RateLimited(retry_after=7), "for another 7 s"),
        (RateLimited(), "for another 60 s"),
    ],
)
async def test_no_answer_is_no_verdict(harness: Harness, effect: AnyEffect, says: str) -> None:
    """What means nothing is neither good nor bad."""
    harness.simulator.faults.add(effect)
    with pytest.raises(ProviderUnavailable, match=says):
        await harness.find("good-runtime")


async def test_a_body_that_is_missing_takes_nothing_from_the_headers(harness: Harness) -> None:
    """The scopes are all in them; only the account's name is unknown."""
    harness.simulator.faults.add(Empty())
    answer = await harness.inspect("good-runtime")
    assert {finding.outcome for finding in answer.findings.values()} == {Outcome.SUFFICIENT}
    assert answer.facts.account is None


async def test_a_wait_that_is_told_as_a_date_is_understood(harness: Harness) -> None:
    """`Retry-After` comes in both forms."""
    harness.world.retry_after_as_date = True
    harness.simulator.faults.add(RateLimited(retry_after=600))
    with pytest.raises(ProviderUnavailable, match=r"for another (59\d|600) s"):
        await harness.find("good-runtime")


async def test_an_anonymous_answer_is_none_about_the_token(harness: Harness) -> None:
    """A proxy that takes the credentials away makes no bad token of a good one."""
    headers = {"X-Credential-Type": "unauthenticated_identity", "X-OAuth-Scopes": "account"}
    harness.simulator.faults.add(Status(status=200, body="{}", headers=headers))
    with pytest.raises(ProviderUnavailable, match="saw no credentials"):
        await harness.find("oauth")


async def test_scopes_are_read_from_the_repository_where_user_doesn_t_answer(harness: Harness) -> None:
    """One reply is enough, whichever it is."""
    harness.simulator.faults.add(Outage(), path="/2.0/user")
    assert (await harness.find("good-runtime", "acme/apps")).outcome is Outcome.SUFFICIENT


async def test_a_refusal_in_one_place_and_not_in_another_is_no_verdict(harness: Harness) -> None:
    """Nobody knows what that means, so nobody says that the token is bad."""
    refused = Status(status=401, headers={"WWW-Authenticate": 'Basic realm="Bitbucket.org HTTP"'})
    harness.simulator.faults.add(refused, path="/2.0/user")
    harness.simulator.faults.add(StripHeaders(), path="/2.0/repositories/.*")
    with pytest.raises(ProviderUnavailable, match="at one endpoint"):
        await harness.find("repo-token", "acme/apps")


async def test_a_refusal_that_nobody_confirms_is_no_verdict(harness: Harness) -> None:
    """The second answer that would make it certain doesn't come."""
    harness.world.tokens["bitbucket-repo-token"].revoked = True
    harness.simulator.faults.add(Outage(), path="/2.0/hook_events")
    with pytest.raises(ProviderUnavailable, match="no second response"):
        await harness.find("repo-token")


@pytest.mark.parametrize(
    ("name", "described"), [("good-runtime", "API token"), ("repo-token", "access token"), ("oauth", "OAuth token")]
)
async def test_what_kind_a_token_is_can_be_told_without_bitbucket_s_word(
    harness: Harness, name: str, described: str
) -> None:
    """By its prefix, and else by the vocabulary of its scopes; so it is judged on what such a token can hold."""
    harness.simulator.faults.add(StripHeaders(names=["X-Credential-Type"]))
    answer = await harness.inspect(name, "acme/apps")
    assert {finding.outcome for finding in answer.findings.values()} == {Outcome.SUFFICIENT}
    assert answer.facts.described == described
