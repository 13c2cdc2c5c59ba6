"""Bitbucket Server and Data Center, also below a context path.

inspection  one token, from what is asked to what it means
evidence    what is asked, in which round
looks       the requests about one project or one repository
proofs      what the replies prove of a token's permissions
reach       the other repositories that a runtime token must reach
replies     who signed in, and what refusals mean
refusals    what stops a good token: policies and states of the server, and how to end them
git         what Git's smart HTTP advertises
places      what a URL names
profile     what is known without asking
links
"""

from __future__ import annotations

from dataclasses import replace

from webhook.providers.base import Api, RateLimit, Reply
from webhook.providers.bitbucket_server import replies
from webhook.providers.bitbucket_server.inspection import inspect
from webhook.providers.bitbucket_server.profile import PROFILE
from webhook.providers.concurrency import CountingApi
from webhook.providers.findings import Answer, Facts, Finding, Outcome, Question, TokenCredential, same_for_all


class BitbucketServer:
    """Asks Bitbucket Server about one credential."""

    profile = PROFILE

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        credential = question.credential
        if not isinstance(credential, TokenCredential):
            finding = Finding(Outcome.UNSUPPORTED, reason="is a Bitbucket Server, which knows nothing of GitHub Apps")
            return same_for_all(question, finding, Facts("app", "GitHub App"))
        counted = CountingApi(api)
        answer = await inspect(question, credential, counted)
        return replace(answer, requests=counted.requests)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """See `providers.base.Provider`."""
        return replies.rate_limit(reply)
