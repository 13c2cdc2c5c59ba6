"""The pages of one Secret and of a new one, and the forms that change them.

After a form, the browser is redirected to a page with the outcome, so that no history entry and no reload holds the
token.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from secrets import token_urlsafe
from urllib.parse import quote

from aiohttp import web

from webhook.console.authorizations import Authorizations
from webhook.console.changes import Changes, Outcome, Target, token_of
from webhook.console.checks import Checks
from webhook.console.entries import Entry
from webhook.console.errors import PageError
from webhook.console.overview import Overview
from webhook.console.pages import Pages
from webhook.console.permissions import Permissions
from webhook.providers import PROVIDERS
from webhook.tokens.changes import NewToken

_MOST_OUTCOMES = 32
_MOST_TARGETS = 50
_FIRST_READ = 2.0
"""Seconds that a page waits for the Applications that depend on a Secret."""
_SHORT_CHECK = 8.0
"""Seconds that a page waits for the check of one Secret."""


class Actions:
    """Handles the forms."""

    def __init__(
        self,
        base: str,
        pages: Pages,
        overview: Overview,
        checks: Checks,
        changes: Changes,
        permissions: Permissions,
        authorizations: Authorizations,
    ) -> None:
        """
        Args:
            base: the path before every address of the console.
        """
        self._base = base
        self._pages = pages
        self._overview = overview
        self._checks = checks
        self._changes = changes
        self._permissions = permissions
        self._authorizations = authorizations
        self._outcomes: OrderedDict[str, Sequence[Outcome]] = OrderedDict()

    async def secret(self, request: web.Request) -> web.Response:
        """The page of one Secret."""
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._overview.applications_read.wait(), _FIRST_READ)
        entries = self._overview.of_secret(namespace, name)
        outcomes = self._outcomes.get(request.query.get("outcome", ""), ())
        if not entries and not outcomes:
            raise PageError(404, "There is no such Secret here", "It was deleted, or holds no Git token.")
        values: dict[str, object] = {
            "namespace": namespace,
            "name": name,
            "entries": entries,
            "outcomes": outcomes,
            "missing": await self._permissions.missing(namespace, name),
            "others": self._others(entries),
            "authorizing_hosts": self._authorizations.hosts,
        }
        return self._pages.page(request, "secret.html", "", values)

    def _others(self, entries: list[Entry]) -> list[Entry]:
        """Return entries of other Secrets that are for the same hosts, for which the same token may be meant."""
        hosts = {(entry.host, entry.is_runtime) for entry in entries if entry.host}
        own = {entry.uid for entry in entries}
        found = [
            entry
            for entry in self._overview.entries()
            if entry.uid not in own and (entry.host, entry.is_runtime) in hosts
        ]
        return sorted(found, key=lambda entry: entry.rank)[:_MOST_TARGETS]

    async def add_form(self, request: web.Request) -> web.Response:
        """The form for a token in a Secret that may not exist yet."""
        values: dict[str, object] = {
            "outcomes": self._outcomes.get(request.query.get("outcome", ""), ()),
            "namespaces": sorted({entry.namespace for entry in self._overview.entries()}),
            "providers": list(PROVIDERS),
        }
        return self._pages.page(request, "add.html", "add", values)

    async def add(self, request: web.Request) -> web.StreamResponse:
        """Store a token in a new or existing Secret."""
        form = await _fields(request)
        target = Target(form.get("namespace", "").strip(), form.get("name", "").strip(), form.get("user", "").strip())
        if not target.namespace or not target.name or "/" in str(target.name):
            raise PageError(400, "The Secret is missing", "Go back, and name the namespace and the Secret.")
        outcomes = await self._changes.store([target], _new_token(form))
        return self._redirect("/add", outcomes)

    async def replace(self, request: web.Request) -> web.StreamResponse:
        """Replace the token of an entry, and of others with the same token."""
        form, target = await _fields(request), _target(request)
        data = await request.post()
        also = [Target.parse(str(text)) for text in data.getall("also", [])[:_MOST_TARGETS]]
        target = Target(target.namespace, target.name, form.get("user", ""))
        outcomes = await self._changes.store([target, *also], _new_token(form))
        return self._redirect(_path(target), outcomes)

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """Start to authorize a token."""
        form, target = await _fields(request), _target(request)
        key = await self._authorizations.start(Target(target.namespace, target.name, form.get("user", "")))
        return self._redirect(f"/authorizations/{key}", [])

    async def authorization(self, request: web.Request) -> web.StreamResponse:
        """The page with the code, until the authorization has ended."""
        pending = self._authorizations.find(request.match_info["key"])
        if pending.outcomes:
            return self._redirect(_path(pending.target), pending.outcomes)
        return self._pages.page(request, "authorization.html", "", {"pending": pending})

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Delete a token, if the name was typed."""
        form, target = await _fields(request), _target(request)
        target = Target(target.namespace, target.name, form.get("user", ""))
        if form.get("confirmation", "").strip() != (target.user or target.name):
            raise PageError(400, "The confirmation does not match", "Go back, and type the name as it is shown.")
        return self._redirect(_path(target), [await self._changes.delete(target)])

    async def notifications(self, request: web.Request) -> web.StreamResponse:
        """Mute notifications about a Secret, or turn them on."""
        form, target = await _fields(request), _target(request)
        return self._redirect(_path(target), [await self._changes.mute(target, form.get("muted") == "yes")])

    async def check(self, request: web.Request) -> web.StreamResponse:
        """Check one Secret, or all of them."""
        form = await _fields(request)
        one = form.get("secret", "")
        listed = self._overview.listed()
        if one:
            listed = [found for found in listed if f"{found.secret.namespace}/{found.secret.name}" == one]
        self._checks.start(listed)
        if one:
            await self._checks.wait(_SHORT_CHECK)
            return self._redirect(_path(Target.parse(one)), [])
        return self._redirect("/users" if form.get("view") == "users" else "/", [])

    def _redirect(self, path: str, outcomes: Sequence[Outcome]) -> web.Response:
        query = ""
        if outcomes:
            key = token_urlsafe(12)
            self._outcomes[key] = outcomes
            while len(self._outcomes) > _MOST_OUTCOMES:
                self._outcomes.popitem(last=False)
            query = f"?outcome={key}"
        return web.Response(status=303, headers={"Location": f"{self._base}{path}{query}"})


async def _fields(request: web.Request) -> dict[str, str]:
    """Return the text fields of a form, the first value of each."""
    data = await request.post()
    return {name: value for name, value in reversed(list(data.items())) if isinstance(value, str)}


def _target(request: web.Request) -> Target:
    return Target(request.match_info["namespace"], request.match_info["name"])


def _path(target: Target) -> str:
    return f"/secrets/{quote(target.namespace, safe='')}/{quote(target.name, safe='')}"


def _new_token(form: dict[str, str]) -> NewToken:
    """Return what a form says of a token.

    Raises:
        PageError: the token or the kind of provider is not valid.
    """
    provider = form.get("provider", "") or None
    if provider is not None and provider not in PROVIDERS:
        raise PageError(400, "Unknown kind of host", f"Valid kinds are {', '.join(PROVIDERS)}.")
    url, username = form.get("url", "").strip() or None, form.get("username", "").strip() or None
    return NewToken(token_of(form.get("token", "")), url, username, provider)
