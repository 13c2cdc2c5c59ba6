"""OAuth tokens, whose scopes GitLab lists on its website and not in its API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.evidence import source
from webhook.providers.findings import Facts, Question
from webhook.providers.gitlab import replies, site
from webhook.providers.gitlab.owner import Owner
from webhook.providers.gitlab.token import Grant, judged, scopes_suffice
from webhook.providers.text import plain

_HOURS = timedelta(days=1)
"""Tokens with a shorter lifetime are renewed by their application (GitLab docs: two hours)."""


async def ask(question: Question, api: Api, headers: dict[str, str]) -> Reply:
    """Return the response about an OAuth token.

    Raises:
        ProviderUnavailable: there is none, or the URL of the website is not known.
    """
    root = site.root(question.host)
    if root is None:
        raise ProviderUnavailable(
            "does not know this token as a personal access token, and its API is at an unusual path, so OAuth tokens "
            "cannot be looked up"
        )
    return await api.send("GET", f"{root}/oauth/token/info", headers=headers, from_root=True)


def grant(question: Question, reply: Reply, owner: Owner, now: datetime, *, secret: str) -> Grant:
    """Return the facts and findings of an OAuth token, by the reply to ``GET /oauth/token/info`` (recorded).

    Raises:
        ProviderUnavailable: it is not an OAuth token either, so nothing is known about it.
    """
    body = replies.mapping(reply)
    scopes = replies.scopes_of(body.get("scope", body.get("scopes"))) if reply.status == 200 else None
    if not isinstance(body.get("application"), Mapping):  # other documents may have a list of that name
        scopes = None
    if scopes is None:
        raise ProviderUnavailable("knows this token neither as a personal access token nor as an OAuth token")
    scopes = tuple(scope for scope in scopes if plain(scope, secret=secret))
    seconds = replies.number(body.get("expires_in_seconds", body.get("expires_in")))
    end = None if seconds is None or seconds > 10**9 else now + timedelta(seconds=seconds)
    lives_for_hours = end is not None and end - now < _HOURS
    warnings = (
        (
            f"This OAuth token is valid for only a few hours: it expires at {end:%H:%M} UTC, and nothing renews it in "
            "a Secret; use an access token instead.",
        )
        if end is not None and lives_for_hours
        else ()
    )
    facts = Facts(
        "oauth",
        "OAuth token",
        owner.username,
        scopes,
        expires_at=end,
        short_lived=lives_for_hours,
        warnings=warnings,
        expiry_sources=source(reply, "expires_in_seconds" if "expires_in_seconds" in body else "expires_in"),
    )
    return Grant(facts, judged(question, lambda needed: scopes_suffice(needed, scopes, source(reply, "scope"))))
