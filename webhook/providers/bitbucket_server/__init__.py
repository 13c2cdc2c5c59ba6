"""Bitbucket Server and Data Center, also below a context path.

inspection    the answer for one token, from all responses
responses     the two rounds of requests and their responses
probes        the requests about one project or one repository
proofs        which permissions the responses prove
repositories  the other repositories that a runtime token must reach
replies       what single replies mean
refusals      policies and states of the server that block a valid token, with remedies
git           the advertisement of Git's smart HTTP protocol
targets       the project or repository that a URL names
profile       token prefix, names of permissions and default requirements
links         where to create a better token
"""

from __future__ import annotations

from webhook.providers.base import Api, RateLimit, Reply
from webhook.providers.bitbucket_server import replies
from webhook.providers.bitbucket_server.inspection import inspect
from webhook.providers.bitbucket_server.profile import PROFILE
from webhook.providers.findings import Answer, Facts, Finding, Outcome, Question, TokenCredential, same_for_all


class BitbucketServer:
    """The provider for Bitbucket Server and Data Center."""

    profile = PROFILE

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        credential = question.credential
        if not isinstance(credential, TokenCredential):
            finding = Finding(Outcome.UNSUPPORTED, reason="is a Bitbucket Server, which does not support GitHub Apps")
            return same_for_all(question, finding, Facts("app", "GitHub App"))
        return await inspect(question, credential, api)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """See `providers.base.Provider`."""
        return replies.rate_limit(reply)
