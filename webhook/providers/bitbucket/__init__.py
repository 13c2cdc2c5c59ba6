"""Bitbucket Cloud.

token         the requests about a token, and the answer from all responses
scopes        whether a token has the scopes that a role needs
repositories  whether it reaches all repositories that it must reach
repository    what the responses about one repository mean
targets       which repositories a question is about, and their API paths
kinds         API tokens, access tokens, OAuth tokens and app passwords
usernames     the username stored beside a token; the API and Git need different ones
replies       what single replies mean
refusals      policies and plans that block a valid token, with remedies
vocabulary    the scopes of API tokens and of all other tokens
profile       host, prefixes and default requirements
links         where to create a better token
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from webhook.providers.base import Api, ProviderUnavailable, RateLimit, Reply
from webhook.providers.bitbucket import replies, token
from webhook.providers.bitbucket.profile import PROFILE
from webhook.providers.findings import Answer, Question, TokenCredential


class Bitbucket:
    """The provider for Bitbucket Cloud."""

    profile = PROFILE

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        if not isinstance(question.credential, TokenCredential):
            raise ProviderUnavailable("does not support GitHub Apps")
        return await token.inspect(question, question.credential, api)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """See `providers.base.Provider`."""
        return replies.rate_limit(reply, self._clock())
