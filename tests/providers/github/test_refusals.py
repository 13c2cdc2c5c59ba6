"""Refusals by policy: each known text of GitHub gets its own sentence, and none of them advises to retry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.findings import Outcome
from webhook.providers.github import refusals

WEB = "https://github.com"
ALTHOUGH = "Although you appear to have the correct authorization credentials, the "


@dataclass(frozen=True)
class RepositoryAccess:
    """A refusal as it was seen, what is said about it, and where it is settled."""

    message: str
    said: str
    remedy: str
    status: int = 403
    headers: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def reply(self) -> Reply:
        return Reply(self.status, self.headers, {"message": self.message, **self.details})


SAML = "Resource protected by organization SAML enforcement. You must grant your "
LIFETIME = "forbids access via a fine-grained personal access tokens if the token's lifetime is greater than 366 days."
CLASSIC = (
    "forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or a personal access"
)
SEEN = {
    "saml": RepositoryAccess(
        f"{SAML}Personal Access token access to this organization.",
        "the organisation requires tokens to be authorised for its single sign-on",
        "(Configure SSO): https://github.com/settings/tokens",
    ),
    "saml-oauth": RepositoryAccess(
        f"{SAML}OAuth token access to an organization within this enterprise.",
        "requires tokens to be authorised for its single sign-on",
        "(Configure SSO): https://github.com/settings/tokens",
    ),
    "saml-header": RepositoryAccess(
        "Forbidden",
        "the organisation acme requires tokens to be authorised for its single sign-on",
        "(Configure SSO): https://github.com/settings/tokens",
        headers={"x-github-sso": "required; url=https://github.com/orgs/acme/sso?authorization_request=A"},
    ),
    "oauth-app": RepositoryAccess(
        f"{ALTHOUGH}`acme` organization has enabled OAuth App access restrictions, meaning that data access to "
        "third-parties is limited.",
        "the organisation acme restricts access by OAuth Apps",
        "https://github.com/organizations/acme/settings/oauth_application_policy",
    ),
    "lifetime": RepositoryAccess(
        f"The 'acme' organization {LIFETIME}",
        "the organisation acme forbids tokens with a lifetime as long as this one's",
        "https://github.com/settings/personal-access-tokens",
    ),
    "lifetime-enterprise": RepositoryAccess(
        f"The 'HHS ONC' enterprise {LIFETIME}",
        "the enterprise HHS ONC forbids tokens with a lifetime as long as this one's",
        "https://github.com/settings/personal-access-tokens",
    ),
    "fine-grained": RepositoryAccess(
        "`acme` forbids access via a fine-grained personal access token.",
        "the organisation acme forbids fine-grained tokens",
        "https://github.com/organizations/acme/settings/personal-access-tokens",
    ),
    "classic": RepositoryAccess(
        f"`Acme-Inc` {CLASSIC} token with fine-grained permissions.",
        "the organisation Acme-Inc forbids classic tokens",
        "https://github.com/settings/personal-access-tokens/new",
    ),
    "classic-bare": RepositoryAccess(
        f"acme {CLASSIC} token with fine-grained permissions.",
        "the organisation acme forbids classic tokens",
        "https://github.com/settings/personal-access-tokens/new",
    ),
    "classic-repository": RepositoryAccess(
        "Personal access tokens (classic) are forbidden from accessing this repository.",
        "organisation forbids classic tokens",
        "https://github.com/settings/personal-access-tokens/new",
    ),
    "ip": RepositoryAccess(
        f"{ALTHOUGH}`acme` organization has an IP allow list enabled, and your IP address is not permitted to access "
        "this resource.",
        "the IP allow list of the organisation acme excludes the address of this webhook",
        "https://github.com/organizations/acme/settings/security",
    ),
    "ip-enterprise": RepositoryAccess(
        f"{ALTHOUGH}`acme` enterprise has an IP allow list enabled, and 192.0.2.1 is not permitted to access it.",
        "the IP allow list of the enterprise acme excludes",
        "outgoing address to that IP allow list.",
    ),
    "two-factor": RepositoryAccess(
        "The FasterIntel organization requires all members to have two-factor authentication enabled.",
        "the organisation FasterIntel requires two-factor authentication",
        "https://github.com/settings/security",
    ),
    "managed-user": RepositoryAccess(
        "Unauthorized: As an Enterprise Managed User, you cannot access this content",
        "its account is managed by an enterprise",
        "Use a token of an account that may access the repository.",
    ),
    "installation-suspended": RepositoryAccess(
        "This installation has been suspended", "the App's installation is suspended", "to unsuspend it."
    ),
    "user-suspended": RepositoryAccess(
        "Sorry. Your account was suspended.", "its account is suspended", "or use another account's token."
    ),
    "user-suspended-on-server": RepositoryAccess(
        "Your account is suspended. Please check with your installation administrator.",
        "its account is suspended",
        "or use another account's token.",
    ),
    "trade-controls": RepositoryAccess(
        "Due to U.S. trade controls law restrictions, your GitHub account has been restricted.",
        "because of U.S. trade controls",
        "or appeal as GitHub describes.",
    ),
    "migration": RepositoryAccess(
        "Repository has been locked for migration.", "locked the repository for a migration", "or use its new address."
    ),
    "disabled-by-staff": RepositoryAccess(
        "Access to this repository has been disabled by GitHub staff.", "has disabled the repository", "repository."
    ),
    "disabled": RepositoryAccess(
        "Repository `acme/apps' is disabled. Please ask the owner to check their account.",
        "has disabled the repository",
        "repository.",
    ),
    "dmca": RepositoryAccess(
        "Repository access blocked",
        "has blocked access to the repository because of a DMCA takedown notice",
        "resolve this with GitHub, or use another repository.",
        status=451,
        details={"block": {"reason": "dmca", "html_url": "https://github.com/github/dmca"}},
    ),
    "terms": RepositoryAccess(
        "Repository access blocked",
        "has blocked access to the repository because of its terms of service",
        "resolve this with GitHub, or use another repository.",
        details={"block": {"reason": "tos"}},
    ),
    "unavailable": RepositoryAccess(
        "Repository access blocked",
        "has blocked access to the repository",
        "resolve this with GitHub, or use another repository.",
        details={"block": {"reason": ["?"]}},
    ),
    "legal-reasons": RepositoryAccess(
        "Unavailable for legal reasons",
        "unavailable for legal reasons",
        "resolve this with GitHub, or use another repository.",
        status=451,
    ),
}


@pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
def test_a_policy_blocks_in_its_own_words(seen: RepositoryAccess) -> None:
    """The token is valid, a person has to act, and the sentence says where; a retry changes nothing."""
    refused = refusals.refusal(seen.reply, "classic token", WEB)
    assert refused is not None
    finding, remedy = refused
    assert finding.outcome is Outcome.BLOCKED
    assert seen.said in finding.reason
    assert remedy.endswith(seen.remedy)
    assert "retry" not in f"{finding.reason} {remedy}".lower()
    assert not set("&<>") & set(f"{finding.reason} {remedy}")


def test_every_row_of_the_table_has_a_text_that_was_seen() -> None:
    """A new row comes with a test."""
    seen = [*(one.reply for one in SEEN.values()), *(Reply(403, {}, {"message": text}) for text in LOCKOUTS)]
    matched = {next(i for i, policy in enumerate(refusals.POLICIES) if policy.matches(reply)) for reply in seen}
    assert matched == set(range(len(refusals.POLICIES)))


LOCKOUTS = [
    "Max number of login attempt exceeded",
    "Maximum number of login attempts exceeded. Please try again later.",
]


@pytest.mark.parametrize("message", LOCKOUTS)
def test_a_lockout_passes(message: str) -> None:
    """It is the only one that says nothing of the token, and where waiting helps."""
    with pytest.raises(ProviderUnavailable, match="for a while") as raised:
        refusals.refusal(Reply(403, {}, {"message": message}), "classic token", WEB)
    assert raised.value.transient


@pytest.mark.parametrize(
    "message",
    [
        "Resource not accessible by personal access token",
        "Must have admin rights to Repository.",
        "Repository was archived so is read-only.",
        "Deploy keys are disabled for this repository",
        "Not Found",
        "",
    ],
)
@pytest.mark.parametrize("status", [403, 404, 422])
def test_what_is_about_permissions_is_no_policy(message: str, status: int) -> None:
    """Those refusals prove something about the token or the repository elsewhere."""
    assert refusals.refusal(Reply(status, {}, {"message": message}), "classic token", WEB) is None


@pytest.mark.parametrize("status", [200, 404, 422])
def test_a_policys_words_count_with_its_status_alone(status: int) -> None:
    """A repository may be described as suspended."""
    body = {"message": "suspended: IP allow list, SAML, access blocked"}
    assert refusals.refusal(Reply(status, {}, body), "classic token", WEB) is None


@pytest.mark.parametrize("message", ["Requires authentication", "Must authenticate to access this API."])
def test_a_request_that_arrived_without_credentials_says_nothing_of_them(message: str) -> None:
    """A proxy that removes the header makes no token invalid."""
    reply = Reply(401, {"x-github-request-id": "1"}, {"message": message})
    with pytest.raises(ProviderUnavailable, match="received no credentials") as raised:
        refusals.refusal(reply, "classic token", WEB)
    assert not raised.value.transient
