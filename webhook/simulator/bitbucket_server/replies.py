"""Bitbucket's words. Texts and exceptions are those of recorded and publicly quoted responses."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from webhook.simulator.exchange import Reply

BITBUCKET = "com.atlassian.bitbucket."
GIT_REALM = {"WWW-Authenticate": 'Basic realm="Atlassian Bitbucket"'}


def error(status: int, message: str, exception: str | None, headers: Mapping[str, str] | None = None) -> Reply:
    """One error of Bitbucket's; ``exception`` without the package that all have in common."""
    name = None if exception is None else BITBUCKET + exception
    document = {"errors": [{"context": None, "message": message, "exceptionName": name}]}
    return Reply.json(status, document, headers)


def not_permitted() -> Reply:
    """A permission is missing, of the person's or of the token's: 401, not 403."""
    return error(401, "You are not permitted to access this resource", "AuthorisationException")


def not_authenticated() -> Reply:
    """The same response for a wrong password and for a token that is unknown, expired or revoked."""
    text = "Authentication failed. Please check your credentials and try again."
    return error(401, text, "auth.IncorrectPasswordAuthenticationException")


def not_licensed() -> Reply:
    """The credentials are good, and their owner may use nothing."""
    text = "You are not currently licensed to use Bitbucket. Please contact your administrator to resolve this issue."
    return error(401, text, "auth.NoAccessAuthenticationException")


CAPTCHA_REQUIRED = (
    "CAPTCHA required. Your Bitbucket account has been locked. To unlock it and log in again you must solve a CAPTCHA. "
    "This is typically caused by too many attempts to login with an incorrect password. The account lock prevents your "
    "SCM client from accessing Bitbucket and its mirrors until it is solved, even if you enter your password correctly."
)


def captcha_required() -> Reply:
    """Says nothing of the credentials: they weren't looked at. Recorded with the realm that Git is shown."""
    return error(401, CAPTCHA_REQUIRED, "auth.CaptchaRequiredAuthenticationException", GIT_REALM)


def no_such_project(key: str) -> Reply:
    return error(404, f"Project {key} does not exist.", "project.NoSuchProjectException")


def no_such_repository(key: str, slug: str) -> Reply:
    return error(404, f"Repository {key}/{slug} does not exist.", "repository.NoSuchRepositoryException")


def no_such_user(slug: str) -> Reply:
    return error(404, f"User {slug} does not exist.", "user.NoSuchUserException")


def no_such_resource(url: str) -> Reply:
    """A path below ``/rest`` that means nothing."""
    return Reply.json(404, {"message": f"null for uri: {url}", "status-code": 404})


def invalid(**fields: str) -> Reply:
    """400: what is wrong with each field of a body or query."""
    errors = [{"context": name, "message": message, "exceptionName": None} for name, message in fields.items()]
    return Reply.json(400, {"errors": errors})


def already_exists(message: str) -> Reply:
    return error(409, message, "repository.DuplicateRepositoryException")


def too_many_requests(retry_after: int | None) -> Reply:
    """Off unless an administrator turned it on, per person (Atlassian: improving instance stability)."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return error(429, "Rate limit exceeded. Please try again later.", None, headers)


def oauth_challenge(origin: str) -> dict[str, str]:
    """What the API adds to each 401 of its own, missing permissions included."""
    return {"WWW-Authenticate": f'OAuth realm="{quote(origin, safe="")}"'}


def web_page_not_found() -> Reply:
    """What the web site (not the API) says."""
    page = "<!DOCTYPE html>\n<html><head><title>Not found</title></head><body><h1>404</h1></body></html>\n"
    return Reply.text(404, page, "text/html;charset=UTF-8")
