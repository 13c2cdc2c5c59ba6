"""Bitbucket Cloud.

token       what is asked, in which order, and what all of it means
scopes      whether a token's scopes suffice
reach       whether it reaches the repositories that it must, put together of what `repository` says of each
places      which repositories those are, and where they are asked for
kinds       API tokens, access tokens, OAuth tokens: what is in their nature
usernames   the name beside a token, which is another one for Git than for the API
replies     what Bitbucket's replies mean
refusals    what stops a good token: policies and plans, and how to end them
profile     what is known without asking
vocabulary, links
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from webhook.providers.base import Api, ProviderUnavailable, RateLimit, Reply
from webhook.providers.bitbucket import replies, token
from webhook.providers.bitbucket.profile import PROFILE
from webhook.providers.concurrency import CountingApi
from webhook.providers.findings import Answer, Question, TokenCredential


class Bitbucket:
    """Asks Bitbucket Cloud about one credential."""

    profile = PROFILE

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        if not isinstance(question.credential, TokenCredential):
            raise ProviderUnavailable("knows no GitHub Apps")
        counted = CountingApi(api)
        answer = await token.inspect(question, question.credential, counted)
        return replace(answer, requests=counted.requests)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """See `providers.base.Provider`."""
        return replies.rate_limit(reply, self._clock())
