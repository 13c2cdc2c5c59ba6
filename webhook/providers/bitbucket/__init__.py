"""Bitbucket Cloud."""

from __future__ import annotations

from webhook.findings import Answer, Question
from webhook.hosts import Kind
from webhook.providers.base import Api, NoAnswer, RateLimit, Reply
from webhook.providers.profile import Profile
from webhook.providers.vocabulary import Vocabulary
from webhook.requirements import Requirement, Role

_NEEDED = Requirement(scopes=("account", "team", "webhook", "repository:write", "repository:admin"))

PROFILE = Profile(
    kind=Kind("bitbucket"),
    title="Bitbucket Cloud",
    vocabulary=Vocabulary(scopes=frozenset(_NEEDED.scopes)),
    defaults={Role.RUNTIME: _NEEDED, Role.USER: _NEEDED},
    api_url=lambda name: "https://api.bitbucket.org/2.0" if name == "bitbucket.org" else f"https://{name}/2.0",
    hosts=("bitbucket.org",),
    token_prefixes=("ATATT", "ATCTT", "ATBB"),  # API tokens, access tokens, app passwords
    shape_in_text=r"(?<![a-z0-9])at(?:att|ctt|bb)[a-z0-9]{24}",
)


class Bitbucket:
    """Asks Bitbucket Cloud about one credential."""

    profile = PROFILE

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        raise NoAnswer("can't be asked by this version")

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """See `providers.base.Provider`."""
        return None
