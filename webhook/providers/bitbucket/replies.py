"""Read single replies of Bitbucket: scopes, account, kinds of rejection, rate limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from webhook.providers.base import RateLimit, Reply
from webhook.providers.bitbucket.refusals import is_error_document, text_of
from webhook.providers.requirements import Level
from webhook.providers.text import plain

_SCOPE = re.compile(r"[a-z][a-z0-9._-]{0,59}(?::[a-z0-9][a-z0-9._-]{0,59}){0,3}\Z")
_SEPARATORS = re.compile(r"[,\s]+")
_DEFAULT_WAIT = 60.0


def scopes_of(reply: Reply, *, secret: str) -> tuple[str, ...] | None:
    """Return what ``X-OAuth-Scopes`` lists, sorted; None without that header.

    Replies of every status except 401 have it (recorded: 200, 403, 404). Scopes that this program does not know are
    included; what cannot be a scope's name is left out.
    """
    header = reply.headers.get("x-oauth-scopes")
    if header is None or reply.status == 401:
        return None
    parts = {part.lower() for part in _SEPARATORS.split(header)}
    return tuple(sorted(part for part in parts if _SCOPE.match(part) and plain(part, secret=secret)))


def account_of(reply: Reply, *, secret: str) -> str | None:
    """Return the name of the token's account, from ``GET /user``; None if it is not shown."""
    body = reply.body if reply.status == 200 and isinstance(reply.body, Mapping) else {}
    names = (plain(body.get(key), secret=secret) for key in ("username", "nickname", "display_name"))
    return next((name for name in names if name), None)


def git_name_of(reply: Reply) -> str | None:
    """Return the account's Bitbucket username, which Git accepts, from ``GET /user``."""
    name = reply.body.get("username") if reply.status == 200 and isinstance(reply.body, Mapping) else None
    return name if isinstance(name, str) and name else None


def credential_type_of(reply: Reply) -> str:
    """Return ``X-Credential-Type`` in lower case; empty without that header."""
    return reply.headers.get("x-credential-type", "").strip().lower()


def is_for_other_credentials(reply: object) -> bool:
    """Return whether an endpoint rejects this kind of token as such, which says nothing about the token.

    Seen as 403 and as 401 (Atlassian KB: This API is not accessible by this authentication mechanism).
    """
    if not isinstance(reply, Reply) or reply.status not in (401, 403):
        return False
    return "not accessible by this authentication mechanism" in text_of(reply)


def is_own_rejection(reply: Reply) -> bool:
    """Return whether a 401 is Bitbucket's own, and not that of a gateway or a sign-in page in between.

    It comes as Bitbucket's error document, or as plain text with Bitbucket's own realm (both recorded).
    """
    own_document = is_error_document(reply)
    own_realm = "bitbucket.org" in reply.headers.get("www-authenticate", "").lower()
    return reply.status == 401 and not is_for_other_credentials(reply) and (own_document or own_realm)


def lacks_scopes(reply: Reply) -> bool:
    """Return whether a 403 says that a scope is missing, and not a permission of the account (recorded)."""
    if reply.status != 403:
        return False
    error = reply.body.get("error") if isinstance(reply.body, Mapping) else None
    detail = error.get("detail") if isinstance(error, Mapping) else None
    return "privilege scopes" in text_of(reply) or (isinstance(detail, Mapping) and "required" in detail)


def denies_access(reply: Reply) -> bool:
    """Return whether a 403 is about the account: "Access denied. You must have write or admin access."."""
    return reply.status == 403 and text_of(reply).startswith("access denied")


def permission_in(reply: Reply, name: str, *, secret: str) -> Level | str | None:
    """Return the permission in one repository from a list of the caller's permissions.

    Returns:
        A level; the name of a permission that this program does not know; None if the list does not name the
        repository or its permission.
    """
    values = reply.body.get("values") if reply.status == 200 and isinstance(reply.body, Mapping) else None
    for entry in values if isinstance(values, list) else ():
        if not isinstance(entry, Mapping) or not isinstance(entry.get("repository"), Mapping):
            continue
        full_name, permission = entry["repository"].get("full_name"), entry.get("permission")
        if not isinstance(full_name, str) or not isinstance(permission, str):
            continue
        if full_name.lower() == name.lower():
            level = permission.lower()
            return Level(level) if level in set(Level) else plain(permission, secret=secret) or None
    return None


def name_in(reply: object, *, secret: str) -> str:
    """Return the full name in a repository's document; empty if this is not one."""
    body = reply.body if isinstance(reply, Reply) and reply.status == 200 else None
    return plain(body.get("full_name"), secret=secret) if isinstance(body, Mapping) else ""


def is_private(reply: Reply) -> bool:
    """Return whether a repository's document says that it is private."""
    return isinstance(reply.body, Mapping) and reply.body.get("is_private") is True


def rate_limit(reply: Reply, now: datetime) -> RateLimit | None:
    """Return how long to wait after a 429, with seconds or a date (Bitbucket docs: API request limits).

    Requests with credentials are counted by credential, not by address.
    """
    if reply.status != 429:
        return None
    text = reply.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return RateLimit(max(1.0, float(text)), whole_host=False)
    try:
        until = parsedate_to_datetime(text)
        seconds = (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return RateLimit(_DEFAULT_WAIT, whole_host=False)
    return RateLimit(max(1.0, seconds), whole_host=False)
