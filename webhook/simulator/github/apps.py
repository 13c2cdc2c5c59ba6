"""Endpoints of a GitHub App, which signs in with a JSON web token."""

from __future__ import annotations

from typing import Any

from webhook.simulator.exchange import Reply
from webhook.simulator.github import documents, replies
from webhook.simulator.github.access import covers
from webhook.simulator.github.model import LEVELS, App, Installation
from webhook.simulator.github.routing import Ask, Route, json_body


def _signed_in(ask: Ask) -> App | Reply:
    """These endpoints take nothing but an App's own assertion."""
    return ask.caller.app or replies.error(401, "A JSON web token could not be decoded")


def app(ask: Ask) -> Reply:
    signed_in = _signed_in(ask)
    return signed_in if isinstance(signed_in, Reply) else Reply.json(200, documents.app(ask.host, signed_in, ask.api))


def installations(ask: Ask) -> Reply:
    signed_in = _signed_in(ask)
    if isinstance(signed_in, Reply):
        return signed_in
    found = [one for one in ask.host.installations.values() if one.app_id == signed_in.id]
    shown, headers = ask.page(found)
    return Reply.json(200, [documents.installation(ask.host, one, ask.api) for one in shown], headers)


def installation(ask: Ask) -> Reply:
    found = _addressed(ask)
    return found if isinstance(found, Reply) else Reply.json(200, documents.installation(ask.host, found, ask.api))


def _addressed(ask: Ask) -> Installation | Reply:
    """The installation that the path names; one of another App doesn't exist."""
    signed_in = _signed_in(ask)
    if isinstance(signed_in, Reply):
        return signed_in
    number = ask.params["id"]
    found = ask.host.installations.get(int(number)) if number.isdecimal() else None
    return found if found is not None and found.app_id == signed_in.id else replies.not_found()


def installation_on_account(ask: Ask) -> Reply:
    """``/orgs/…/installation`` and ``/users/…/installation``: how an installation is discovered by owner."""
    return _found_for(ask, ask.params["account"], None)


def installation_on_repository(ask: Ask) -> Reply:
    return _found_for(ask, ask.params["owner"], ask.params["repo"])


def _found_for(ask: Ask, login: str, repository: str | None) -> Reply:
    signed_in = _signed_in(ask)
    if isinstance(signed_in, Reply):
        return signed_in
    account = ask.host.account(login)
    path = ask.params.get("kind")
    if account is None or (path is not None and (path == "orgs") != (account.type == "Organization")):
        return replies.not_found()
    known = ask.host.repository(login, repository) if repository is not None else None
    for one in ask.host.installations.values():
        if one.app_id == signed_in.id and one.account.lower() == login.lower():
            if repository is None or (known is not None and covers(one, known)):
                return Reply.json(200, documents.installation(ask.host, one, ask.api))
    return replies.not_found()


def create_access_token(ask: Ask) -> Reply:
    """201 with a token for an hour, of all or (by the body) fewer of the installation's permissions and repositories.

    Creating a token changes no repository and no account, so it is not recorded.
    """
    found = _addressed(ask)
    if isinstance(found, Reply):
        return found
    if found.suspended_at is not None:
        return replies.installation_suspended()
    body = json_body(ask.call)
    if isinstance(body, Reply):
        return body
    permissions = body.get("permissions") or found.permissions
    if not _is_granted(permissions, found):
        return replies.error(422, "The permissions requested are not granted to this installation.")
    repositories = _requested_repositories(ask, found, body)
    if repositories is None:
        return replies.error(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )
    token = ask.host.mint(found, dict(permissions), repositories, _wants_long_form(ask))
    document: dict[str, Any] = {
        "token": token.value,
        "expires_at": documents.instant(token.expires_at or ask.host.now()),
        "permissions": token.permissions,
        "repository_selection": token.repository_selection,
    }
    return Reply.json(201, document)


def _is_granted(wanted: Any, installation: Installation) -> bool:
    if not isinstance(wanted, dict):
        return False
    for name, level in wanted.items():
        granted = installation.permissions.get(name)
        if granted is None or level not in LEVELS or LEVELS.index(level) > LEVELS.index(granted):
            return False
    return True


def _requested_repositories(ask: Ask, installation: Installation, body: dict[str, Any]) -> list[str] | None:
    """Full names of the chosen repositories, none for all of the installation's; ``None`` if one is out of reach."""
    reach = [
        one for one in ask.host.repositories.values() if one.owner == installation.account and covers(installation, one)
    ]
    names, numbers = body.get("repositories") or [], body.get("repository_ids") or []
    chosen = [one for one in reach if one.name in names or one.id in numbers]
    return [one.full_name for one in chosen] if len(chosen) >= max(len(names), len(numbers)) else None


def _wants_long_form(ask: Ask) -> bool:
    """``X-GitHub-Stateless-S2S-Token`` chooses while the new form is rolled out (GitHub changelog, 2026-04-24)."""
    asked = ask.call.header("X-GitHub-Stateless-S2S-Token").lower()
    if ask.host.variant == "server":
        return False
    if asked in ("enabled", "disabled"):
        return asked == "enabled"
    return ask.host.stateless_installation_tokens is not False


ROUTES = (
    Route("GET", "/app", app),
    Route("GET", "/app/installations", installations),
    Route("GET", "/app/installations/{id}", installation),
    Route("POST", "/app/installations/{id}/access_tokens", create_access_token),
    Route("GET", "/{kind:orgs|users}/{account}/installation", installation_on_account),
    Route("GET", "/repos/{owner}/{repo}/installation", installation_on_repository),
)
