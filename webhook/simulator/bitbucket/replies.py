"""Bitbucket's words. Texts are those of recorded responses; clients match on them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from webhook.simulator.bitbucket.model import Permission
from webhook.simulator.exchange import Reply

REALM = {"WWW-Authenticate": 'Basic realm="Bitbucket.org HTTP"'}
LACKS_SCOPES = "Your credentials lack one or more required privilege scopes."
NO_REPOSITORY = (
    "You may not have access to this repository or it no longer exists in this workspace. "
    "If you think this repository exists and you have access, make sure you are authenticated."
)
CHANGELOG = "https://developer.atlassian.com/cloud/bitbucket/changelog#CHANGE-2770"


def error(status: int, message: str, **more: Any) -> Reply:
    """Bitbucket's error document."""
    return Reply.json(status, {"type": "error", "error": {"message": message, **more}})


def unauthorized(as_text: bool = False) -> Reply:
    """The same response for expired, revoked, unknown and wrongly sent tokens; no header describes the token."""
    if as_text:
        return Reply(401, {"Content-Type": "text/plain", **REALM})
    return error(401, "Token is invalid, expired, or not supported for this endpoint.")


def lacks_scopes(required: Iterable[str], granted: Iterable[str]) -> Reply:
    return error(403, LACKS_SCOPES, detail={"required": list(required), "granted": list(granted)})


def access_denied(least: Permission) -> Reply:
    """The token would do, the person doesn't."""
    return error(403, f"Access denied. You must have {_levels_from(least)} access.")


def _levels_from(least: Permission) -> str:
    return "admin" if least is Permission.ADMIN else "write or admin"


def old_path() -> Reply:
    """The response to every request for a path without ``/2.0``."""
    return error(403, "Forbidden")


def repository_not_found() -> Reply:
    """Also for a private one that the caller has no part in."""
    return error(404, NO_REPOSITORY)


def workspace_not_found(slug: str) -> Reply:
    return error(404, f"No workspace with identifier '{slug}'.")


def hook_not_found(uid: str) -> Reply:
    return error(404, f"{uid} does not exist.")


def no_such_api() -> Reply:
    """Its ``detail`` is a text, where that of a 403 is an object."""
    return error(
        404,
        "Resource not found",
        detail="There is no API hosted at this URL.\n\nFor information about our API's, please refer to the "
        "documentation at: https://developer.atlassian.com/bitbucket/api/2/reference/",
    )


def removed() -> Reply:
    """Endpoints across workspaces, gone for good since 2026-04-14."""
    about = {"announcement_url": CHANGELOG}
    message = "CHANGE-2770 - Functionality has been deprecated"
    reason = {"message": message, "detail": "Please read the changelog entry for more details.", "data": about}
    return Reply.json(410, {"type": "error", "error": reason, "data": about})


def gone() -> Reply:
    return error(410, "This endpoint is no longer available for API tokens.")


def bad_request(fields: dict[str, list[str]]) -> Reply:
    return error(400, "Bad request", fields=fields)


def invalid_query() -> Reply:
    return error(400, "Bad request", detail="Invalid or unknown query parameter.")


def rate_limited(retry_after: int | None, until: datetime | None) -> Reply:
    """Bitbucket's documentation: API request limits. With ``until``, the time to wait is a date."""
    headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Resource": "api-core", "X-RateLimit-NearLimit": "true"}
    if until is not None:
        headers["Retry-After"] = format_datetime(until, usegmt=True)
    elif retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return error(429, "Rate limit for this resource has been exceeded").with_headers(headers)


def sign_in() -> Reply:
    """Git asks for a password and tries again."""
    return Reply.text(401, "").with_headers(REALM)


def app_password_for_git(status: int) -> Reply:
    """The status is Atlassian's announcement; the text is not known."""
    reply = Reply.text(status, "App passwords are no longer supported. Use an API token instead.\n")
    return reply.with_headers(REALM) if status == 401 else reply


def web_page_not_found() -> Reply:
    """What the web site (not the API) says."""
    return Reply.text(
        404, "<!DOCTYPE html>\n<html><body><h1>That link has no power here</h1></body></html>\n", "text/html"
    )
