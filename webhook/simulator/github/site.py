"""One GitHub installation: from a call to its reply, in the order in which GitHub looks at things."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from urllib.parse import urlencode

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.github import access, apps, git, people, replies, repositories
from webhook.simulator.github.device_flow import CODE_PATH, TOKEN_PATH
from webhook.simulator.github.identity import Caller, identify
from webhook.simulator.github.model import GitHubHost, Token, TokenKind
from webhook.simulator.github.quota import Quota, Window
from webhook.simulator.github.routing import Ask, Route, json_body
from webhook.simulator.provider import RateLimit

ROUTES: tuple[Route, ...] = (*apps.ROUTES, *people.ROUTES, *repositories.ROUTES)
SERVER_PREFIX = "/api/v3"
_NAMED = re.compile(r"/repos/(?P<owner>[^/]+)/(?P<repo>[^/]+)(?P<rest>(?:/.*)?)")
_NUMBERED = re.compile(r"/repositories/(?P<id>[0-9]+)(?P<rest>(?:/.*)?)")


class GitHubSite:
    """Answers for a ``GitHubHost``; the API and Git's own URLs share one origin."""

    def __init__(self, model: GitHubHost) -> None:
        self.model = model
        self._quota = Quota(model)
        self._calls = 0

    def api_url(self, origin: str) -> str:
        return origin + self._prefix

    def git_url(self, origin: str) -> str:
        return origin

    @property
    def _prefix(self) -> str:
        """Only an Enterprise Server has its API below a path."""
        return SERVER_PREFIX if self.model.variant == "server" else ""

    def token_name(self, call: Call) -> str | None:
        """The name even of a token that is no longer good, so that a log says which one was shown."""
        credentials = call.credentials()
        if credentials is None:
            return "(unknown)" if call.header("Authorization") else None
        token = self.model.token_presented(credentials)
        if token is not None:
            return token.name
        caller = identify(self.model, call)
        return "(unknown)" if isinstance(caller, Reply) else caller.name

    def answer(self, call: Call) -> Reply:
        self._calls += 1
        if call.method == "POST" and call.path in (CODE_PATH, TOKEN_PATH):
            return self._answer_device_flow(call)
        address = git.ADDRESS.fullmatch(call.path)
        if address is not None and call.method == "GET" and not self._is_api_host(call):
            return self._answer_git(call, address["owner"], address["repo"])
        if not call.path.startswith(self._prefix) or self._is_web_host(call):
            return replies.web_page_not_found()
        if not call.header("User-Agent") and self.model.variant != "server":
            return replies.user_agent_missing()
        caller = self._identify(call)
        reply = caller if isinstance(caller, Reply) else self._answer_caller(call, caller)
        return reply.with_headers(self._common_headers())

    def _answer_device_flow(self, call: Call) -> Reply:
        flows, now = self.model.device_flows, self.model.now()
        if call.path == CODE_PATH:
            return flows.issue(call, f"https://{call.host or self.model.name}", now)
        found = flows.redeem(call, now)
        if isinstance(found, Reply):
            return found
        name = f"device-{found.user_code}"
        token = Token(name=name, kind=TokenKind.OAUTH, seed=now.isoformat(), owner=found.login, scopes=found.scopes)
        self.model.add(token)
        scope = ",".join(found.scopes)
        return Reply.json(200, {"access_token": token.value, "token_type": "bearer", "scope": scope})

    def _is_api_host(self, call: Call) -> bool:
        return call.host.lower() == f"api.{self.model.name}"

    def _is_web_host(self, call: Call) -> bool:
        """``https://github.com/user`` is a web page; the API is at api.github.com. Loopback stands for both."""
        return self.model.variant != "server" and call.host.lower() in (self.model.name, f"www.{self.model.name}")

    def _common_headers(self) -> dict[str, str]:
        headers = {
            "Server": "github.com",
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Request-Id": hashlib.sha256(str(self._calls).encode()).hexdigest()[:20].upper(),
            "X-Content-Type-Options": "nosniff",
        }
        if self.model.variant == "server":
            return {**headers, "X-GitHub-Enterprise-Version": self.model.version}
        return {**headers, "x-github-api-version-selected": "2022-11-28"}

    def _identify(self, call: Call) -> Caller | Reply:
        if self._quota.is_locked(call.peer):
            return replies.too_many_logins()
        caller = identify(self.model, call)
        if isinstance(caller, Reply) and caller.status == 401:
            self._quota.failed(call.peer)
        if isinstance(caller, Caller) and caller.anonymous and self.model.private_mode:
            return replies.error(401, "Must authenticate to access this API.")
        return caller

    def _answer_git(self, call: Call, owner: str, name: str) -> Reply:
        reply = git.advertise(self.model, call, self._identify(call), owner, name)
        return reply.with_headers({"Server": "GitHub-Babel/3.0", "Cache-Control": "no-cache"})

    def _answer_caller(self, call: Call, caller: Caller) -> Reply:
        path = call.path.removeprefix(self._prefix) or "/"
        window = self._quota.window(caller, call.peer)
        if path == "/rate_limit":
            reply = self._rate_limit(window)
        else:
            reply = self._spend(caller, window) or self._dispatch(call, caller, path)
        headers = self._token_headers(caller)
        if window is not None:
            headers |= window.headers
        return reply.with_headers(headers)

    def _rate_limit(self, window: Window | None) -> Reply:
        """Costs nothing of the primary limit. 404 on an Enterprise Server without limits."""
        if window is None:
            return replies.error(404, "Rate limiting is not enabled.")
        left = max(0, window.limit - window.used)
        core = {"limit": window.limit, "used": window.used, "remaining": left, "reset": window.resets_at}
        return Reply.json(200, {"resources": {"core": core}, "rate": core})

    def _spend(self, caller: Caller, window: Window | None) -> Reply | None:
        if self._is_suspended(caller):
            return replies.account_suspended()
        token = caller.token
        if token is not None and token.kind is TokenKind.INSTALLATION:
            if self.model.installations[token.installation_id or 0].suspended_at is not None:
                return replies.installation_suspended()
        if window is None:
            return None
        window.used += 1
        return replies.primary_rate_limit(self._whose_limit(caller)) if window.used > window.limit else None

    def _is_suspended(self, caller: Caller) -> bool:
        person = self.model.account(caller.login) if caller.login is not None else None
        return person is not None and person.suspended

    def _whose_limit(self, caller: Caller) -> str:
        if caller.token is None:
            return "127.0.0.1"
        if caller.token.kind is TokenKind.INSTALLATION:
            return f"installation ID {caller.token.installation_id}"
        person = self.model.account(caller.login or "")
        return f"user ID {person.id if person is not None else 0}"

    def _dispatch(self, call: Call, caller: Caller, path: str) -> Reply:
        method = "GET" if call.method == "HEAD" else call.method
        api = f"https://{call.host or self.model.name}{self._prefix}"
        if (moved := self._moved(call, caller, path, api)) is not None:
            return moved
        path = self._by_name(path)
        for route in ROUTES:
            if route.method != method:
                continue
            match = route.pattern.fullmatch(path)
            if match is None:
                continue
            ask = Ask(self.model, call, caller, api, path, match.groupdict())
            return self._run(route, ask).with_headers(self._route_headers(route, caller))
        return replies.not_found()  # which is also what a trailing slash gets

    def _moved(self, call: Call, caller: Caller, path: str, api: str) -> Reply | None:
        """A redirect where the path has a repository's former name, as far as the caller may know of it."""
        match = _NAMED.fullmatch(path)
        if match is None or self.model.repository(match["owner"], match["repo"]) is not None:
            return None
        repository = self.model.moved_repository(match["owner"], match["repo"])
        if repository is None or not (caller.app is not None or access.sees(self.model, caller, repository)):
            return None
        query = f"?{urlencode(call.query)}" if call.query else ""
        location = f"{api}/repositories/{repository.id}{match['rest']}{query}"
        return replies.moved(location, 301 if call.method in ("GET", "HEAD") else 307)

    def _by_name(self, path: str) -> str:
        """``/repositories/ID/…`` as the path with the repository's name, which GitHub serves alike."""
        match = _NUMBERED.fullmatch(path)
        known = match and next((one for one in self.model.repositories.values() if str(one.id) == match["id"]), None)
        return f"/repos/{known.full_name}{match['rest']}" if match and known else path

    def _run(self, route: Route, ask: Ask) -> Reply:
        if route.need is None:
            return route.handler(ask)
        repository = self.model.repository(ask.params["owner"], ask.params["repo"])
        if repository is None:
            return replies.not_found()
        ask = replace(ask, known=repository)
        refused = access.refusal(self.model, ask.caller, repository, route.need, ask.call)
        if route.check is None:
            return refused or route.handler(ask)
        body = json_body(ask.call)
        ask = replace(ask, body=body if isinstance(body, dict) else {})
        invalid = body if isinstance(body, Reply) else route.check(ask)
        visible = access.sees(self.model, ask.caller, repository)
        if self.model.validates_before_authorizing and visible:
            return invalid or refused or route.handler(ask)
        return refused or invalid or route.handler(ask)

    def _route_headers(self, route: Route, caller: Caller) -> dict[str, str]:
        token = caller.token
        if token is None:
            return {}
        if token.scopes_header is not None:
            return {"X-Accepted-OAuth-Scopes": route.accepted_scopes}
        if route.need is not None and self.model.sends_accepted_permissions:
            return {"X-Accepted-GitHub-Permissions": route.need.accepted_permissions}
        return {}

    def _token_headers(self, caller: Caller) -> dict[str, str]:
        """Scopes and expiry, on errors too (recorded: 403 and 404)."""
        token = caller.token
        if token is None:
            return {}
        headers = {}
        if token.scopes_header is not None:
            headers["X-OAuth-Scopes"] = token.scopes_header
        if token.expiry_header is not None:
            headers["github-authentication-token-expiration"] = token.expiry_header
        return headers

    def rate_limited(self, call: Call, limit: RateLimit) -> Reply:
        caller = identify(self.model, call)
        known = Caller() if isinstance(caller, Reply) else caller
        reset = int(self.model.now().timestamp()) + limit.reset_in
        if limit.secondary:
            # the primary window is untouched, so its headers show plenty left
            window, reply = Window(5000, reset, 12), replies.secondary_rate_limit(limit.retry_after, limit.status)
        else:
            window = Window(5000, reset, 5000)
            reply = replies.primary_rate_limit(self._whose_limit(known), limit.status)
        return reply.with_headers({**window.headers, **self._token_headers(known), **self._common_headers()})
