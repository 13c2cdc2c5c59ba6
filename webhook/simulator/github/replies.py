"""GitHub's words. Texts are those of recorded responses and of the documentation; clients match on them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from webhook.simulator.exchange import Reply

DOCUMENTATION = "https://docs.github.com/rest"


def error(status: int, message: str, headers: Mapping[str, str] | None = None, *, about: str = DOCUMENTATION) -> Reply:
    """GitHub's error document."""
    return Reply.json(status, {"message": message, "documentation_url": about, "status": str(status)}, headers)


def not_found() -> Reply:
    """For what isn't there and, on private repositories, for what the caller may not know of."""
    return error(404, "Not Found")


def bad_credentials() -> Reply:
    """The same response for expired, revoked and unknown tokens."""
    return error(401, "Bad credentials")


def requires_authentication() -> Reply:
    return error(401, "Requires authentication")


def one_time_password() -> Reply:
    return error(401, "Must specify two-factor authentication OTP code.", {"X-GitHub-OTP": "required; app"})


def too_many_logins() -> Reply:
    """After repeated bad credentials even good ones are refused for a while."""
    return error(403, "Max number of login attempt exceeded")


def user_agent_missing() -> Reply:
    """Comes from the edge of github.com, in HTML and without any of the API's headers."""
    return Reply.text(
        403,
        "Request forbidden by administrative rules. Please make sure your request has a User-Agent header "
        "(https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#user-agent-required). "
        "Check https://developer.github.com for other possible causes.\n",
        "text/html",
    )


def account_suspended() -> Reply:
    return error(403, "Sorry. Your account was suspended.")


def installation_suspended() -> Reply:
    return error(403, "This installation has been suspended")


def not_accessible(actor: str) -> Reply:
    """The token lacks a permission. ``actor`` is ``personal access token`` or ``integration``."""
    return error(403, f"Resource not accessible by {actor}")


def archived() -> Reply:
    return error(403, "Repository was archived so is read-only.")


def moved(location: str, status: int) -> Reply:
    """A redirect to a renamed or transferred repository (recorded: github/gh-gei#1074)."""
    document = {"message": "Moved Permanently", "url": location, "documentation_url": DOCUMENTATION}
    return Reply.json(status, document, {"Location": location})


def blocked(reason: str) -> Reply:
    """451 for a DMCA takedown (github/rest-api-description#3314), 403 otherwise (caarlos0/fork-cleaner#99)."""
    block = {"reason": reason, "created_at": "2026-01-05T08:00:00Z", "html_url": "https://github.com/tos"}
    return Reply.json(451 if reason == "dmca" else 403, {"message": "Repository access blocked", "block": block})


def oauth_app_forbidden(organization: str) -> Reply:
    """GitHub docs: OAuth app access restrictions; the text is that of gitbutlerapp/gitbutler#8594."""
    return error(
        403,
        f"Although you appear to have the correct authorization credentials, the `{organization}` organization has "
        "enabled OAuth App access restrictions, meaning that data access to third-parties is limited. For more "
        "information on these restrictions, including how to enable this app, visit "
        "https://docs.github.com/articles/restricting-access-to-your-organization-s-data/",
    )


def saml_required(organization: str, request_id: str) -> Reply:
    """GitHub docs: authorizing a personal access token for use with single sign-on."""
    url = f"https://github.com/orgs/{organization}/sso?authorization_request={request_id}"
    return error(
        403,
        "Resource protected by organization SAML enforcement. You must grant your Personal Access token access to "
        "this organization.",
        {"X-GitHub-SSO": f"required; url={url}"},
        about="https://docs.github.com/articles/authenticating-to-a-github-organization-with-saml-single-sign-on/",
    )


def classic_forbidden(organization: str) -> Reply:
    return error(
        403,
        f"`{organization}` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, "
        "or a personal access token with fine-grained permissions.",
    )


def lifetime_forbidden(organization: str, days: int, token_id: int) -> Reply:
    return error(
        403,
        f"The '{organization}' organization forbids access via a fine-grained personal access tokens if the token's "
        f"lifetime is greater than {days} days. Please adjust your token's lifetime at the following URL: "
        f"https://github.com/settings/personal-access-tokens/{token_id}",
    )


def address_forbidden(organization: str) -> Reply:
    return error(
        403,
        f"Although you appear to have the correct authorization credentials, the `{organization}` organization has an "
        "IP allow list enabled, and your IP address is not permitted to access this resource.",
    )


def primary_rate_limit(who: str, status: int = 403) -> Reply:
    """GitHub docs: rate limits for the REST API. ``x-ratelimit-remaining: 0`` is what marks it."""
    about = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"
    return error(status, f"API rate limit exceeded for {who}.", about=about)


def secondary_rate_limit(retry_after: int | None, status: int = 403) -> Reply:
    """Marked by its ``documentation_url``; ``retry-after`` is usual (recorded: 60), not certain."""
    return error(
        status,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        {} if retry_after is None else {"Retry-After": str(retry_after)},
        about="https://docs.github.com/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api"
        "#about-secondary-rate-limits",
    )


def not_supplied(fields: Iterable[str]) -> Reply:
    """422 for required fields that are missing from a body."""
    names = [f'"{name}"' for name in fields]
    return error(422, f"Invalid request.\n\n{', '.join(names)} {'wasn' if len(names) == 1 else 'weren'}'t supplied.")


def validation_failed(resource: str, message: str) -> Reply:
    """422 for a body that has the right fields with the wrong content."""
    errors = [{"resource": resource, "code": "custom", "message": message}]
    document = {"message": "Validation Failed", "errors": errors, "documentation_url": DOCUMENTATION, "status": "422"}
    return Reply.json(422, document)


def web_page_not_found() -> Reply:
    """What the web site (not the API) says."""
    page = "<!DOCTYPE html>\n<html><body><h1>404</h1><p>Page not found</p></body></html>\n"
    return Reply.text(404, page, "text/html")


def message_of(reply: Reply) -> str:
    """The text of an error document, for Git, which prints plain text."""
    message = json.loads(reply.body).get("message", "")
    return message if isinstance(message, str) else ""
