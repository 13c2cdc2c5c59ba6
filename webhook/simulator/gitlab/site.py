"""One GitLab installation: from a call to its reply, in the order in which GitLab looks at things."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlencode

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.gitlab import documents, git, granular, identity, places, replies, tokens
from webhook.simulator.gitlab.model import GitLabHost, Group, Project, TokenKind
from webhook.simulator.gitlab.routing import Ask, Route
from webhook.simulator.provider import RateLimit

ROUTES: tuple[Route, ...] = (*tokens.ROUTES, *places.ROUTES)
API = "/api/v4"
BAN = timedelta(hours=1)


class GitLabSite:
    """Answers for a ``GitLabHost``; the API, Git's URLs and the web site share one origin and one path prefix."""

    def __init__(self, model: GitLabHost) -> None:
        self.model = model
        self._calls = 0
        self._failures: dict[str, int] = {}
        self._banned_until: dict[str, datetime] = {}

    def api_url(self, origin: str) -> str:
        return f"{origin}{self.model.path_prefix}{API}"

    def git_url(self, origin: str) -> str:
        return f"{origin}{self.model.path_prefix}"

    def token_name(self, call: Call) -> str | None:
        """The name even of a token that is no longer good, so that a log says which one was shown."""
        secret = identity.presented(call)
        if secret is None:
            return "(unknown)" if call.header("Authorization") else None
        token = self.model.token_presented(secret)
        return token.name if token is not None else "(unknown)"

    def answer(self, call: Call) -> Reply:
        self._calls += 1
        prefix = self.model.path_prefix
        path = call.path if self.model.proxy_decodes_slashes else call.raw_path or call.path
        if not path.startswith(f"{prefix}/"):
            return Reply.text(404, "<html><body><h1>404 Not Found</h1></body></html>\n", "text/html")
        path = path.removeprefix(prefix)
        if path.startswith(f"{API}/"):
            reply = self._answer_api(call, path.removeprefix(API))
        elif path == "/oauth/token/info":
            reply = self._oauth_token_info(call)
        elif (address := git.ADDRESS.fullmatch(unquote(path))) is not None and call.method == "GET":
            reply = self._answer_git(call, address["path"], whole=address["suffix"] is not None)
        elif path == "/users/sign_in":
            reply = replies.sign_in_page()
        else:
            reply = replies.sign_in_redirect(self._web(call))
        return reply.with_headers(self._common_headers())

    def _web(self, call: Call) -> str:
        return f"https://{call.host or self.model.name}{self.model.path_prefix}"

    def _common_headers(self) -> dict[str, str]:
        """They give a GitLab away, on 401 too."""
        number = hashlib.sha256(str(self._calls).encode()).hexdigest()[:26].upper()
        return {
            "Server": "nginx",
            "Cache-Control": "no-cache",
            "Vary": "Origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "SAMEORIGIN",
            "X-GitLab-Meta": json.dumps({"correlation_id": number, "version": "1"}, separators=(",", ":")),
            "X-Request-Id": number,
        }

    def _answer_api(self, call: Call, path: str) -> Reply:
        method = "GET" if call.method == "HEAD" else call.method
        found = [route for route in ROUTES if self.model.at_least(*route.since) and route.pattern.fullmatch(path)]
        route = next((one for one in found if one.method == method), None)
        if route is None:
            return replies.not_allowed() if found else replies.no_route()
        match = route.pattern.fullmatch(path)
        params = {name: unquote(value) for name, value in match.groupdict().items()} if match is not None else {}
        caller = identity.identify(self.model, call, route.scopes)
        if isinstance(caller, Reply):
            return caller
        return self._let_in(route, Ask(self.model, call, caller, self._web(call), path, params))

    def _let_in(self, route: Route, ask: Ask) -> Reply:
        token = ask.caller.token
        if token is None and not route.public:
            return replies.unauthorized()
        if route.personal_only and token is not None and not token.personal:
            return replies.message(400, f"400 Bad request - {replies.NOT_PERSONAL}")
        place = self._place(route, ask)
        if isinstance(place, Reply):
            return place
        if token is not None:
            refused = granular.refusal(self.model, token, route.permission, place)
            if refused is not None:
                return refused
        return route.handler(Ask(ask.host, ask.call, ask.caller, ask.web, ask.path, ask.params, place))

    def _place(self, route: Route, ask: Ask) -> Project | Group | Reply | None:
        """The project or group that the path names; 404 alike for what isn't there and what the caller can't see."""
        host, username = self.model, ask.caller.username
        if route.place == "project":
            project = host.project(ask.params["id"])
            moved = host.moved_project(ask.params["id"]) if project is None else None
            if moved is not None and host.sees_project(username, moved):
                return self._moved(ask, moved)
            seen = project is not None and host.sees_project(username, project)
            return project if project is not None and seen else replies.not_found("Project")
        if route.place == "group":
            group = host.group(ask.params["id"])
            seen = group is not None and host.sees_group(username, group)
            return group if group is not None and seen else replies.not_found("Group")
        return None

    def _moved(self, ask: Ask, project: Project) -> Reply:
        """Reading is redirected to the project's number (lib/api/helpers.rb, ``find_project!``)."""
        if ask.call.method not in ("GET", "HEAD"):
            return replies.message(405, "Non GET methods are not allowed for moved projects")
        rest = re.sub(r"\A/projects/[^/]+", "", ask.path)
        query = f"?{urlencode(ask.call.query)}" if ask.call.query else ""
        return replies.moved(f"{ask.web}{API}/projects/{project.id}{rest}{query}")

    def _oauth_token_info(self, call: Call) -> Reply:
        """Of the web site, for OAuth tokens alone; their kind is what it proves."""
        token = identity.find(self.model, call)
        if token is None or isinstance(token, Reply) or token.kind is not TokenKind.OAUTH:
            return replies.oauth_token_invalid()
        owner = self.model.account(token.owner)
        if token.revoked or token.expired(self.model.now()) or owner is None:
            return replies.oauth_token_invalid()
        return Reply.json(200, documents.oauth_token(token, owner, self.model.now()))

    def _answer_git(self, call: Call, path: str, *, whole: bool) -> Reply:
        if not whole:
            target = f"{self._web(call)}/{path}.git/info/refs?service={call.query.get('service', '')}"
            return Reply.text(301, "", "text/html").with_headers({"Location": target})
        shows_password = (credentials := call.credentials()) is not None and credentials.scheme == "basic"
        if shows_password and self._banned_until.get(call.peer, self.model.now()) > self.model.now():
            return Reply.text(403, "Forbidden\n", "text/plain")
        reply = git.advertise(self.model, call, path)
        if shows_password:
            self._count(call.peer, failed=reply.status == 401)
        return reply

    def _count(self, peer: str, *, failed: bool) -> None:
        """Rack::Attack: bad passwords add up, a good one clears them."""
        self._failures[peer] = self._failures.get(peer, 0) + 1 if failed else 0
        if self.model.git_attempts is not None and self._failures[peer] >= self.model.git_attempts:
            self._banned_until[peer] = self.model.now() + BAN

    def rate_limited(self, call: Call, limit: RateLimit) -> Reply:
        """429 whatever status is asked for: GitLab has no other."""
        reply = replies.too_many_times() if limit.secondary else replies.retry_later()
        headers = {}
        if self.model.sends_rate_limit_headers:
            reset = self.model.now() + timedelta(seconds=limit.reset_in)
            headers = {
                "RateLimit-Name": "throttle_authenticated_api",
                "RateLimit-Limit": "2000",
                "RateLimit-Observed": "2001",
                "RateLimit-Remaining": "0",
                "RateLimit-Reset": str(int(reset.timestamp())),
                "RateLimit-ResetTime": reset.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
                "Retry-After": str(limit.retry_after or limit.reset_in),
            }
        elif limit.retry_after is not None:
            headers = {"Retry-After": str(limit.retry_after)}
        return reply.with_headers({**headers, **self._common_headers()})
