"""The guard of the console: the one-time link, sessions, Host and Origin, CSRF tokens and response headers.

Other programs of this machine serve pages on other ports of the same addresses, and browsers send cookies to every
port of a host. So the cookie belongs to a path that no other program knows, and its name is random, too: no page on
another port receives it or can replace it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from webhook.console.errors import PageError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CSRF_FIELD = "csrf"
_LINK_SECONDS = 600.0
_MOST_SESSIONS = 8
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "clipboard-read=(), camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send "Origin: null" with forms
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(slots=True)
class Guard:
    """The sessions of one console.

    Attributes:
        prefix: the first segment of the path of every page.
        idle: seconds without a request after which a session ends.
    """

    idle: float
    clock: Callable[[], float] = time.monotonic
    prefix: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    hosts: frozenset[str] = frozenset()
    last_use: float = 0.0
    _cookie: str = field(default_factory=lambda: f"s{secrets.token_hex(12)}", repr=False)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _links: dict[bytes, float] = field(default_factory=dict, repr=False)
    _sessions: dict[bytes, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.last_use = self.clock()

    @property
    def idle_for(self) -> float:
        """Seconds since a user last did something."""
        return self.clock() - self.last_use

    def link(self) -> str:
        """Return the path of a new link, which opens the console once."""
        key = secrets.token_urlsafe(32)
        self._links = {_digest(key): self.clock() + _LINK_SECONDS}  # an older one opens nothing any more
        return f"/enter?key={key}"

    def enter(self, key: str) -> web.Response:
        """Exchange the key of a link for a session.

        Raises:
            PageError: the link was used before, is too old, or never existed.
        """
        until = self._links.pop(_digest(key), None)
        if until is None or until < self.clock():
            raise PageError(
                403,
                "This link does not open the console",
                "It opens the console once, and within ten minutes. Press Enter in the terminal for a new one.",
            )
        session = secrets.token_urlsafe(32)
        while len(self._sessions) >= _MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        self._sessions[_digest(session)] = self.last_use = self.clock()
        # Not a redirect: a browser that follows one from another site would not send a SameSite=Strict cookie.
        page = f'<!doctype html><meta http-equiv="refresh" content="0; url=/{self.prefix}/"><title>Console</title>'
        response = web.Response(text=page, content_type="text/html")
        response.set_cookie(self._cookie, session, path=f"/{self.prefix}/", httponly=True, samesite="Strict")
        return response

    def csrf_token(self, request: web.Request) -> str:
        """Return the token that forms of this session send."""
        session = request.cookies.get(self._cookie, "")
        return hmac.new(self._key, session.encode(), hashlib.sha256).hexdigest()

    def check_request(self, request: web.BaseRequest) -> None:
        """Check where a request comes from.

        Raises:
            PageError: it names another host (DNS rebinding), or comes from a page of another origin.
        """
        host = request.headers.get("Host", "").lower()
        if host not in self.hosts:
            raise PageError(403, "Wrong host", "The console answers only under its loopback addresses.")
        origin = request.headers.get("Origin")
        changes = request.method not in ("GET", "HEAD")
        if (changes and origin is None) or (origin is not None and origin != f"http://{host}"):
            raise PageError(403, "Wrong origin", "The request does not come from a page of the console.")
        site, mode = request.headers.get("Sec-Fetch-Site", "none"), request.headers.get("Sec-Fetch-Mode", "navigate")
        if site in ("cross-site", "same-site") and (changes or mode != "navigate"):
            raise PageError(403, "Wrong origin", "The request does not come from a page of the console.")

    def check_session(self, request: web.Request, *, counts: bool = True) -> None:
        """Check the session of a request.

        Args:
            counts: whether the request is a user's, and starts the idle timeout again.

        Raises:
            PageError: there is no session, or it was idle for too long.
        """
        session, now = _digest(request.cookies.get(self._cookie, "")), self.clock()
        used = self._sessions.get(session)
        if used is not None and now - used > self.idle:
            del self._sessions[session]
            used = None
        if used is None:
            raise PageError(
                401, "The session has ended", "Press Enter in the terminal where the console runs for a new link."
            )
        if counts:
            self._sessions[session] = self.last_use = now

    def check_form(self, request: web.Request, token: str) -> None:
        """Check the CSRF token of a form.

        Raises:
            PageError: it is not that of the session.
        """
        if not hmac.compare_digest(token.encode(errors="replace"), self.csrf_token(request).encode()):
            raise PageError(403, "The form is out of date", "Go back, reload the page, and try again. Nothing changed.")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()
