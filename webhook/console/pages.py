"""The pages for reading: runtimes, users, the timeline of expiry, and the stream of changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from aiohttp import web

from webhook.console.checks import Checks
from webhook.console.entries import Entry
from webhook.console.overview import Overview
from webhook.console.rendering import Renderer
from webhook.console.security import HEADERS, Guard
from webhook.console.selection import EXPIRES, Query, select
from webhook.report.model import Severity
from webhook.report.page.figures import chart

_CALM = 1.0
"""Seconds between two events of the stream."""
_HEARTBEAT = 15.0
_FIRST_LIST = 3.0
"""Seconds that a page waits for the first list."""
_STRIP = (
    (Severity.ERROR, "must be replaced"),
    (Severity.WARNING, "need attention"),
    (Severity.NOTE, "skipped"),
    (Severity.NONE, "valid"),
)
_UPCOMING = 200


class Pages:
    """Renders what the overview holds."""

    def __init__(
        self,
        guard: Guard,
        renderer: Renderer,
        overview: Overview,
        checks: Checks,
        *,
        user: str,
        cluster: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """
        Args:
            user: the name by which the API server knows the user.
            cluster: the address of the API server, or the context.
        """
        self._guard = guard
        self._renderer = renderer
        self._overview = overview
        self._checks = checks
        self._user = user
        self._cluster = cluster
        self._clock = clock
        self.closing = asyncio.Event()

    async def runtimes(self, request: web.Request) -> web.Response:
        """The start page: the tokens of runtimes."""
        return await self._table(request, "runtimes", lambda entry: entry.is_runtime)

    async def users(self, request: web.Request) -> web.Response:
        """The tokens of users."""
        return await self._table(request, "users", lambda entry: not entry.is_runtime)

    async def timeline(self, request: web.Request) -> web.Response:
        """The expiry of all tokens."""
        await self._first_list()
        now, entries = self._clock(), self._overview.entries()
        known = sorted((entry.expires_at, entry.place, entry) for entry in entries if entry.expires_at is not None)
        values = {
            "chart": chart([end for end, _, _ in known], now) if known else None,
            "upcoming": [entry for _, _, entry in known[:_UPCOMING]],
            "known": len(known),
            "unknown": len(entries) - len(known),
        }
        return self.page(request, "timeline.html", "timeline", values)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Tell the page that something has changed; the page then loads its rows again."""
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        seen = -1
        while not self.closing.is_set():
            revision = self._overview.revision
            await response.write(f"event: {'changed' if revision != seen else 'ping'}\ndata: {revision}\n\n".encode())
            seen = revision
            await asyncio.sleep(_CALM)
            if self._overview.revision == seen:
                await self._overview.changes(1.0 if self._checks.progress.running else _HEARTBEAT)
        return response

    def page(self, request: web.Request, template: str, view: str, values: Mapping[str, object]) -> web.Response:
        """Return a page.

        Args:
            view: the name of the page in the navigation; may be empty.
        """
        text = self._renderer.render(template, {**self._shared(request, view), **values})
        return web.Response(text=text, content_type="text/html")

    def _shared(self, request: web.Request, view: str) -> dict[str, object]:
        overview = self._overview
        return {
            "view": view,
            "csrf": self._guard.csrf_token(request),
            "user": self._user,
            "cluster": self._cluster,
            "now": self._clock(),
            "as_of": overview.as_of,
            "live": overview.live,
            "notices": [text for text in (overview.outage, overview.problem) if text],
            "progress": self._checks.progress,
        }

    async def _table(self, request: web.Request, view: str, belongs: Callable[[Entry], bool]) -> web.Response:
        await self._first_list()
        query = Query.parse(request.query)
        entries = [entry for entry in self._overview.entries() if belongs(entry)]
        selected = select(entries, query, self._clock())
        values: dict[str, object] = {
            "query": query,
            "selected": selected,
            "strip": [(str(severity), selected.counts[severity], label) for severity, label in _STRIP],
            "states": sorted({entry.state for entry in entries}),
            "providers": sorted({entry.provider for entry in entries if entry.provider}),
            "namespaces": sorted({entry.namespace for entry in entries}),
            "expires": EXPIRES,
            "complete": self._overview.complete,
        }
        return self.page(request, "rows.html" if "live" in request.query else "table.html", view, values)

    async def _first_list(self) -> None:
        """Wait for the first list, so that the first page is not empty."""
        end = asyncio.get_running_loop().time() + _FIRST_LIST
        while not self._overview.complete and not self._overview.problem:
            left = end - asyncio.get_running_loop().time()
            if left <= 0 or not await self._overview.changes(left):
                return
