"""What stops a valid token: account states and policies, each in GitLab's own words."""

from __future__ import annotations

import json

import pytest

from tests.providers.gitlab.conftest import RUNTIME, Desk, writes
from webhook.providers.base import ProviderUnavailable
from webhook.providers.findings import Outcome
from webhook.providers.gitlab import refusals
from webhook.providers.requirements import Requirement, Role
from webhook.review.messages import failure
from webhook.simulator.faults import Outage, Status

TEXTS = {
    "Your account is pending approval from your administrator and hence blocked.": "pending approval",
    "Your account has been deactivated by your administrator. Please log back in from a web browser to reactivate "
    "your account at https://gitlab.com": "is deactivated",
    "You (@alice) must accept the Terms of Service in order to perform this action. To accept these terms, please "
    "access GitLab from a web browser at https://gitlab.com.": "terms of service",
    "Your password expired. Please access GitLab from a web browser to update your password.": "the password",
    "Your primary email address is not confirmed. Please check your inbox for the confirmation instructions.": "e-mail",
    "This action cannot be performed by internal users": "internal",
    "Your account has been banned.": "is banned",
    "Your account has been blocked.": "is blocked",
    "Token is an impersonation token but impersonation was disabled.": "impersonation tokens are disabled",
    "DPoP validation error: DPoP header is missing": "proof of possession",
    "You must set up two-factor authentication before you can do this.": "two-factor authentication",
    "Cannot find valid SSO session. Please login via your group's SSO at https://gitlab.com/groups/acme/-/saml/sso": (
        "SAML single sign-on"
    ),
    "Your IP address is not allowed to access this group.": "access is restricted by IP address",
    "External authorization denied access to this project": "external authorization",
    "Git access over HTTP is not allowed": "Git access over HTTP is disabled",
}
EACH_TEXT = pytest.mark.parametrize(("text", "said"), TEXTS.items())
FORBIDDEN = "403 Forbidden"


def test_every_row_has_a_test() -> None:
    """Each text finds a row of its own, and each row has one."""
    found = [refusals.find(text.lower()) for text in TEXTS]
    assert sorted(row.reason for row in found if row is not None) == sorted(row.reason for row in refusals.ROWS)
    assert all(row.source for row in refusals.ROWS)


@EACH_TEXT
@pytest.mark.parametrize("role", list(Role))
async def test_a_token_that_is_refused_everywhere_is_blocked(desk: Desk, text: str, said: str, role: Role) -> None:
    """The sentence says why and who has to act; waiting helps with none of them."""
    desk.spoil("/.*", Status(status=403, body=json.dumps({"message": f"{FORBIDDEN} - {text}"})))
    answer = await desk.inspect("gitlab-good-runtime", "acme/apps", roles={role: RUNTIME})
    assert answer.findings[role].outcome is Outcome.BLOCKED
    assert said in answer.findings[role].reason
    sentence = failure("gitlab.com", answer.facts, answer.findings, answer.remedy)
    assert "retry" not in sentence
    row = refusals.find(text.lower())
    assert row is not None
    assert sentence.endswith(row.remedy)


@EACH_TEXT
async def test_a_token_that_is_kept_out_of_a_project_is_blocked(desk: Desk, text: str, said: str) -> None:
    """GitLab accepts the token elsewhere; the sentence names the project."""
    desk.spoil("/projects/acme/apps", Status(status=403, body=json.dumps({"message": text})))
    answer = await desk.inspect("gitlab-good-runtime", "acme/apps")
    finding = answer.findings[Role.RUNTIME]
    assert finding.outcome is Outcome.BLOCKED
    assert said in finding.reason
    assert "acme/apps" in finding.reason
    row = refusals.find(text.lower())
    assert row is not None
    assert answer.remedy == row.remedy


@EACH_TEXT
async def test_a_token_that_git_keeps_out_is_blocked(desk: Desk, text: str, said: str) -> None:
    """Where the account's role looks too low, Git is asked, and names the policy."""
    desk.simulator.faults.add(Status(status=403, body=text, content_type="text/plain"), path="/acme/apps.git/info/refs")
    finding = await desk.runtime("gitlab-reporter", "acme/apps")
    assert finding.outcome is Outcome.BLOCKED
    assert said in finding.reason


async def test_a_repository_of_the_configuration_may_be_kept_out_of_reach(desk: Desk) -> None:
    """As the one that the URL names."""
    text = "Cannot find valid SSO session. Please login via your group's SSO"
    desk.spoil("/projects/acme/shared-configuration", Status(status=403, body=json.dumps({"message": text})))
    answer = await desk.inspect("gitlab-good-runtime", "acme/apps", repositories=writes("acme/shared-configuration"))
    assert answer.findings[Role.RUNTIME].outcome is Outcome.BLOCKED
    assert "acme/shared-configuration" in answer.findings[Role.RUNTIME].reason


async def test_a_group_may_be_kept_out_of_reach(desk: Desk) -> None:
    """By the same texts."""
    text = "Your IP address is not allowed to access this group."
    desk.spoil("/groups/.*", Status(status=403, body=json.dumps({"message": text})))
    finding = await desk.runtime("gitlab-good-runtime", "acme")
    assert finding.outcome is Outcome.BLOCKED
    assert "acme" in finding.reason


async def test_an_unknown_reason_is_no_verdict_on_the_token(desk: Desk) -> None:
    """GitLab accepts the token and denies the account access, in words that are new."""
    desk.spoil("/.*", Status(status=403, body=json.dumps({"message": f"{FORBIDDEN} - The moon is full."})))
    answer = await desk.inspect("gitlab-good-runtime")
    assert answer.findings[Role.RUNTIME].outcome is Outcome.BLOCKED
    assert "for a reason that this version does not know" in answer.findings[Role.RUNTIME].reason
    assert "moon" not in repr(answer)


async def test_a_banned_address_is_not_the_tokens_fault(desk: Desk) -> None:
    """Rack::Attack answers in plain text, without a reason, for a while."""
    desk.spoil("/.*", Status(status=403, body="Forbidden\n", content_type="text/plain"))
    with pytest.raises(ProviderUnavailable, match="too many failed logins") as raised:
        await desk.inspect("gitlab-good-runtime")
    assert raised.value.transient


async def test_another_refusal_without_a_reason_blames_no_sign_ins(desk: Desk) -> None:
    """Only Rack::Attack answers in plain text."""
    desk.spoil("/.*", Status(status=403, body=json.dumps({"message": FORBIDDEN})))
    with pytest.raises(ProviderUnavailable, match="without a reason") as raised:
        await desk.inspect("gitlab-good-runtime")
    assert "sign-in" not in str(raised.value)
    assert not raised.value.transient


async def test_a_missing_scope_is_told_before_a_policy(desk: Desk) -> None:
    """A better token is needed anyway, and its remedy is given."""
    text = "Git access over HTTP is not allowed"
    desk.simulator.faults.add(Status(status=403, body=text, content_type="text/plain"), path="/acme/apps.git/info/refs")
    desk.spoil("/projects", Outage())
    roles = {Role.RUNTIME: RUNTIME, Role.USER: Requirement(scopes=("sudo",))}
    answer = await desk.inspect("gitlab-reporter", "acme/apps", roles=roles)
    assert answer.findings[Role.USER].lacks == ("sudo",)
    assert answer.remedy.startswith("Make ")
