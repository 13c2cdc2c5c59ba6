"""The routes of the console, and what every request passes."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

from webhook.cluster.requests import ApiError
from webhook.console.actions import Actions
from webhook.console.errors import PageError
from webhook.console.pages import Pages
from webhook.console.rendering import Renderer
from webhook.console.security import CSRF_FIELD, HEADERS, Guard, Handler

_SESSION = web.RequestKey("session", bool)
_LARGEST = 256 * 1024
"""Bytes of a form. No token has more than a few kilobytes."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one console."""

    guard: Guard
    renderer: Renderer
    pages: Pages
    actions: Actions


def application(parts: Parts) -> web.Application:
    """Return the application."""
    app = web.Application(client_max_size=_LARGEST, middlewares=[_middleware(parts)])
    base, pages, actions = f"/{parts.guard.prefix}", parts.pages, parts.actions
    secret = f"{base}/secrets/{{namespace}}/{{name}}"

    async def enter(request: web.Request) -> web.StreamResponse:
        return parts.guard.enter(request.query.get("key", ""))

    async def asset(request: web.Request) -> web.StreamResponse:
        found = parts.renderer.assets.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        return web.Response(text=found[1], content_type=found[0])

    app.add_routes(
        [
            web.get("/enter", enter),
            web.get(f"{base}/", pages.runtimes),
            web.get(f"{base}/users", pages.users),
            web.get(f"{base}/timeline", pages.timeline),
            web.get(f"{base}/events", pages.events),
            web.get(f"{base}/static/{{file}}", asset),
            web.get(f"{base}/add", actions.add_form),
            web.post(f"{base}/add", actions.add),
            web.post(f"{base}/check", actions.check),
            web.get(secret, actions.secret),
            web.post(f"{secret}/token", actions.replace),
            web.post(f"{secret}/authorize", actions.authorize),
            web.get(f"{base}/authorizations/{{key}}", actions.authorization),
            web.post(f"{secret}/delete", actions.delete),
            web.post(f"{secret}/notifications", actions.notifications),
        ]
    )
    return app


def _middleware(parts: Parts) -> Middleware:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        response: web.StreamResponse
        try:
            response = await _answer(parts.guard, request, handler)
        except PageError as error:
            response = _error_page(parts.renderer, request, error)
        except ApiError as error:
            response = _error_page(
                parts.renderer, request, PageError(502, "The API server did not do this", f"{error}.")
            )
        except web.HTTPException as error:
            response = _error_page(parts.renderer, request, PageError(error.status, error.reason, "Check the address."))
        except Exception as error:  # its text may quote the form
            problem = PageError(500, "The console has a bug", f"Please report it: {type(error).__name__}.")
            response = _error_page(parts.renderer, request, problem)
        if not response.prepared:
            response.headers.update(HEADERS)
        return response

    return guarded


async def _answer(guard: Guard, request: web.Request, handler: Handler) -> web.StreamResponse:
    guard.check_request(request)
    if request.path == "/enter":
        return await handler(request)
    if not request.path.startswith(f"/{guard.prefix}/"):
        raise web.HTTPNotFound
    guard.check_session(request, counts=request.query.get("live") != "auto")
    request[_SESSION] = True
    if request.method == "POST":
        form = await request.post()
        guard.check_form(request, str(form.get(CSRF_FIELD, "")))
    return await handler(request)


def _error_page(renderer: Renderer, request: web.Request, error: PageError) -> web.Response:
    # The addresses of the pages are for those who have a session.
    template = "error.html" if request.get(_SESSION) else "closed.html"
    text = renderer.render(template, {"title": error.title, "advice": error.advice, "view": ""})
    return web.Response(text=text, status=error.status, content_type="text/html")
