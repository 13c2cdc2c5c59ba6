"""The meaning of GitLab's replies: rejections, rate limits, scopes and dates."""

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
"""Scopes that are read. GitLab has about thirty; reading thousands would delay other reviews."""

# Parts of lib/api/api_guard.rb's texts for a 401, in lower case.
_INVALID = {
    "revoked": "says that this {described} was revoked",
    "expired": "says that this {described} has expired",
    "bad access token": "rejects this {described}: it is wrong, revoked or expired",
}


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why GitLab rejects a token at every endpoint.

    Attributes:
        remedy: a whole sentence; empty where a new token is the remedy.
        unknown: GitLab doesn't know the token, as it doesn't know kinds of token that its API takes none of.
    """

    finding: Finding
    remedy: str = ""
    unknown: bool = False


def mapping(reply: Reply) -> Mapping[object, object]:
    """Return the JSON object of a reply; an empty one if there is none."""
    return reply.body if isinstance(reply.body, Mapping) else {}


def number(value: object) -> int | None:
    """Return an id or a level; None for other values."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def error_of(reply: Reply) -> str:
    """Return GitLab's error code, such as ``insufficient_scope``; empty for none."""
    code = mapping(reply).get("error")
    return code.lower() if isinstance(code, str) else ""


def text_of(reply: Reply) -> str:
    """Return GitLab's own text in lower case, for matching; it is never shown."""
    body = mapping(reply)
    texts = (body.get("error_description"), body.get("message"), body.get("error"))
    return next((text.lower() for text in texts if isinstance(text, str)), "")


def lacks_scope(reply: Reply) -> bool:
    """Return whether GitLab accepts the token, whose scopes do not allow this request."""
    return reply.status == 403 and error_of(reply) == "insufficient_scope"


def lacks_granular(reply: Reply) -> bool:
    """Return whether the request needs a fine-grained token, or one with a further permission."""
    return reply.status == 403 and error_of(reply) == "insufficient_granular_scope"


def not_personal(reply: Reply) -> bool:
    """Return whether the token is not a personal access token, which includes group and project tokens."""
    return reply.status == 400 and "personal access token" in text_of(reply)


def unexplained(reply: Reply) -> bool:
    """Return whether this is a 401 without a reason: the token is unknown, or it has no access to the object."""
    return reply.status == 401 and error_of(reply) == "" and text_of(reply).startswith("401 unauthorized")


def refusal(reply: Reply, described: str) -> Rejected | None:
    """Return why a 401 or 403 rejects the token or its account; None for other replies.

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
        return Rejected(Finding(Outcome.BLOCKED, reason=reason), remedy)
    if reply.headers.get("content-type", "").startswith("text/plain"):
        # Rack::Attack, for addresses with too many failures (GitLab docs: security/rate_limits).
        clause = "answers 403 without a reason, as it does for a while after too many failed logins"
        raise ProviderUnavailable(clause, transient=True)
    raise ProviderUnavailable("answers 403 without a reason")


def _unauthorized(reply: Reply, described: str) -> Rejected:
    text = text_of(reply)
    known = refusals.find(text)
    if error_of(reply) == "dpop_error":
        known = refusals.find("dpop")
    if known is not None and error_of(reply) in ("dpop_error", "invalid_token"):
        return _blocked(known, described)
    if error_of(reply) == "invalid_token":
        for part, clause in _INVALID.items():
            if part in text:
                return Rejected(Finding(Outcome.INVALID, reason=clause.format(described=described)))
    if unexplained(reply):
        reason = _INVALID["bad access token"].format(described=described)
        return Rejected(Finding(Outcome.INVALID, reason=reason), unknown=True)
    raise ProviderUnavailable("answers 401, but not in GitLab's format; a proxy in between may require its own sign-in")


def _blocked(known: refusals.Refusal, described: str) -> Rejected:
    return Rejected(Finding(Outcome.BLOCKED, reason=f"accepts this {described}, but {known.reason}"), known.remedy)


def policy(reply: Reply) -> refusals.Refusal | None:
    """Return the policy that denies a valid token access to one project or group; None if the 403 names none."""
    return refusals.find(text_of(reply)) if reply.status == 403 else None


def scopes_of(value: object) -> tuple[str, ...] | None:
    """Return a sorted list of scopes; None if there is none. Names that cannot be scopes are left out."""
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, list) or len(names) > _MOST_SCOPES:
        return None
    return tuple(sorted({name for name in names if isinstance(name, str) and _SCOPE.match(name)}))


def end_of(value: object) -> datetime | None:
    """Return the expiry from ``expires_at``, a date: 00:00 UTC of that day (GitLab docs: personal access tokens)."""
    if not isinstance(value, str):
        return None
    try:
        if _INSTANT.match(value):
            return datetime.fromisoformat(value).astimezone(UTC)
        return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC) if _DATE.match(value) else None
    except (ValueError, OverflowError):
        return None


def rate_limit(reply: Reply, now: datetime) -> RateLimit | None:
    """Return how long to wait (GitLab docs: rate limits). Any of the headers may be missing (gitlab#365728).

    The limit is for this token only. GitLab limits an address for requests without a valid sign-in, such as
    those with invalid tokens (``throttle_unauthenticated_api``). They must not block valid tokens.
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
