"""Reading Bitbucket's replies: scopes, account, refusals told apart, rate limits. Pure: a reply in, its meaning out."""

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
    """What ``X-OAuth-Scopes`` lists, sorted; None where there is no such header.

    It stands in replies of every status but 401 (recorded: 200, 403, 404). A scope that this program doesn't know is
    listed as well; what can't be a scope's name is left out.
    """
    header = reply.headers.get("x-oauth-scopes")
    if header is None or reply.status == 401:
        return None
    parts = {part.lower() for part in _SEPARATORS.split(header)}
    return tuple(sorted(part for part in parts if _SCOPE.match(part) and plain(part, secret=secret)))


def account_of(reply: Reply, *, secret: str) -> str | None:
    """Whose token it is, by ``GET /user``, in the word that Bitbucket still shows of a person."""
    body = reply.body if reply.status == 200 and isinstance(reply.body, Mapping) else {}
    names = (plain(body.get(key), secret=secret) for key in ("username", "nickname", "display_name"))
    return next((name for name in names if name), None)


def git_name_of(reply: Reply) -> str | None:
    """The account's Bitbucket username, which Git takes, by ``GET /user``."""
    name = reply.body.get("username") if reply.status == 200 and isinstance(reply.body, Mapping) else None
    return name if isinstance(name, str) and name else None


def credential_type_of(reply: Reply) -> str:
    """What ``X-Credential-Type`` calls the credential, in lower case; empty where it doesn't say."""
    return reply.headers.get("x-credential-type", "").strip().lower()


def is_for_other_credentials(reply: object) -> bool:
    """Whether an endpoint is not for this kind of token, which says nothing against the token.

    Seen as 403 and as 401 (Atlassian KB: This API is not accessible by this authentication mechanism).
    """
    if not isinstance(reply, Reply) or reply.status not in (401, 403):
        return False
    return "not accessible by this authentication mechanism" in text_of(reply)


def is_own_refusal(reply: Reply) -> bool:
    """Whether a 401 is Bitbucket's, and not that of a gateway or a sign-in page before it.

    It comes as Bitbucket's error document, or as plain text with Bitbucket's own realm (both recorded).
    """
    own_document = is_error_document(reply)
    own_realm = "bitbucket.org" in reply.headers.get("www-authenticate", "").lower()
    return reply.status == 401 and not is_for_other_credentials(reply) and (own_document or own_realm)


def lacks_scopes(reply: Reply) -> bool:
    """Whether a 403 says that it is a scope that is missing, and not the account's permission (recorded)."""
    if reply.status != 403:
        return False
    error = reply.body.get("error") if isinstance(reply.body, Mapping) else None
    detail = error.get("detail") if isinstance(error, Mapping) else None
    return "privilege scopes" in text_of(reply) or (isinstance(detail, Mapping) and "required" in detail)


def denies_access(reply: Reply) -> bool:
    """Whether a 403 is about the account's own permission ("Access denied. You must have write or admin access.")."""
    return reply.status == 403 and text_of(reply).startswith("access denied")


def permission_in(reply: Reply, name: str, *, secret: str) -> Level | str | None:
    """Return what a list of the caller's permissions in repositories says of one.

    Returns:
        A level; the name of a permission that this program doesn't know; None where the list doesn't name the
        repository, or doesn't say what the permission is.
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
    """The full name in a repository's document; empty where this is none."""
    body = reply.body if isinstance(reply, Reply) and reply.status == 200 else None
    return plain(body.get("full_name"), secret=secret) if isinstance(body, Mapping) else ""


def is_private(reply: Reply) -> bool:
    """Whether a repository's document says that not everybody may read it."""
    return isinstance(reply.body, Mapping) and reply.body.get("is_private") is True


def rate_limit(reply: Reply, now: datetime) -> RateLimit | None:
    """Whether Bitbucket asks us to wait: 429, with seconds or a date (Bitbucket docs: API request limits).

    What has credentials is counted for these, whatever our address.
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
