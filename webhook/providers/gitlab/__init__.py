"""GitLab: gitlab.com and self-managed, also below a path.

inquiry     what is asked, in two rounds
verdict     what all replies together mean
token       classic tokens, which tell all of themselves
granular    fine-grained ones, which have permissions for places
oauth       those that only the web site tells of
older       GitLab before 15.5, which tells of none
owner       whose a token is
access      the project or group that a URL names
git         Git's own answer about a project
replies     what single replies mean
refusals    policies and account states that stop a valid token
shapes      tokens that only their prefix tells of
profile     what is known without asking
site, vocabulary, links
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from webhook.providers.base import Api, ProviderUnavailable, RateLimit, Reply
from webhook.providers.findings import Answer, Question, TokenCredential, same_for_all
from webhook.providers.gitlab import evaluate, links, replies, unsupported_tokens
from webhook.providers.gitlab.profile import PROFILE
from webhook.providers.gitlab.requests import Inquiry
from webhook.providers.repositories import with_uncertain


class GitLab:
    """Asks GitLab about one credential."""

    profile = PROFILE

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        if not isinstance(question.credential, TokenCredential):
            raise ProviderUnavailable("has no GitHub Apps")
        secret = question.credential.token.get_secret_value()
        if (shape := unsupported_tokens.known(secret)) is not None:
            return same_for_all(question, shape.finding, shape.facts, remedy=links.new_token(question))
        now = self._clock()
        heard, repositories = await Inquiry(question, secret, api, now).ask()

        def judge(asked: Question) -> Answer:
            told = zip(question.repositories, repositories, strict=True)
            reached = [one for need, one in told if need in asked.repositories]
            return evaluate.reach(asked, heard, reached, now, secret=secret)

        return with_uncertain(question, judge)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """See `providers.base.Provider`."""
        return replies.rate_limit(reply, self._clock())
