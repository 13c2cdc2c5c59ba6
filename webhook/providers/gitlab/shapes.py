"""Tokens whose prefix says what they are, and that the API tells nothing about (GitLab docs: security/tokens)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webhook.findings import Facts, Finding, Outcome

PERSONAL = "glpat-"
"""Of personal, group, project, service account and fine-grained tokens alike. An administrator of a self-managed
GitLab can choose another one, so that its absence means nothing."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of token that `personal_access_tokens/self` doesn't know.

    Attributes:
        finding: what it is good for here, which is known without asking.
    """

    facts: Facts
    finding: Finding


def _useless(token_type: str, described: str, only: str) -> Shape:
    reason = f"lets Git do nothing with this {described}: it is only {only}"
    return Shape(Facts(token_type, described), Finding(Outcome.INVALID, reason=reason))


def _untold(token_type: str, described: str) -> Shape:
    reason = f"tells nobody what this {described} may do"
    return Shape(Facts(token_type, described), Finding(Outcome.UNSUPPORTED, reason=reason))


_DEPLOY = _untold("deploy", "deploy token")
_NAME_OF_DEPLOY_TOKENS = re.compile(r"gitlab\+deploy-token-[0-9]{1,12}\Z")
_RUNNER = _useless("runner", "runner's token", "for runners, which fetch jobs with it")
_SHAPES = {
    "gldt-": _DEPLOY,
    # What Git can do with one is documented nowhere.
    "glwt-": _untold("workspace", "workspace token"),
    "glcbt-": Shape(
        Facts("ci-job", "CI job token", short_lived=True),
        Finding(Outcome.INVALID, reason="lets nobody in by this CI job token any more as soon as its job is over"),
    ),
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


def of_username(token: str, username: str | None) -> Shape | None:
    """What the name beside a token says, where the API knows no such token: before 16.7 deploy tokens had no prefix,
    and those without a name of their own have this one (GitLab docs: deploy tokens)."""
    is_deploy = username is not None and _NAME_OF_DEPLOY_TOKENS.match(username) is not None
    return _DEPLOY if is_deploy and not token.startswith(PERSONAL) else None


def known(token: str) -> Shape | None:
    """What a token's prefix says of it; None for those that GitLab can be asked about."""
    return next((shape for prefix, shape in _SHAPES.items() if token.startswith(prefix)), None)
