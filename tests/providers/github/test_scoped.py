"""Classic and OAuth tokens: what GitHub's answers about them are taken for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from tests.providers.github.conftest import RUNTIME, USER, Desk
from webhook.providers.base import ProviderUnavailable
from webhook.providers.findings import Outcome, TokenCredential
from webhook.providers.requirements import Role
from webhook.simulator.faults import Html, Status, StripHeaders

REPOSITORY = "acme/apps"


@pytest.mark.parametrize("name", ["good-classic", "wide-classic", "good-oauth", "legacy-classic", "expiring"])
async def test_a_token_with_all_scopes_is_good(desk: Desk, name: str) -> None:
    """Whatever kind of token with scopes it is, and whatever it has beyond."""
    assert (await desk.find(name, REPOSITORY)).outcome is Outcome.SUFFICIENT


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("weak-classic", ("admin:repo_hook",)),
        ("user-classic", ("admin:repo_hook",)),
        ("hooks-only-classic", ("repo",)),
        ("public-only-classic", ("repo",)),
        ("no-scope-classic", ("repo", "admin:repo_hook")),
    ],
)
async def test_missing_scopes_are_named(desk: Desk, name: str, lacks: tuple[str, ...]) -> None:
    """A narrower scope, such as `public_repo`, doesn't stand for a wider one."""
    finding = await desk.find(name)
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, lacks)


async def test_scopes_imply_others(desk: Desk) -> None:
    """What needs `read:repo_hook` and `read:org` is content with `admin:repo_hook` and `admin:org`."""
    narrow = type(RUNTIME)(scopes=("read:repo_hook", "read:org", "public_repo"))
    assert (await desk.find("wide-classic", needs=narrow)).outcome is Outcome.SUFFICIENT


async def test_each_role_is_judged_by_its_own_needs(desk: Desk) -> None:
    """A token with `repo` alone is good for a person."""
    answer = await desk.inspect("weak-classic", needs=USER, role=Role.USER)
    assert answer.findings[Role.USER].outcome is Outcome.SUFFICIENT


@pytest.mark.parametrize("name", ["revoked", "expired", "otp"])
async def test_a_refused_token_is_invalid(desk: Desk, name: str) -> None:
    """401 means that the token is of no use, and a link makes a new one."""
    answer = await desk.inspect(name, REPOSITORY)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INVALID
    assert "Make a new one: https://github.com/settings/tokens/new?scopes=repo,admin:repo_hook" in answer.remedy
    assert answer.requests == 2


async def test_a_wrong_token_is_invalid(desk: Desk) -> None:
    """So is one that never existed, of whatever shape."""
    assert (await desk.find(TokenCredential(SecretStr("wrong")))).outcome is Outcome.INVALID


async def test_a_suspended_user_is_blocked(desk: Desk) -> None:
    """GitHub knows the token and refuses the account."""
    finding = await desk.find("suspended-user")
    assert finding.outcome is Outcome.BLOCKED
    assert "suspended" in finding.reason


async def test_facts_tell_account_scopes_and_end(desk: Desk) -> None:
    """What people see of a good token."""
    facts = (await desk.inspect("expiring")).facts
    assert (facts.account, facts.token_type, facts.holds) == ("octocat", "classic", ("admin:repo_hook", "repo"))
    assert facts.expires_at is not None
    assert abs(facts.expires_at - datetime.now(UTC) - timedelta(days=5)) < timedelta(minutes=2)


async def test_a_stripped_scopes_header_is_no_answer(desk: Desk) -> None:
    """A proxy that takes the header away mustn't make a good token look bad."""
    desk.simulator.faults.add(StripHeaders())
    with pytest.raises(ProviderUnavailable, match="which scopes"):
        await desk.inspect("good-classic")


@pytest.mark.parametrize("header", ["admin:repo_hook,repo", "repo ,  admin:repo_hook", " repo,,admin:repo_hook,"])
async def test_order_and_spacing_of_scopes_do_not_matter(desk: Desk, header: str) -> None:
    """GitHub promises neither."""
    login = '{"login": "octocat"}'
    desk.simulator.faults.add(Status(status=200, body=login, headers={"X-OAuth-Scopes": header}), path="/user")
    assert (await desk.find("good-classic")).outcome is Outcome.SUFFICIENT


async def test_an_unknown_repository_is_unverified(desk: Desk) -> None:
    """404 may be a typing error or a missing right: it isn't the token's fault for certain."""
    finding = await desk.find("good-classic", "acme/nothing-here")
    assert finding.outcome is Outcome.UNVERIFIED
    assert "404 for acme/nothing-here" in finding.reason


@pytest.mark.parametrize("name", ["reader-classic", "writer-classic"])
async def test_an_account_of_too_low_a_role_is_insufficient(desk: Desk, name: str) -> None:
    """All scopes don't help an account that is no administrator, and the link is to the repository's access page."""
    answer = await desk.inspect(name, REPOSITORY)
    finding = answer.findings[Role.RUNTIME]
    assert (finding.outcome, finding.lacks) == (Outcome.INSUFFICIENT, ())
    assert "not an administrator of acme/apps" in finding.reason
    assert answer.remedy.endswith("https://github.com/acme/apps/settings/access")


