"""Refusals by policy, and credentials that are newer than this program: each has its own sentence."""

from __future__ import annotations

import pytest

from tests.providers.bitbucket.test_replies import HOST, SCOPES, ask
from tests.support.factories import make_token
from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.bitbucket.refusals import REFUSALS, refusal_in
from webhook.providers.findings import Answer, Outcome
from webhook.providers.requirements import Role
from webhook.review import messages

ROWS = [
    (403, "To access this repository, an admin must whitelist your IP.", "IP allow list"),
    (403, "Your IP address is not on the allowlist of this workspace.", "IP allow list"),
    (403, "You must enable two-step verification to access this workspace.", "two-step verification"),
    (402, "Payment required", "more users than its plan allows"),
    (403, "The account 'acme' has exceeded its user limit; it is restricted to read-only access.", "more users"),
    (403, "This feature requires a Premium plan.", "Premium plan"),
    (403, "To continue, transfer your Bitbucket account.", "not moved to an Atlassian account"),
    (403, "This account has been suspended.", "suspended or deactivated"),
    (401, "Your account is deactivated.", "suspended or deactivated"),
    (403, "You need to confirm your email first.", "e-mail address is not confirmed"),
    (403, "Your organization requires single sign-on.", "single sign-on"),
    (403, "Blocked by your organization's access policy.", "policy of the organization"),
    (451, "Unavailable", "legal reasons"),
    (403, "Disabled after a DMCA notice", "legal reasons"),
]
LOGINS = "Too many invalid password attempts. Log in at https://id.atlassian.com/ to restore access."
MAINTENANCE = "Bitbucket is in maintenance mode"


def error(status: int, message: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, headers or {}, {"type": "error", "error": {"message": message}})


def sentence(answer: Answer) -> str:
    return messages.failure(HOST.name, answer.facts, answer.findings, answer.remedy)


@pytest.mark.parametrize(("status", "message", "says"), ROWS)
async def test_a_refusal_of_the_account_blocks(status: int, message: str, says: str) -> None:
    """No retry helps, and the sentence says what does."""
    reply = error(status, message)
    answer = await ask(reply, reply)
    assert answer.findings[Role.RUNTIME].outcome is Outcome.BLOCKED
    assert says in answer.findings[Role.RUNTIME].reason
    assert answer.remedy.endswith(".")
    assert "retry" not in sentence(answer)


@pytest.mark.parametrize(("status", "message", "says"), [row for row in ROWS if row[0] != 401])
async def test_a_refusal_of_a_repository_blocks(status: int, message: str, says: str) -> None:
    """Where the token itself is fine."""
    answer = await ask(Reply(403, SCOPES), error(status, message, SCOPES))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.BLOCKED
    assert "not for acme/apps" in answer.findings[Role.RUNTIME].reason
    assert says in answer.findings[Role.RUNTIME].reason
    assert "retry" not in sentence(answer)


def test_each_row_of_the_table_has_a_test() -> None:
    """A row that nothing is tested for would be a guess."""
    replies = [error(status, message) for status, message, _ in ROWS] + [error(403, LOGINS), error(403, MAINTENANCE)]
    assert {row.reason for row in REFUSALS} == {row.reason for row in map(refusal_in, replies) if row is not None}


async def test_a_locked_login_is_no_verdict_on_the_token() -> None:
    """It was not looked at; its owner has to do something."""
    with pytest.raises(ProviderUnavailable) as raised:
        await ask(error(401, LOGINS), error(401, LOGINS))
    assert not raised.value.transient
    assert "id.atlassian.com" in raised.value.remedy


async def test_maintenance_passes_by_itself() -> None:
    """Here a retry may help."""
    with pytest.raises(ProviderUnavailable) as raised:
        await ask(error(403, MAINTENANCE), error(403, MAINTENANCE))
    assert raised.value.transient


