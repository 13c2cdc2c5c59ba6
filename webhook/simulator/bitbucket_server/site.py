"""One Bitbucket Server: from a call to its reply, in the order in which Bitbucket looks at things."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from webhook.simulator.bitbucket_server import access, administration, git, listings, replies
from webhook.simulator.bitbucket_server.identity import ANONYMOUS, Caller, holder, identify
from webhook.simulator.bitbucket_server.model import BitbucketServerHost, Level
from webhook.simulator.bitbucket_server.routing import Ask, Route
from webhook.simulator.exchange import Call, Reply
from webhook.simulator.provider import RateLimit

ROUTES: tuple[Route, ...] = (*listings.ROUTES, *administration.ROUTES)
WHO_AM_I = "/plugins/servlet/applinks/whoami"


class BitbucketServerSite:
    """Answers for a ``BitbucketServerHost``; the API, Git's URLs and the web site share one origin and context path."""

    def __init__(self, model: BitbucketServerHost) -> None:
        self.model = model
        self._calls = 0

    def api_url(self, origin: str) -> str:
        """Up to the context path, without ``/rest``."""
        return origin + self.model.context_path

    def git_url(self, origin: str) -> str:
        return f"{origin}{self.model.context_path}/scm"

    def token_name(self, call: Call) -> str | None:
        """The name even of a token that is no longer good, so that a log says which one was shown."""
        credentials = call.credentials()
        if credentials is None:
            return "(unknown)" if call.header("Authorization") else None
        token = self.model.token_presented(credentials.secret)
        return "(unknown)" if token is None else token.name

    def answer(self, call: Call) -> Reply:
        self._calls += 1
        if not f"{call.path}/".startswith(f"{self.model.context_path}/"):
            return replies.web_page_not_found()
        path = call.path.removeprefix(self.model.context_path).rstrip("/")
        if path.startswith("/rest/"):
            return self._answer_api(call, path)
        address = git.ADDRESS.fullmatch(path)
        if address is not None and call.method == "GET":
            return git.advertise(self.model, call, identify(self.model, call), address["project"], address["repo"])
        return self._answer_web(call, path)

    def _answer_api(self, call: Call, path: str) -> Reply:
        caller = identify(self.model, call)
        if isinstance(caller, Reply):
            return caller.with_headers({**self._common_headers(ANONYMOUS), **self._challenge(call, caller)})
        reply = self._dispatch(call, caller, path)
        named = self.model.names_caller_in_refusals or reply.status != 401
        headers = self._common_headers(caller if named else ANONYMOUS)
        return reply.with_headers({**headers, **self._challenge(call, reply)})

    def _dispatch(self, call: Call, caller: Caller, path: str) -> Reply:
        method = "GET" if call.method == "HEAD" else call.method
        for route in ROUTES:
            match = route.pattern.fullmatch(path)
            if match is not None and route.method == method:
                return self._run(route, Ask(self.model, call, caller, self._base(call), match.groupdict()))
        return replies.no_such_resource(self._base(call) + path)

    def _run(self, route: Route, ask: Ask) -> Reply:
        """The project and the repository must be there first; only then is it asked who may."""
        if route.need is None:
            return route.handler(ask)
        key = ask.params["project"]
        project = self.model.project(key)
        if project is None:
            return replies.no_such_project(key)
        ask = replace(ask, known_project=project)
        if "repo" in ask.params:
            repository = self.model.repository(key, ask.params["repo"])
            if repository is None:
                return replies.no_such_repository(project.key, ask.params["repo"])
            ask = replace(ask, known_repository=repository)
        return route.handler(ask) if self._may(route, ask) else replies.not_permitted()

    def _may(self, route: Route, ask: Ask) -> bool:
        if ask.known_repository is not None:
            return access.repository_level(self.model, ask.caller, ask.known_repository) >= Level.of(route.need)
        if route.need == "PROJECT_READ":  # a right on a repository in it is enough to look at a project
            return access.views(self.model, ask.caller, ask.project)
        return access.project_level(self.model, ask.caller, ask.project) >= Level.of(route.need)

    def _answer_web(self, call: Call, path: str) -> Reply:
        """Return a web page. Newer versions redirect a request with a token to the login page."""
        confined = self.model.confines_tokens
        caller = identify(self.model, call, takes_tokens=not confined)
        if isinstance(caller, Reply):
            return caller
        if confined and call.header("Authorization"):
            return Reply(302, {"Location": f"{self._base(call)}/login?next={quote(path, safe='')}"})
        return Reply.text(200, caller.name) if path == WHO_AM_I else replies.web_page_not_found()

    def _base(self, call: Call) -> str:
        return f"https://{call.host or self.model.name}{self.model.context_path}"

    def _common_headers(self, caller: Caller) -> dict[str, str]:
        """Return the headers of every response. ``X-AUSERNAME`` is URL-encoded, and absent for an anonymous caller."""
        headers = {
            "X-AREQUESTID": f"@SIM{self._calls}x{self._calls}x0",
            "Cache-Control": "no-cache, no-transform",
            "Vary": "accept-encoding,x-auserid,cookie,x-ausername",
            "X-Content-Type-Options": "nosniff",
        }
        if not caller.anonymous:
            return {**headers, "X-AUSERID": str(caller.id), "X-AUSERNAME": quote(caller.name, safe="")}
        return {**headers, "X-AUSERNAME": "anonymous"} if self.model.names_anonymous else headers

    def _challenge(self, call: Call, reply: Reply) -> dict[str, str]:
        return replies.oauth_challenge(self._base(call)) if reply.status == 401 else {}

    def rate_limited(self, call: Call, limit: RateLimit) -> Reply:
        """Always 429. The caller is known by then, since the limit is each person's own."""
        credentials = call.credentials()
        caller = None if credentials is None else holder(self.model, credentials.secret)
        return replies.too_many_requests(limit.retry_after).with_headers(self._common_headers(caller or ANONYMOUS))
