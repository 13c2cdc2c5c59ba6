"""Policies that block a valid token, as GitHub names them.

`POLICIES` holds the known texts, each with the public report or the documentation that shows it. Texts vary between
versions and kinds of token, so that only their stable words are compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.findings import Finding, Outcome
from webhook.providers.github import replies
from webhook.providers.text import plain

_FORBIDDEN = frozenset({403})
_UNAVAILABLE = frozenset({403, 451})


@dataclass(frozen=True, slots=True)
class Policy:
    """One known policy.

    Attributes:
        words: what the message contains, in lower case. Without any, the status of GitHub's own response is enough.
        reason: the clause after the host's name; ``{token}`` is the kind of token, ``{owner}`` the organisation.
        remedy: a whole sentence without its full stop; empty where only a new token helps.
        page: where the remedy is carried out, below the host's web address; left out where ``{name}`` isn't known.
        source: who has seen the text.
        header: the beginning of ``X-GitHub-SSO`` that says the same as `words`.
        passes: waiting helps, so that nothing is known of the token.
    """

    words: tuple[str, ...]
    reason: str
    remedy: str
    source: str
    page: str = ""
    header: str = ""
    statuses: frozenset[int] = _FORBIDDEN
    passes: bool = False

    def matches(self, reply: Reply) -> bool:
        """Return whether a reply names this policy."""
        if reply.status not in self.statuses:
            return False
        if self.header and reply.headers.get("x-github-sso", "").startswith(self.header):
            return True
        message = replies.message_of(reply)
        if not self.words and not (message or "x-github-request-id" in reply.headers):
            return False  # the page of a filter or proxy, which says nothing about the token
        return all(word in message for word in self.words)


# The first that matches counts.
POLICIES = (
    Policy(
        words=("login attempt",),
        reason="rejects all logins for a while after too many failed ones",
        remedy="",
        source="PyGithub, recorded responses",
        passes=True,
    ),
    Policy(
        words=("saml",),
        header="required",
        reason="accepts this {token}, but {owner} requires tokens to be authorised for its single sign-on",
        remedy="Authorise this token there (Configure SSO)",
        page="settings/tokens",
        source="GitHub docs: authenticating with SAML single sign-on; mapbox/github-release-tools#28",
    ),
    Policy(
        words=("oauth app access restrictions",),
        reason="accepts this {token}, but {owner} restricts access by OAuth Apps and has not approved this one",
        remedy="Ask an owner of the organisation to approve the OAuth App, or use a personal access token",
        page="organizations/{name}/settings/oauth_application_policy",
        source="gitbutlerapp/gitbutler#8594, pd4d10/git-touch#31, aeonfun/aeon#1083",
    ),
    Policy(
        words=("forbids access via", "lifetime"),
        reason="accepts this {token}, but {owner} forbids tokens with a lifetime as long as this one's",
        remedy="Create a token that expires sooner, or shorten the lifetime of this one",
        page="settings/personal-access-tokens",
        source="NixOS/org#247, composer/composer#12711; an enterprise: HHS/simpler-grants-gov#2547",
    ),
    Policy(
        words=("forbids access via a fine-grained",),
        reason="accepts this {token}, but {owner} forbids fine-grained tokens",
        remedy="Use a GitHub App, or ask an owner of the organisation to allow fine-grained tokens",
        page="organizations/{name}/settings/personal-access-tokens",
        source="GitHub docs: setting a personal access token policy for your organization",
    ),
    Policy(
        words=("forbids access via a personal access token",),
        reason="accepts this {token}, but {owner} forbids classic tokens",
        remedy="Use a GitHub App or a fine-grained token",
        page="settings/personal-access-tokens/new",
        source="refined-github/refined-github#6951, git-town/git-town#4609",
    ),
    Policy(
        words=("personal access tokens (classic) are forbidden",),
        reason="accepts this {token}, but the repository's organisation forbids classic tokens",
        remedy="Use a GitHub App or a fine-grained token",
        page="settings/personal-access-tokens/new",
        source="os-climate/os_c_data_commons#366",
    ),
    Policy(
        words=("ip allow list",),
        reason="accepts this {token}, but the IP allow list of {owner} excludes the address of this webhook",
        remedy="Add the cluster's outgoing address to that IP allow list",
        page="organizations/{name}/settings/security",
        source="aquasecurity/trivy#10567, microsoft/PullRequestQuantifier#118",
    ),
    Policy(
        words=("two-factor authentication",),
        reason="accepts this {token}, but {owner} requires two-factor authentication, which its account does not use",
        remedy="Enable two-factor authentication for the account of this token",
        page="settings/security",
        source="yegor256/rultor#1214",
    ),
    Policy(
        words=("enterprise managed user",),
        reason="accepts this {token}, but its account is managed by an enterprise and cannot access anything else",
        remedy="Use a token of an account that may access the repository",
        source="GitHub docs: abilities and restrictions of managed user accounts; seen with gh",
    ),
    Policy(
        words=("installation has been suspended",),
        reason="accepts this {token}, but the App's installation is suspended",
        remedy="Ask an owner of the account where the App is installed to unsuspend it",
        source="hcengineering/platform#7639, ossf/allstar#314",
    ),
    Policy(
        words=("suspended",),
        reason="accepts this {token}, but its account is suspended",
        remedy="Have the suspension lifted, or use another account's token",
        source="zeitlos/lucity#86, octokit/octokit.rb#761",
    ),
    Policy(
        words=("trade controls",),
        reason="accepts this {token}, but restricts its account because of U.S. trade controls",
        remedy="Use another account's token, or appeal as GitHub describes",
        source="GitHub docs: GitHub and trade controls",
        statuses=_UNAVAILABLE,
    ),
    Policy(
        words=("locked for migration",),
        reason="accepts this {token}, but has locked the repository for a migration",
        remedy="Unlock the repository, or use its new address",
        source="GitHub docs: locked repositories; github/docs#6862",
    ),
    Policy(
        words=("repository has been disabled",),
        reason="accepts this {token}, but has disabled the repository",
        remedy="Ask the repository's owner to resolve this with GitHub, or use another repository",
        source="seart-group/ghs#263",
    ),
    Policy(
        words=("repository", " is disabled"),
        reason="accepts this {token}, but has disabled the repository",
        remedy="Ask the repository's owner to check their account, or use another repository",
        source="github/docs#6862",
    ),
    Policy(
        words=("access blocked",),
        reason="accepts this {token}, but has blocked access to the repository{cause}",
        remedy="Ask the repository's owner to resolve this with GitHub, or use another repository",
        source="github/rest-api-description#3314 (451), caarlos0/fork-cleaner#99 and PyGithub/PyGithub#1015 (403)",
        statuses=_UNAVAILABLE,
    ),
    Policy(
        words=(),
        reason="accepts this {token}, but the repository is unavailable for legal reasons",
        remedy="Ask the repository's owner to resolve this with GitHub, or use another repository",
        source="RFC 7725; josegonzalez/python-github-backup#163",
        statuses=frozenset({451}),
    ),
)

# GitHub's names of the reasons for which it blocks a repository, and ours (GitHub docs: DMCA takedown policy, terms of
# service).
_BLOCKS = {"dmca": " because of a DMCA takedown notice", "tos": " because of its terms of service"}
_LONGEST_MESSAGE = 1000  # characters that are searched for a name
_SSO_ORGANISATION = re.compile(r"/orgs/([A-Za-z0-9-]{1,100})/sso")
# `acme` organization, 'HHS ONC' enterprise, The FasterIntel organization, `acme` forbids, acme forbids.
_OWNER = re.compile(
    r"['`\"](?P<quoted>[^'`\"]{1,100})['`\"]? (?P<what>organi[sz]ation|enterprise)"
    r"|\bthe (?P<bare>[A-Za-z0-9-]{1,100}) (?P<kind>organi[sz]ation|enterprise)"
    r"|^['`\"]?(?P<first>[A-Za-z0-9-]{1,100})['`\"]? forbids",
    re.IGNORECASE,
)


def refusal(reply: Reply, described: str, web_url: str, *, secret: str = "") -> tuple[Finding, str] | None:
    """Return the finding and the remedy for a rejection that is not about a permission; None for other replies.

    Args:
        described: the kind of token, for messages.
        secret: the credential; an organisation's name that contains a part of it is not shown.

    Raises:
        ProviderUnavailable: the reply says nothing about this token.
    """
    if reply.status == 401:
        return _unauthorized(reply, described)
    policy = next((one for one in POLICIES if one.matches(reply)), None)
    if policy is None:
        return None
    if policy.passes:
        raise ProviderUnavailable(policy.reason, transient=True)
    owner, name = _owner(reply, secret)
    reason = policy.reason.format(token=described, owner=owner, cause=_block(reply))
    page = policy.page.format(name=name)
    link = f": {web_url}/{page}" if page and (name or "{name}" not in policy.page) else "."
    return Finding(Outcome.BLOCKED, reason=reason), f"{policy.remedy}{link}"


def _unauthorized(reply: Reply, described: str) -> tuple[Finding, str]:
    message = replies.message_of(reply)
    if "otp" in message or "x-github-otp" in reply.headers:
        reason = "asks for a second factor, as it does for passwords: this is not one of its tokens"
        return Finding(Outcome.INVALID, reason=reason), ""
    replies.refuse_foreign(reply)
    return Finding(Outcome.INVALID, reason=f"rejects this {described}: it is wrong, revoked or expired"), ""


def _owner(reply: Reply, secret: str) -> tuple[str, str]:
    """Return the owner of the policy for messages, and its name for a URL; empty if it is not shown."""
    # The header's URL holds an authorization request for one person; only the organisation in it is shown.
    if (found := _SSO_ORGANISATION.search(reply.headers.get("x-github-sso", ""))) is not None:
        what, name = "organisation", plain(found[1], secret=secret)
    else:
        body = reply.body
        message = body.get("message") if isinstance(body, Mapping) else None
        match = _OWNER.search(message[:_LONGEST_MESSAGE]) if isinstance(message, str) else None
        what = ((match["what"] or match["kind"]) if match else None) or "organisation"
        what = "enterprise" if what.lower() == "enterprise" else "organisation"
        name = plain(match["quoted"] or match["bare"] or match["first"], secret=secret) if match else ""
    if not name:
        return f"the {what}", ""
    # An enterprise's name is no part of an organisation's address.
    return f"the {what} {name}", name if what == "organisation" and re.fullmatch("[A-Za-z0-9-]+", name) else ""


def _block(reply: Reply) -> str:
    block = reply.body.get("block") if isinstance(reply.body, Mapping) else None
    reason = block.get("reason") if isinstance(block, Mapping) else None
    return _BLOCKS.get(reason, "") if isinstance(reason, str) else ""
