"""GitHub: github.com, ``*.ghe.com`` and Enterprise Server.

scoped              classic and OAuth tokens, which have scopes
probed              fine-grained tokens and those of Apps, whose permissions have to be proven
probes              requests that prove them and change nothing
proofs              the permissions that the replies prove
app                 the credentials of an App
installations       the installation for each repository
installation_list   all installations of an App
repository          the access to one repository
other_repositories  the repositories of the configuration
prefixes            URLs that may end inside a name
replies             what single replies mean
refusals            policies that block a valid token, with remedies
profile             hosts, prefixes and default requirements
vocabulary          names of scopes and permissions
links               where to create a better token
keys, pem           the private key of an App
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from webhook.providers.base import Api, RateLimit, Reply
from webhook.providers.findings import Answer, Facts, Finding, GitHubAppCredential, Outcome, Question, same_for_all
from webhook.providers.github import app, links, probed, replies, scoped
from webhook.providers.github.profile import PROFILE

_HEADERS = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}


class GitHub:
    """The provider for GitHub."""

    profile = PROFILE

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`. The prefix of a token tells its kind (GitHub docs: about authentication)."""
        credential = question.credential
        if isinstance(credential, GitHubAppCredential):
            return await app.inspect(question, credential, api, _HEADERS, self._clock())
        token = credential.token.get_secret_value()
        headers = {**_HEADERS, "authorization": f"Bearer {token}"}
        if token.startswith("ghr_"):
            reason = "does not accept a refresh token for Git: only a GitHub App can use it"
            remedy = links.new_token(question, fine_grained=True)
            return same_for_all(
                question, Finding(Outcome.INVALID, reason=reason), Facts("refresh", "refresh token"), remedy=remedy
            )
        if token.startswith(("github_pat_", "ghu_", "ghs_")):
            return await probed.inspect(question, credential, api, headers)
        return await scoped.inspect(question, credential, api, headers)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """See `providers.base.Provider`."""
        return replies.rate_limit(reply, self._clock())
