"""Gitea and Forgejo.

Only the newest list what a token may do (``GET /token``). All look at a token's scopes first, and only then whether
what it asks for exists and whether a request's content is complete (``tokenRequiresScopes`` and the order of checks in
``routers/api/v1/api.go``, in the source of both). So each scope is asked for where nothing can be, at an account called
``-``, which is no valid name, or without the content that a write needs: 403 names the scope that is missing, 404 and
422 prove that it is there, and nothing is ever changed.

profile       what is known without asking
requests      the one round of requests
replies       what single replies mean
refusals      what stops a valid token
scopes        what a token may do
repositories  what a reply for a repository means
evaluate      what all replies together mean
links
"""

from __future__ import annotations

from dataclasses import replace

from webhook.providers.base import Api, RateLimit, Reply
from webhook.providers.concurrency import CountingApi
from webhook.providers.findings import Answer, Facts, Finding, Outcome, Question, TokenCredential, same_for_all
from webhook.providers.gitea.evaluate import evaluate
from webhook.providers.gitea.profile import PROFILE
from webhook.providers.gitea.requests import send_all


class Gitea:
    """Asks Gitea or Forgejo about one credential."""

    profile = PROFILE

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        credential = question.credential
        if not isinstance(credential, TokenCredential):
            finding = Finding(Outcome.UNSUPPORTED, reason="is a Gitea, which knows nothing of GitHub Apps")
            return same_for_all(question, finding, Facts("app", "GitHub App"))
        secret = credential.token.get_secret_value()
        counted = CountingApi(api)
        responses = await send_all(question, counted, secret)
        return replace(evaluate(question, responses, secret), requests=counted.requests)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """Return None: Gitea limits nothing. `providers.http` knows what a 429 of a proxy before it means."""
        return None
