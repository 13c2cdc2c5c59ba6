"""Tokens that the API does not describe, identified by their prefix (GitLab docs: security/tokens)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webhook.providers.findings import Facts, Finding, Outcome

PERSONAL = "glpat-"
"""The prefix of personal, group, project, service account and fine-grained tokens. An administrator of a self-managed
GitLab can choose another one, so its absence means nothing."""
_OAUTH = re.compile(r"[0-9a-f]{64}\Z")
"""OAuth tokens have no prefix. No other kind of token has this form."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of token that `personal_access_tokens/self` does not describe.

    Attributes:
        finding: what it is good for here, which is known without asking.
    """

    facts: Facts
    finding: Finding


def _useless(token_type: str, described: str, only: str) -> Shape:
    reason = f"does not accept this {described} for Git: it is only {only}"
    return Shape(Facts(token_type, described), Finding(Outcome.INVALID, reason=reason))


def _untold(token_type: str, described: str) -> Shape:
    reason = f"does not say what this {described} can do"
    return Shape(Facts(token_type, described), Finding(Outcome.UNSUPPORTED, reason=reason))


_DEPLOY = _untold("deploy", "deploy token")
_CI_JOB = Shape(
    Facts("ci-job", "CI job token", short_lived=True),
    Finding(Outcome.INVALID, reason="stops accepting this CI job token as soon as its job ends"),
)
_UNKNOWN = Shape(
    Facts("unknown", "token"),
    Finding(
        Outcome.UNVERIFIED,
        reason=(
            "does not know this token in its API: it is either an invalid access token or a deploy token, which only "
            "Git accepts and which cannot be checked"
        ),
        remedy="Use an access token, or a deploy token made since GitLab 16.7, whose prefix identifies it.",
    ),
)
_NAME_OF_DEPLOY_TOKENS = re.compile(r"gitlab\+deploy-token-[0-9]{1,12}\Z")
_RUNNER = _useless("runner", "runner's token", "for runners, which fetch jobs with it")
_SHAPES = {
    "gldt-": _DEPLOY,
    # What Git can do with one is documented nowhere.
    "glwt-": _untold("workspace", "workspace token"),
    "glcbt-": _CI_JOB,
    "gloas-": _useless("oauth-application", "secret of an OAuth application", "for the application itself"),
    "glrt-": _RUNNER,
    "glrtr-": _RUNNER,
    "glptt-": _useless("trigger", "pipeline trigger token", "for starting pipelines"),
    "glft-": _useless("feed", "feed token", "for reading feeds"),
    "glimt-": _useless("mail", "incoming mail token", "for addresses that issues are mailed to"),
    "glagent-": _useless("agent", "token of an agent for Kubernetes", "for the agent itself"),
    "glsoat-": _useless("scim", "SCIM token", "for an identity provider"),
    "glffct-": _useless("feature-flags", "feature flags client token", "for reading feature flags"),
}
PREFIXES = (PERSONAL, *_SHAPES)


# An administrator can put a prefix of the instance before GitLab's own, so that deploy tokens begin with "acme-gldt-"
# (GitLab docs: administration/settings/account_and_limit_settings, instance token prefix: at most 20 characters).
_PREFIX = re.compile(rf"(?:[\w+=/@:.-]{{1,20}}?-)??({'|'.join(PREFIXES)})", re.ASCII)


def known(token: str) -> Shape | None:
    """Return the kind that a token's prefix names; None for tokens that GitLab describes."""
    return _SHAPES.get(_prefix(token))


def is_personal(token: str) -> bool:
    """Return whether a token's prefix is that of access tokens."""
    return _prefix(token) == PERSONAL


def unknown(token: str, username: str | None) -> Shape | None:
    """Return what a token may be that GitLab's API does not know; None if it can only be an access token.

    Deploy tokens had no prefix before 16.7, nor have older CI job tokens. The name beside a deploy token is one that
    GitLab makes up, or any other (GitLab docs: user/project/deploy_tokens). Git itself is not asked: it counts failed
    sign-ins, and bans the whole address, which is Argo CD's as well (GitLab docs: security/rate_limits).
    """
    if is_personal(token) or _OAUTH.match(token):
        return None
    if username is not None and _NAME_OF_DEPLOY_TOKENS.match(username):
        return _DEPLOY
    return _CI_JOB if username == "gitlab-ci-token" else _UNKNOWN


def _prefix(token: str) -> str:
    match = _PREFIX.match(token)
    return match[1] if match is not None else ""


def without_scopes(token: str, username: str | None) -> str:
    """Return what a token is, with its article, if GitLab does not show its scopes; empty for others."""
    shape = known(token)
    if shape is None and username is not None and _NAME_OF_DEPLOY_TOKENS.match(username) and not is_personal(token):
        shape = _DEPLOY
    return f"a {shape.facts.described}" if shape is not None and shape.finding.outcome is Outcome.UNSUPPORTED else ""
