"""What stops a valid token: the account's state, and policies of the GitLab, of a group and of Git over HTTP.

One row a reason, found by a part of GitLab's own text. The same texts come from the API (`{"message": "403 Forbidden -
…"}`) and from Git (plain text). GitLab hides a group behind 404 where its policy hides it; such a reply is no refusal.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason.

    Attributes:
        texts: parts of GitLab's text, in lower case, any of which tells the reason.
        reason: a clause that follows "accepts this token, but".
        remedy: a whole sentence that says who has to do what.
        source: where the text is from.
    """

    texts: tuple[str, ...]
    reason: str
    remedy: str
    source: str


_OTHER_ACCOUNT = "or use a token of another account"
_ACCOUNT = "lib/gitlab/auth/user_access_denied_reason.rb"

ROWS = (
    Refusal(
        ("pending approval",),
        "its account is pending approval by an administrator",
        f"Have an administrator approve the account, {_OTHER_ACCOUNT}.",
        _ACCOUNT,
    ),
    Refusal(
        ("deactivated",),
        "its account is deactivated",
        f"Sign in to GitLab with the account to reactivate it, {_OTHER_ACCOUNT}.",
        _ACCOUNT,
    ),
    Refusal(
        ("terms of service",),
        "its account has not accepted the terms of service",
        f"Sign in to GitLab with the account and accept them, {_OTHER_ACCOUNT}.",
        _ACCOUNT,
    ),
    Refusal(
        ("password expired", "password has expired"),
        "the password of its account has expired",
        f"Sign in to GitLab with the account and set a new password, {_OTHER_ACCOUNT}.",
        _ACCOUNT,
    ),
    Refusal(
        ("email address is not confirmed",),
        "the e-mail address of its account is not confirmed",
        f"Confirm the e-mail address of the account, {_OTHER_ACCOUNT}.",
        _ACCOUNT,
    ),
    Refusal(
        ("internal users",),
        "its account is an internal one of GitLab, which may not use the API",
        "Use a token of another account.",
        _ACCOUNT,
    ),
    Refusal(
        ("has been banned", "account is banned"),
        "its account is banned",
        f"Have an administrator unban the account, {_OTHER_ACCOUNT}.",
        _ACCOUNT,
    ),
    Refusal(
        ("account has been blocked", "account is blocked"),
        "its account is blocked",
        f"Have an administrator unblock the account, {_OTHER_ACCOUNT}.",
        _ACCOUNT,
    ),
    Refusal(
        ("impersonation was disabled",),
        "impersonation tokens are disabled on this GitLab, and this is one",
        "Use a token that the account made itself, or a service account's.",
        "lib/api/api_guard.rb",
    ),
    Refusal(
        ("dpop",),
        "its account requires a proof of possession (DPoP) with every request, which Git cannot send",
        f"Turn off DPoP in the account's preferences, {_OTHER_ACCOUNT}.",
        "GitLab docs: user/profile/personal_access_tokens, DPoP",
    ),
    Refusal(
        ("two-factor", "2fa", "otp verification"),
        "its account must set up two-factor authentication first",
        f"Set up two-factor authentication for the account, {_OTHER_ACCOUNT}.",
        "GitLab docs: security/two_factor_authentication, enforce for a group",
    ),
    Refusal(
        ("sso session", "saml"),
        "its group requires a session of SAML single sign-on",
        "Sign in through the group's single sign-on with the account, or use a group access token or a service "
        "account's, which need no session.",
        "ee/lib/ee/gitlab/git_access.rb; smarkets/marge-bot#350",
    ),
    Refusal(
        ("ip address", "ip restriction", "your ip"),
        "access is restricted by IP address",
        "Have the addresses of this webhook and of Argo CD allowed, by an owner of the group or in the firewall.",
        "GitLab docs: user/group/access_and_permissions, restrict group access by IP address",
    ),
    Refusal(
        ("external authorization denied", "external authorisation denied"),
        "external authorization denies its account access",
        "Have an administrator permit the account in the external authorization service.",
        "lib/gitlab/external_authorization; GitLab docs: administration/settings/external_authorization",
    ),
    Refusal(
        ("git access over http is not allowed", "pulling over http is not allowed", "pushing over http is not allowed"),
        "Git access over HTTP is disabled on this GitLab",
        "Have an administrator enable Git access over HTTP, or use an SSH key.",
        "lib/gitlab/git_access.rb; GitLab docs: administration/settings/visibility_and_access_controls",
    ),
)


def find(text: str) -> Refusal | None:
    """Return the reason that GitLab's text tells, in lower case; None where it tells none of these."""
    return next((row for row in ROWS if any(part in text for part in row.texts)), None)
