"""Responses of GitLab.

The texts are those of its sources (lib/api/api_guard.rb, lib/api/helpers.rb); clients match on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from webhook.simulator.exchange import Reply

JSON = {"Content-Type": "application/json"}
NOT_PERSONAL = "This endpoint requires token type to be a personal access token"
REALM = "Protected by OAuth 2.0"

ACCOUNT_REASONS = {
    "blocked": "Your account has been blocked.",
    "blocked_pending_approval": "Your account is pending approval from your administrator and hence blocked.",
    "deactivated": (
        "Your account has been deactivated by your administrator. Please log back in from a web browser to reactivate "
        "your account at https://{host}"
    ),
}
"""lib/gitlab/auth/user_access_denied_reason.rb."""


def document(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """JSON as GitLab labels it, without a charset."""
    return Reply.json(status, body, {**JSON, **(headers or {})})


def message(status: int, text: Any) -> Reply:
    """What GitLab's own helpers say: ``{"message": …}``."""
    return document(status, {"message": text})


def error(status: int, text: str) -> Reply:
    """What its framework says, of parameters and unknown paths: ``{"error": …}``."""
    return document(status, {"error": text})


def unauthorized() -> Reply:
    """The response without a token where one is needed, and for an unknown token."""
    return message(401, "401 Unauthorized")


def _bearer_error(status: int, code: str, description: str) -> Reply:
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = f'Bearer realm="{REALM}", error="{code}", error_description="{description}"'
    return document(status, {"error": code, "error_description": description}, headers)


def revoked() -> Reply:
    return _bearer_error(401, "invalid_token", "Token was revoked. You have to re-authorize from the user.")


def expired() -> Reply:
    return _bearer_error(401, "invalid_token", "Token is expired. You can either do re-authorization or token refresh.")


def impersonation_disabled() -> Reply:
    return _bearer_error(401, "invalid_token", "Token is an impersonation token but impersonation was disabled.")


def proof_missing() -> Reply:
    return _bearer_error(401, "dpop_error", "DPoP validation error: DPoP header is missing")


def insufficient_scope(acceptable: Iterable[str]) -> Reply:
    """``scope`` lists what would have done, any one of them."""
    text = "The request requires higher privileges than provided by the access token."
    return document(403, {"error": "insufficient_scope", "error_description": text, "scope": " ".join(acceptable)})


def granular_text(boundary: str, permission: str, label: str, *, old: bool) -> str:
    """Why a fine-grained token may not, or why an older kind of token may no longer."""
    if old:
        return f"Access denied: Your Personal Access Token lacks the required permissions: [{permission}]."
    return (
        "Access denied: This operation requires a fine-grained personal access token with the following "
        f"{boundary} permissions: [{label}]."
    )


def insufficient_granular_scope(text: str) -> Reply:
    return _bearer_error(403, "insufficient_granular_scope", text)


def forbidden(reason: str | None = None) -> Reply:
    return message(403, "403 Forbidden" if reason is None else f"403 Forbidden - {reason}")


def account_refused(state: str, host: str) -> Reply:
    """The token is real, its user may not come in."""
    return forbidden(ACCOUNT_REASONS[state].format(host=host))


def not_found(what: str | None = None) -> Reply:
    """For what isn't there and for what the caller may not know of."""
    return message(404, "404 Not found" if what is None else f"404 {what} Not Found")


def no_route() -> Reply:
    """Of paths that this version doesn't have."""
    return error(404, "404 Not Found")


def not_allowed() -> Reply:
    """The path is there, with other methods."""
    return error(405, "405 Not Allowed")


def moved(location: str) -> Reply:
    """The address of a project that was renamed or moved (python-gitlab/python-gitlab#3299)."""
    page = f"This resource has been moved temporarily to {location}.  This is the redirect page.\n"
    return Reply.text(302, page, "text/plain").with_headers({"Location": location})


def sign_in_redirect(origin: str) -> Reply:
    """The response of the web site to an anonymous caller, for every page that may or may not exist."""
    page = f'<html><body>You are being <a href="{origin}/users/sign_in">redirected</a>.</body></html>'
    return Reply.text(302, page, "text/html; charset=utf-8").with_headers({"Location": f"{origin}/users/sign_in"})


def sign_in_page() -> Reply:
    page = (
        '<!DOCTYPE html>\n<html class="devise-layout-html"><head><title>Sign in · GitLab</title>'
        '<meta content="GitLab" property="og:site_name"></head><body>Sign in</body></html>\n'
    )
    return Reply.text(200, page, "text/html; charset=utf-8")


def oauth_token_invalid() -> Reply:
    """Doorkeeper's, from the web site and not from the API."""
    text = "The access token is invalid"
    challenge = f'Bearer realm="Doorkeeper", error="invalid_token", error_description="{text}"'
    body = {"error": "invalid_token", "error_description": text, "state": "unauthorized"}
    return Reply.json(401, body, {"WWW-Authenticate": challenge})


def retry_later() -> Reply:
    """Rack::Attack's throttles, for the whole host."""
    return Reply.text(429, "Retry later\n", "text/plain")


def too_many_times() -> Reply:
    """The application's own limits, for single endpoints."""
    return message(429, {"error": "This endpoint has been requested too many times. Try again later."})
