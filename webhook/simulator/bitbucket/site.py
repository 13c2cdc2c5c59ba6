"""Bitbucket Cloud: from a call to its reply, in the order in which Bitbucket looks at things."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from webhook.simulator.bitbucket import access, git, people, replies, repositories
from webhook.simulator.bitbucket.identity import Caller, identify
from webhook.simulator.bitbucket.model import BitbucketHost
from webhook.simulator.bitbucket.routing import Ask, Route
from webhook.simulator.exchange import Call, Reply
from webhook.simulator.provider import RateLimit

ROUTES: tuple[Route, ...] = (*people.ROUTES, *repositories.ROUTES)
PREFIX = "/2.0"


class BitbucketSite:
    """Answers for a ``BitbucketHost``; the API and Git's own URLs share one origin."""

    def __init__(self, model: BitbucketHost) -> None:
        self.model = model

    def api_url(self, origin: str) -> str:
        return origin + PREFIX

    def git_url(self, origin: str) -> str:
        return origin

    def token_name(self, call: Call) -> str | None:
        """The name even of a token that is no longer good, or is shown wrongly, so that a log says which it was."""
        if not call.header("Authorization"):
            return None
        credentials = call.credentials()
        token = self.model.token_presented(credentials) if credentials is not None else None
        return token.name if token is not None else "(unknown)"

    def answer(self, call: Call) -> Reply:
        address = git.ADDRESS.fullmatch(call.path)
        if address is not None and call.method == "GET" and not self._is_api_host(call):
            return git.advertise(self.model, call, address["workspace"], address["repo"])
        if self._is_web_host(call):
            return replies.web_page_not_found()
        if not f"{call.path}/".startswith(f"{PREFIX}/"):
            return replies.old_path()
        caller = identify(self.model, call)
        reply = caller if isinstance(caller, Reply) else self._answer_caller(call, caller)
        return reply.with_headers({"Server": "AtlassianEdge"})

    def _is_api_host(self, call: Call) -> bool:
        return call.host.lower() == f"api.{self.model.name}"

    def _is_web_host(self, call: Call) -> bool:
        """``https://bitbucket.org/2.0/user`` is a web page; the API is at api.bitbucket.org. Loopback is both."""
        return call.host.lower() in (self.model.name, f"www.{self.model.name}")

    def _answer_caller(self, call: Call, caller: Caller) -> Reply:
        path = call.path.removeprefix(PREFIX)
        method = "GET" if call.method == "HEAD" else call.method
        for route in ROUTES:
            match = route.pattern.fullmatch(path)
            if match is None or route.method != method:
                continue
            api = f"https://{call.host or f'api.{self.model.name}'}{PREFIX}"
            reply = self._run(route, Ask(self.model, call, caller, api, path, match.groupdict()))
            # A 401 tells nothing of the credentials (recorded).
            return reply if reply.status == 401 else reply.with_headers({**route.headers, **caller.headers})
        return replies.no_such_api().with_headers(caller.headers)

    def _run(self, route: Route, ask: Ask) -> Reply:
        if route.need is None:
            return route.handler(ask)
        if not route.names_repository:
            return access.lacks_scopes(ask.caller, route.need) or route.handler(ask)
        known = self.model.repository(ask.params["workspace"], ask.params["repo"])
        refused = access.refusal(self.model, ask.caller, known, route.need)
        return refused or route.handler(replace(ask, known=known))

    def rate_limited(self, call: Call, limit: RateLimit) -> Reply:
        """Always 429, whatever status another provider would use."""
        waits = limit.retry_after
        as_date = self.model.retry_after_as_date and waits is not None
        until = self.model.now() + timedelta(seconds=waits or 0) if as_date else None
        return replies.rate_limited(waits, until).with_headers({"Server": "AtlassianEdge"})