@pytest.mark.parametrize(
    "reply",
    [
        error(404, "No workspace with identifier 'premium'."),
        error(404, "Repository acme/premium not found"),
        error(403, "You may not see 'dmca'"),
        error(403, 'You may not see "saml"'),
        Reply(451, {}, None),
        Reply(402, {}, {"message": "buy me"}),
    ],
)
def test_names_and_other_programs_are_no_refusals(reply: Reply) -> None:
    """Whoever writes a URL chooses a name, and a proxy has pages of its own."""
    assert refusal_in(reply) is None


def test_a_long_text_is_looked_into_in_linear_time() -> None:
    """Who answers in Bitbucket's place can't stop this program."""
    for text in ("ip " * 100_000, "account " * 100_000, "'" * 100_000):
        refusal_in(error(403, text))


async def test_oauth2_is_an_oauth_token() -> None:
    """In the word that Bitbucket uses today."""
    headers = {"x-oauth-scopes": "account, team, webhook, repository:write, repository:admin"}
    reply = Reply(403, {**headers, "x-credential-type": "oauth2"})
    answer = await ask(reply, reply, path="acme", token=make_token("o", ""))
    assert answer.facts.token_type == "oauth"


@pytest.mark.parametrize("prefix", ["", "ATC" + "TT"])
async def test_an_unknown_kind_of_credential_is_named_and_judged_by_its_scopes(prefix: str) -> None:
    """Good scopes suffice, whatever it is called."""
    headers = {"x-oauth-scopes": "account, team, webhook, repository:write, repository:admin"}
    reply = Reply(403, {**headers, "x-credential-type": "Robot_Token"})
    answer = await ask(reply, Reply(200, headers, {"full_name": "acme/a"}), path="acme", token=make_token("k", prefix))
    assert any("calls this credential robot_token" in warning for warning in answer.facts.warnings)
    assert answer.findings[Role.RUNTIME].outcome is not Outcome.INSUFFICIENT


async def test_what_an_unknown_kind_of_credential_does_not_list_is_no_lack() -> None:
    """It may have other words for it."""
    reply = Reply(403, {"x-oauth-scopes": "robot:everything", "x-credential-type": "robot_token"})
    finding = (await ask(reply, reply, path="acme", token=make_token("k", ""))).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.UNVERIFIED
    assert "robot_token" in finding.reason and "robot:everything" in finding.reason


async def test_an_unknown_scope_is_shown_and_changes_nothing() -> None:
    """A known kind of token is judged by the scopes that are known."""
    more = {**SCOPES, "x-oauth-scopes": f"{SCOPES['x-oauth-scopes']}, granular2:v2, new:scope:bitbucket"}
    answer = await ask(Reply(403, more), Reply(200, more, {"full_name": "acme/apps", "is_private": True}))
    assert {"granular2:v2", "new:scope:bitbucket"} <= set(answer.facts.holds)
    less = {**SCOPES, "x-oauth-scopes": "granular2:v2, repository:write"}
    assert (await ask(Reply(403, less), Reply(403, less))).findings[Role.RUNTIME].lacks


async def test_an_unknown_permission_is_named_and_no_lack() -> None:
    """It may allow more than those that are known."""
    headers = {"x-oauth-scopes": "account, team, webhook, repository:write, repository:admin"}
    body = {"values": [{"permission": "maintain", "repository": {"full_name": "acme/apps"}}]}
    reply = Reply(200, headers, body)
    finding = (await ask(Reply(200, headers, {}), reply, token=make_token("k", ""))).findings[Role.RUNTIME]
    assert finding.outcome is Outcome.UNVERIFIED
    assert "permission maintain in acme/apps" in finding.reason


@pytest.mark.parametrize("status", [401, 410])
async def test_an_app_password_without_prefix_is_told_what_replaced_it(status: int) -> None:
    """Where Bitbucket's own text says what it is."""
    reply = error(status, "App passwords are no longer supported.")
    answer = await ask(reply, reply, token=make_token("k", ""))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.INVALID
    assert "API token" in answer.remedy
