"""GitLab: gitlab.com and self-managed, also below a path.

requests            the requests about a token, in two rounds
evaluate            the answer from all responses
token               classic tokens, which list their scopes
granular            fine-grained tokens, which have permissions for projects and groups
oauth               OAuth tokens, which the website describes
pre_15_5            GitLab before 15.5, which describes no token
owner               the account of a token
access              the access to a project or group
git                 the response of Git for a project
replies             what single replies mean
refusals            policies and account states that block a valid token, with remedies
unsupported_tokens  tokens that only their prefix identifies
profile             hosts, prefixes and default requirements
site                paths and the root of the website
vocabulary          names of scopes
links               where to create a better token
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from webhook.providers.base import Api, ProviderUnavailable, RateLimit, Reply
from webhook.providers.findings import Answer, Question, TokenCredential, same_for_all
from webhook.providers.gitlab import evaluate, links, replies, unsupported_tokens
from webhook.providers.gitlab.profile import PROFILE
from webhook.providers.gitlab.requests import Inspection
from webhook.providers.repositories import with_uncertain


class GitLab:
    """The provider for GitLab."""

    profile = PROFILE

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        if not isinstance(question.credential, TokenCredential):
            raise ProviderUnavailable("does not support GitHub Apps")
        secret = question.credential.token.get_secret_value()
        if (shape := unsupported_tokens.known(secret)) is not None:
            return same_for_all(question, shape.finding, shape.facts, remedy=links.new_token(question))
        now = self._clock()
        responses, repositories = await Inspection(question, secret, api, now).send()

        def judge(asked: Question) -> Answer:
            told = zip(question.repositories, repositories, strict=True)
            reached = [one for need, one in told if need in asked.repositories]
            return evaluate.evaluate(asked, responses, reached, now, secret=secret)

        return with_uncertain(question, judge)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """See `providers.base.Provider`."""
        return replies.rate_limit(reply, self._clock())
