"""The meaning of GitHub's replies: rate limits, scopes and dates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from webhook.providers.base import ProviderUnavailable, RateLimit, Reply

# Logins: letters, digits, single hyphens; underscores for managed users, [bot] for Apps (GitHub docs: usernames).
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})(?:\[bot\])?\Z")
# Those that GitHub documents have lower-case letters, underscores and one colon at most. It may add others, which are
# shown as they are.
_SCOPE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}(?:[:/][A-Za-z0-9_.-]{1,40}){0,3}\Z")


def login_of(body: object, key: str = "login") -> str | None:
    """Return an account's login; None if there is no valid one."""
    value = body.get(key) if isinstance(body, Mapping) else None
    return value if isinstance(value, str) and _LOGIN.match(value) else None


def scopes_of(reply: Reply) -> tuple[str, ...] | None:
    """Return the sorted scopes of ``X-OAuth-Scopes``; None without that header (recorded responses).

    The order and the spacing vary. What is no name at all is left out: it is no scope that could be asked for.
    """
    header = reply.headers.get("x-oauth-scopes")
    if header is None:
        return None
    return tuple(sorted({scope for part in header.split(",") if _SCOPE.match(scope := part.strip())}))


EXPIRY = "github-authentication-token-expiration"


def expiry_of(reply: Reply) -> datetime | None:
    """Return the expiry from ``github-authentication-token-expiration``; None if it cannot be read.

    GitHub uses two layouts, whatever the kind of token (go-github #2649; recorded responses). ISO 8601 and
    the format of e-mail are read as well, because an unreadable date would cause no warning.
    """
    text = reply.headers.get(EXPIRY, "").strip()[:64]
    for read in (_with_zone_name, datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None


def _with_zone_name(text: str) -> datetime:
    """Parse ``2026-02-06 07:42:23 UTC`` or ``… +0100``."""
    return datetime.strptime(text, f"%Y-%m-%d %H:%M:%S {'UTC' if text.endswith('UTC') else '%z'}")


def message_of(reply: Reply) -> str:
    """Return GitHub's own text in lower case, for matching; it is never shown."""
    body = reply.body
    message = body.get("message") if isinstance(body, Mapping) else None
    return message.lower() if isinstance(message, str) else ""


def is_own(reply: Reply) -> bool:
    """Return whether an error has GitHub's format, and is not from a gateway or a sign-in page.

    Every error of its API has a text and a link to its documentation, and every reply a request's id (recorded
    responses).
    """
    if not message_of(reply) or not isinstance(reply.body, Mapping):
        return False
    return isinstance(reply.body.get("documentation_url"), str) or "x-github-request-id" in reply.headers


def accepted_permissions(reply: Reply) -> frozenset[str]:
    """Return the permissions that ``X-Accepted-GitHub-Permissions`` names; none without the header.

    Alternatives are separated by ``;``, members of one by ``,`` (GitHub docs: permissions required for fine-grained
    tokens).
    """
    header = reply.headers.get("x-accepted-github-permissions", "")
    return frozenset(part.partition("=")[0].strip() for part in re.split("[;,]", header) if "=" in part)


def rate_limit(reply: Reply, now: datetime) -> RateLimit | None:
    """Return how long to wait (GitHub docs: rate limits for the REST API; go-github); None for other replies.

    The primary limit counts for the token's account. The secondary one may be about our address.
    """
    if reply.status not in (403, 429):
        return None
    headers = reply.headers
    url = reply.body.get("documentation_url") if isinstance(reply.body, Mapping) else None
    documented = isinstance(url, str) and url.endswith(("secondary-rate-limits", "#abuse-rate-limits"))
    # What is documented as secondary is that, even when the account has just used up the primary one as well.
    if headers.get("x-ratelimit-remaining") == "0" and not documented:
        reset = _number(headers.get("x-ratelimit-reset"))
        return RateLimit(max(1.0, reset - now.timestamp()) if reset is not None else 60.0, whole_host=False)
    if not documented and reply.status != 429 and "rate limit" not in message_of(reply):
        return None
    return RateLimit(max(1.0, _number(headers.get("retry-after")) or 60.0), whole_host=True)


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"[0-9]{1,12}", text.strip()) else None


def refuse_foreign(reply: Reply) -> None:
    """Check that a 401 is GitHub's, and about a request with credentials.

    Raises:
        ProviderUnavailable: it says nothing of the credential.
    """
    message = message_of(reply)
    if not is_own(reply) and "bad credentials" not in message:
        clause = "answers 401, but not in GitHub's format; a proxy in between may require its own sign-in"
        raise ProviderUnavailable(clause)
    # What anonymous requests get (recorded responses; Enterprise Server in private mode).
    if message.startswith(("requires authentication", "must authenticate")):
        clause = "says that it received no credentials; a proxy in between may remove the Authorization header"
        raise ProviderUnavailable(clause)
