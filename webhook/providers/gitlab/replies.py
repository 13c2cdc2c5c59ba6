"""Reading GitLab's replies: refusals told apart, rate limits, scopes, dates. Pure: a reply in, its meaning out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from webhook.providers.base import ProviderUnavailable, RateLimit, Reply
from webhook.providers.findings import Finding, Outcome
from webhook.providers.gitlab import refusals

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{5,8}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z")
_SCOPE = re.compile(r"[A-Za-z][A-Za-z0-9_.:*-]{0,59}\Z")
_NUMBER = re.compile(r"[0-9]{1,12}\Z")
_MOST_SCOPES = 200
"""GitLab has about thirty. Everybody's reviews would wait for thousands to be read."""

# Parts of lib/api/api_guard.rb's texts for a 401, in lower case.
_INVALID = {
    "revoked": "says that this {described} was revoked",
    "expired": "says that this {described} has expired",
    "bad access token": "rejects this {described}: it is wrong, revoked or expired",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """Why GitLab refuses a token, whatever is asked for.

    Attributes:
        remedy: a whole sentence; empty where a new token is the remedy.
        unknown: GitLab doesn't know the token, as it doesn't know kinds of token that its API takes none of.
    """

    finding: Finding
    remedy: str = ""
    unknown: bool = False


def mapping(reply: Reply) -> Mapping[object, object]:
    """The JSON object that a reply holds; an empty one where it holds none."""
    return reply.body if isinstance(reply.body, Mapping) else {}


def number(value: object) -> int | None:
    """An id or a level; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def error_of(reply: Reply) -> str:
    """The code that GitLab gives a refusal, such as ``insufficient_scope``."""
    code = mapping(reply).get("error")
    return code.lower() if isinstance(code, str) else ""


def text_of(reply: Reply) -> str:
    """GitLab's own text in lower case, to be looked into and never shown."""
    body = mapping(reply)
    texts = (body.get("error_description"), body.get("message"), body.get("error"))
    return next((text.lower() for text in texts if isinstance(text, str)), "")


def lacks_scope(reply: Reply) -> bool:
    """It accepts the token, whose scopes don't let it ask this."""
    return reply.status == 403 and error_of(reply) == "insufficient_scope"


def lacks_granular(reply: Reply) -> bool:
    """It wants a fine-grained token with a permission that this one hasn't, or a fine-grained one at all."""
    return reply.status == 403 and error_of(reply) == "insufficient_granular_scope"


def not_personal(reply: Reply) -> bool:
    """The token is no personal access token, in the wide sense that holds group and project tokens too."""
    return reply.status == 400 and "personal access token" in text_of(reply)


def unexplained(reply: Reply) -> bool:
    """A 401 without a reason: nobody knows this token, or it may not see what was asked for."""
    return reply.status == 401 and error_of(reply) == "" and text_of(reply).startswith("401 unauthorized")


def refusal(reply: Reply, described: str) -> Refused | None:
    """Return what a 401 or 403 that is about the token or its account means; None for everything else.

    Raises:
        ProviderUnavailable: it says nothing about this token.
    """
    if reply.status == 401:
        return _unauthorized(reply, described)
    if reply.status != 403 or lacks_scope(reply) or lacks_granular(reply):
        return None
    text = text_of(reply)
    if (known := refusals.find(text)) is not None:
        return _blocked(known, described)
    if text.startswith("403 forbidden - "):
        reason = (
            f"accepts this {described}, but denies its account access, for a reason that this version does not know"
        )
        remedy = "Have an administrator of GitLab look up why, or use a token of another account."
        return Refused(Finding(Outcome.BLOCKED, reason=reason), remedy)
    if reply.headers.get("content-type", "").startswith("text/plain"):
        # Rack::Attack, to addresses that failed too often (GitLab docs: security/rate_limits).
        clause = "answers 403 without a reason, as it does for a while after too many failed logins"
        raise ProviderUnavailable(clause, transient=True)
    raise ProviderUnavailable("answers 403 without a reason")


def _unauthorized(reply: Reply, described: str) -> Refused:
    text = text_of(reply)
    known = refusals.find(text)
    if error_of(reply) == "dpop_error":
        known = refusals.find("dpop")
    if known is not None and error_of(reply) in ("dpop_error", "invalid_token"):
        return _blocked(known, described)
    if error_of(reply) == "invalid_token":
        for part, clause in _INVALID.items():
            if part in text:
                return Refused(Finding(Outcome.INVALID, reason=clause.format(described=described)))
    if unexplained(reply):
        reason = _INVALID["bad access token"].format(described=described)
        return Refused(Finding(Outcome.INVALID, reason=reason), unknown=True)
    raise ProviderUnavailable("answers 401, but not in GitLab's format; a proxy in between may require its own sign-in")


def _blocked(known: refusals.Refusal, described: str) -> Refused:
    return Refused(Finding(Outcome.BLOCKED, reason=f"accepts this {described}, but {known.reason}"), known.remedy)


def policy(reply: Reply) -> refusals.Refusal | None:
    """Return why a 403 refuses one project or group to a valid token, where GitLab names a policy."""
    return refusals.find(text_of(reply)) if reply.status == 403 else None


def scopes_of(value: object) -> tuple[str, ...] | None:
    """A list of scopes, sorted; None where there is none. A name that looks like no scope is left out."""
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, list) or len(names) > _MOST_SCOPES:
        return None
    return tuple(sorted({name for name in names if isinstance(name, str) and _SCOPE.match(name)}))


def end_of(value: object) -> datetime | None:
    """``expires_at``, a date: the token ends as that day begins, 00:00 UTC (GitLab docs: personal access tokens)."""
    if not isinstance(value, str):
        return None
    try:
        if _INSTANT.match(value):
            return datetime.fromisoformat(value).astimezone(UTC)
        return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC) if _DATE.match(value) else None
    except (ValueError, OverflowError):
        return None


def rate_limit(reply: Reply, now: datetime) -> RateLimit | None:
    """Whether GitLab asks us to wait (GitLab docs: rate limits). Any of the headers may be missing (gitlab#365728).

    It is about this token alone: what GitLab limits for our address are requests that it knows no sign-in of, which
    are those with wrong tokens (``throttle_unauthenticated_api``). They must not stop anybody else's good ones.
    """
    if reply.status != 429:
        return None
    headers = reply.headers
    seconds = 60.0
    if _NUMBER.match(after := headers.get("retry-after", "").strip()):
        seconds = float(after)
    elif _NUMBER.match(reset := headers.get("ratelimit-reset", "").strip()):
        seconds = float(reset) - now.timestamp()
    return RateLimit(max(1.0, seconds), whole_host=False)
