"""One Gitea or Forgejo: from a call to its reply, in the order in which Gitea looks at things."""

from __future__ import annotations

from dataclasses import replace

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.gitea import endpoints, git, replies
from webhook.simulator.gitea.identity import Caller, identify, token_presented
from webhook.simulator.gitea.model import GiteaHost, Repository, Role
from webhook.simulator.gitea.routing import Ask, Route
from webhook.simulator.provider import RateLimit

PREFIX = "/api/v1"
FORGEJO_VERSION = "/api/forgejo/v1/version"
NOT_AN_ADMIN = "user should be an owner or a collaborator with admin write of a repository"


class GiteaSite:
    """Answers for a ``GiteaHost``; the API and Git's own URLs share one origin."""

    def __init__(self, model: GiteaHost) -> None:
        self.model = model

    def api_url(self, origin: str) -> str:
        return origin + PREFIX

    def git_url(self, origin: str) -> str:
        return origin

    def token_name(self, call: Call) -> str | None:
        """The name even of a token that is no longer good, so that a log says which one was shown."""
        credentials = call.credentials()
        if credentials is None:
            return "(unknown)" if call.header("Authorization") else None
        token = token_presented(self.model, credentials)
        return "(unknown)" if token is None else token.name

    def answer(self, call: Call) -> Reply:
        caller = identify(self.model, call)
        address = git.ADDRESS.fullmatch(call.path)
        if address is not None and call.method == "GET":
            return git.advertise(self.model, call, caller, address["owner"], address["repo"])
        if call.path == FORGEJO_VERSION and self.model.flavour == "forgejo":
            return Reply.json(200, {"version": f"{self.model.version}+gitea-1.22.0"})
        if not call.path.startswith(f"{PREFIX}/"):
            return replies.web_page_not_found()
        return self._answer_api(call, caller)

    def _answer_api(self, call: Call, caller: Caller | None) -> Reply:
        site = f"https://{call.host or self.model.name}"
        if caller is None:
            return replies.bad_credentials(site)
        if caller.user is not None and caller.user.prohibited:
            return replies.sign_in_prohibited()
        if caller.user is None and self.model.requires_sign_in:
            return replies.sign_in_required()
        method, path = "GET" if call.method == "HEAD" else call.method, call.path.removeprefix(PREFIX)
        for route in endpoints.ROUTES:
            match = route.pattern.fullmatch(path)
            if match is not None and route.method == method:
                return self._run(route, Ask(self.model, call, caller, site, match.groupdict()))
        return replies.not_found(site)

    def _run(self, route: Route, ask: Ask) -> Reply:
        """The token's scopes come first, before it is looked whether anything is there."""
        return self._lacks_scopes(route, ask) or self._run_in_scope(route, ask)

    def _lacks_scopes(self, route: Route, ask: Ask) -> Reply | None:
        token = ask.caller.token
        if token is None:
            return None
        hidden = self.model.version_needs_scope and route.path == "/version"
        needed = [*route.scopes, ["read:misc"]] if hidden else route.scopes
        for scopes in needed:
            if not all(token.holds(scope) for scope in scopes):
                return replies.scopes_missing(scopes, token.scopes if self.model.tells_scopes else None, ask.site)
        return None

    def _run_in_scope(self, route: Route, ask: Ask) -> Reply:
        if route.role is not None:
            token = ask.caller.token
            owner, name = ask.params["owner"], ask.params["repo"]
            repository = self.model.repository(owner, name)
            if repository is None and (renamed := self.model.renamed(owner, name)) is not None:
                return self._redirect(ask, renamed)
            if repository is None or self.model.role(ask.caller.user, repository, token) < Role.READ:
                return replies.not_found(ask.site)
            if repository.private and token is not None and token.public_only:
                return replies.error(403, f"token scope is limited to public {_named(route)}", ask.site)
            ask = replace(ask, known=repository)
        if route.signed_in and ask.caller.user is None:
            return replies.error(401, "token is required", ask.site)
        if route.role is not None and self.model.role(ask.caller.user, ask.repository, ask.caller.token) < route.role:
            return replies.error(403, NOT_AN_ADMIN, ask.site)
        return route.handler(ask)

    def _redirect(self, ask: Ask, repository: Repository) -> Reply:
        """301 for a renamed repository, 307 for a renamed owner, to every caller (go-gitea/gitea#28460)."""
        owner, name = ask.params["owner"], ask.params["repo"]
        status = 301 if owner.lower() == repository.owner.lower() else 307
        return replies.moved(status, ask.call.path.replace(f"/{owner}/{name}", f"/{repository.full_name}", 1))

    def rate_limited(self, call: Call, limit: RateLimit) -> Reply:
        return replies.too_many_requests(limit.retry_after)


def _named(route: Route) -> str:
    return "issues" if route.categories == (("issue",),) else "repos"
