"""Read single replies of Gitea and Forgejo."""

from __future__ import annotations

import re
from collections.abc import Mapping

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.gitea import refusals
from webhook.providers.gitea.profile import SCOPES

Response = Reply | ProviderUnavailable
"""The outcome of one request. Failures are values, because the other requests may still succeed."""

# `apiAuth`, `verifyAuthWithOptions` and `reqToken` in the source of Gitea and Forgejo.
NO_CREDENTIALS = frozenset({"token is required", "Only signed in user is allowed to call APIs."})
WRONG = ("invalid username, password or token", "user does not exist", "access token does not exist")
_LACKS = re.compile(
    r"token does not have at least one of required scope\(s\)"
    r"(?:: \[(?P<older>[a-z: ]+)\]|, required=\[(?P<newer>[a-z: ]+)\], token scope=(?P<held>[a-z:,-]*))"
)
_PUBLIC_ONLY = ("token scope is limited to public ", "this endpoint is not available for public-only tokens")


def message(response: Response) -> str:
    """Return Gitea's own text; empty without one."""
    body = response.body if isinstance(response, Reply) else None
    text = body.get("message") if isinstance(body, Mapping) else None
    return text if isinstance(text, str) else ""


def is_giteas(reply: Reply) -> bool:
    """Return whether an error has Gitea's form and not that of a proxy; its text may be in any language."""
    url = reply.body.get("url") if isinstance(reply.body, Mapping) else None
    return isinstance(url, str) and url.endswith("/api/swagger")


def is_public_only(response: Response) -> bool:
    """Return whether the token is rejected because it is public-only."""
    return isinstance(response, Reply) and response.status == 403 and message(response).startswith(_PUBLIC_ONLY)


def policy(response: Response) -> refusals.Refusal | None:
    """Return the known reason why a valid token is rejected; None without one."""
    return refusals.find(message(response)) if isinstance(response, Reply) and response.status == 403 else None


def missing(response: Response) -> str:
    """Return the scopes that a rejection names, which only a valid token gets; empty for other replies.

    It names all needed scopes, so a scope is known to be missing only if it is the only one.
    """
    rejection = _rejection(response)
    return "" if rejection is None else rejection["older"] or rejection["newer"]


def names_categories(response: Response) -> bool:
    """Return whether a rejection names scopes with categories, which versions since 1.20 have."""
    return not SCOPES.isdisjoint(missing(response).split())


def held(response: Response) -> list[str] | None:
    """Return all scopes of the token, if a rejection lists them (Gitea since 1.23)."""
    rejection = _rejection(response)
    scopes = None if rejection is None else rejection["held"]
    return None if scopes is None else scopes.split(",")


def _rejection(response: Response) -> re.Match[str] | None:
    forbidden = isinstance(response, Reply) and response.status == 403
    return _LACKS.fullmatch(message(response)) if forbidden else None


def itself(response: Response) -> tuple[list[str], str] | tuple[None, None]:
    """Return the token's scopes and its owner, from ``GET /token``; None for both if the reply is incomplete."""
    body = response.body if isinstance(response, Reply) and response.status == 200 else None
    scopes, person = (body.get("scopes"), body.get("user")) if isinstance(body, Mapping) else (None, None)
    name = person.get("login") if isinstance(person, Mapping) else None
    if not isinstance(name, str) or not isinstance(scopes, list) or not all(isinstance(one, str) for one in scopes):
        return None, None
    return scopes, name


def login(response: Response | None) -> str | None:
    """Return the login of the token's account, from ``GET /user``."""
    body = response.body if isinstance(response, Reply) and response.status == 200 else None
    name = body.get("login") if isinstance(body, Mapping) else None
    return name if isinstance(name, str) else None


def version(response: Response) -> tuple[int, int] | None:
    """Return the first two numbers of the version, None if it is not shown. Forgejo has its own numbers."""
    body = response.body if isinstance(response, Reply) and response.status == 200 else None
    shown = body.get("version") if isinstance(body, Mapping) else None
    number = re.match(r"v?(\d{1,4})\.(\d{1,4})", shown, re.ASCII) if isinstance(shown, str) else None
    return None if number is None else (int(number[1]), int(number[2]))
