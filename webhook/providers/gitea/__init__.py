"""Gitea and Forgejo.

Only the newest versions list a token's scopes (``GET /token``). All check a token's scopes first, and only then whether
the requested object exists and the request's content is complete (``tokenRequiresScopes`` and the order of checks in
``routers/api/v1/api.go``, in the source of both). So each scope is probed where nothing can exist, at an account called
``-``, which is not a valid name, or without the content that a write needs: 403 names the missing scope, 404 and 422
prove that the token has it, and nothing is changed.

profile       names of scopes and default requirements
requests      the one round of requests
replies       what single replies mean
refusals      what blocks a valid token, with remedies
scopes        which scopes a token has
repositories  what a response for a repository means
evaluate      the answer from all responses
links         where to create a better token
"""

from __future__ import annotations

from webhook.providers.base import Api, RateLimit, Reply
from webhook.providers.findings import Answer, Facts, Finding, Outcome, Question, TokenCredential, same_for_all
from webhook.providers.gitea.evaluate import evaluate
from webhook.providers.gitea.profile import PROFILE
from webhook.providers.gitea.requests import send_all


class Gitea:
    """The provider for Gitea and Forgejo."""

    profile = PROFILE

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        credential = question.credential
        if not isinstance(credential, TokenCredential):
            finding = Finding(Outcome.UNSUPPORTED, reason="is a Gitea, which does not support GitHub Apps")
            return same_for_all(question, finding, Facts("app", "GitHub App"))
        secret = credential.token.get_secret_value()
        return evaluate(question, await send_all(question, api, secret), secret)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """Return None: Gitea has no rate limit. `providers.transport` handles the 429 of a proxy."""
        return None
