"""Gitea's words: those of its source (``routers/api/v1``, read in 2026) and of publicly quoted responses."""

from __future__ import annotations

from collections.abc import Iterable

from webhook.simulator.exchange import Reply

GIT_REALM = {"WWW-Authenticate": 'Basic realm="Gitea"'}


def error(status: int, message: str, site: str) -> Reply:
    """Gitea's error document, which ends with where the API is described."""
    return Reply.json(status, {"message": message, "url": f"{site}/api/swagger"})


def not_found(site: str) -> Reply:
    """For what isn't there, and for what the caller may not know of."""
    document = {"errors": [], "message": "The target couldn't be found.", "url": f"{site}/api/swagger"}
    return Reply.json(404, document)


def moved(status: int, location: str) -> Reply:
    """The address of a repository that was renamed, relative to the site."""
    return Reply(status).with_headers({"Location": location})


def bad_credentials(site: str) -> Reply:
    """The same response for a deleted and an unknown token."""
    return error(401, "invalid username, password or token", site)


def sign_in_required() -> Reply:
    """Without a ``url``: it comes before the API's own endpoints."""
    return Reply.json(403, {"message": "Only signed in user is allowed to call APIs."})


def sign_in_prohibited() -> Reply:
    text = "This account is prohibited from signing in, please contact your site administrator."
    return Reply.json(403, {"message": text})


def scopes_missing(required: Iterable[str], held: Iterable[str] | None, site: str) -> Reply:
    """Every scope listed is needed, whatever "at least one" may sound like. ``held``: where a version tells them."""
    listed, text = f"[{' '.join(required)}]", "token does not have at least one of required scope(s)"
    if held is None:
        return error(403, f"{text}: {listed}", site)
    return error(403, f"{text}, required={listed}, token scope={','.join(held)}", site)


def invalid(field: str, problem: str, site: str) -> Reply:
    """422, as the form binding of Gitea phrases it."""
    return error(422, f"[{field}]: {problem}", site)


def too_many_requests(retry_after: int | None) -> Reply:
    """Gitea counts nothing; this is a proxy before it."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Reply.text(429, "Too Many Requests\n").with_headers(headers)


def web_page_not_found() -> Reply:
    """What the web site (not the API) says."""
    page = "<!DOCTYPE html>\n<html><body><h1>404 Not Found</h1></body></html>\n"
    return Reply.text(404, page, "text/html; charset=utf-8")