async def test_a_writer_is_good_for_a_person(desk: Desk) -> None:
    """Somebody who only pushes needs to be no administrator; a reader may not push."""
    assert (await desk.find("writer-classic", REPOSITORY, needs=USER)).outcome is Outcome.SUFFICIENT
    assert "cannot push" in (await desk.find("reader-classic", REPOSITORY, needs=USER)).reason


@pytest.mark.parametrize(
    ("owner", "said"),
    [
        ("sso-corp", "the organisation sso-corp requires tokens to be authorised for its single sign-on"),
        ("strict-corp", "the organisation strict-corp forbids classic tokens"),
        ("walled-corp", "IP allow list"),
    ],
)
async def test_an_organisation_that_refuses_good_tokens_blocks(desk: Desk, owner: str, said: str) -> None:
    """The token is valid and has all scopes, and yet the organisation doesn't let it in."""
    finding = await desk.find("good-classic", f"{owner}/apps")
    assert finding.outcome is Outcome.BLOCKED
    assert said in finding.reason


async def test_sso_is_told_with_where_to_authorise_and_no_request_of_it(desk: Desk) -> None:
    """The header's authorization request is for one person's browser, not for messages."""
    answer = await desk.inspect("good-classic", "sso-corp/apps")
    assert answer.remedy == "Authorise this token there (Configure SSO): https://github.com/settings/tokens"
    assert "authorization_request" not in answer.remedy + str(answer.findings)
    assert (await desk.find("sso-authorized", "sso-corp/apps")).outcome is Outcome.SUFFICIENT


async def test_an_archived_repository_is_a_warning(desk: Desk) -> None:
    """Nobody can push there, whatever token they have."""
    answer = await desk.inspect("good-classic", "acme/attic")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.SUFFICIENT
    assert answer.facts.warnings == ("acme/attic is archived on github.com: no one can push to it.",)


@pytest.mark.parametrize("path", ["", "acme"])
async def test_a_host_or_owner_takes_one_request(desk: Desk, path: str) -> None:
    """`GET /user` tells all of it."""
    answer = await desk.inspect("good-classic", path)
    assert (answer.requests, desk.asked()) == (1, ["GET /user"])


async def test_a_repository_takes_two_requests(desk: Desk) -> None:
    """What stands behind the repository's name in the URL is a page of it."""
    answer = await desk.inspect("good-classic", "acme/apps/tree/main")
    assert (answer.requests, desk.asked()) == (2, ["GET /repos/acme/apps", "GET /user"])


async def test_an_answer_missing_for_the_repository_leaves_scopes_judged(desk: Desk) -> None:
    """A missing scope is certain; only a token that has all of them stays unverified."""
    desk.simulator.faults.add(Html(), path="/repos/.*")
    assert (await desk.find("weak-classic", REPOSITORY)).lacks == ("admin:repo_hook",)
    assert (await desk.find("good-classic", REPOSITORY)).outcome is Outcome.UNVERIFIED


async def test_a_refresh_token_is_refused_without_asking(desk: Desk) -> None:
    """Git can do nothing with it."""
    answer = await desk.inspect("refresh", REPOSITORY)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INVALID
    assert (answer.requests, desk.asked()) == (0, [])


async def test_the_link_has_the_scopes_of_all_roles(desk: Desk) -> None:
    """One token is made for all that it is used for."""
    answer = await desk.inspect("weak-classic")
    assert answer.remedy == (
        "Make one that has both: https://github.com/settings/tokens/new?scopes=repo,admin:repo_hook"
    )


@pytest.mark.parametrize(("name", "prefix"), [("git.acme.dev", "ghes"), ("acme.ghe.com", "ghe")])
async def test_other_githubs_answer_alike(desk: Desk, name: str, prefix: str) -> None:
    """Enterprise Server and a tenant of ghe.com, each with links to itself."""
    desk.name = name
    assert (await desk.find(f"{prefix}-good-classic", "platform/apps")).outcome is Outcome.SUFFICIENT
    answer = await desk.inspect(f"{prefix}-weak-classic", "platform/apps")
    assert answer.findings[Role.RUNTIME].lacks == ("admin:repo_hook",)
    assert f"https://{name}/settings/tokens/new?" in answer.remedy


async def test_no_answer_quotes_the_token(desk: Desk) -> None:
    """A provider that says a token's value back as login or scope isn't quoted."""
    value = desk.world.tokens["legacy-classic"].value
    body = f'{{"login": "{value}"}}'
    desk.simulator.faults.add(Status(status=200, body=body, headers={"X-OAuth-Scopes": "repo"}), path="/user")
    answer = await desk.inspect("legacy-classic")
    assert answer.facts.account is None
    assert value not in repr(answer)
