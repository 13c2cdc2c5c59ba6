"""Bitbucket Server and Data Center, also below a context path."""

from __future__ import annotations

from webhook.findings import Answer, Question
from webhook.hosts import Kind
from webhook.providers.base import Api, NoAnswer, RateLimit, Reply
from webhook.providers.profile import Profile
from webhook.providers.vocabulary import Vocabulary
from webhook.requirements import Level, Requirement, Role

PROFILE = Profile(
    kind=Kind("bitbucket-server"),
    title="Bitbucket Server",
    vocabulary=Vocabulary(
        levels={
            f"{name}_{level.upper()}": (resource, level)
            for name, resource in (("PROJECT", "project"), ("REPO", "repository"))
            for level in Level
        }
    ),
    defaults={
        Role.RUNTIME: Requirement(permissions=(("project", Level.ADMIN), ("repository", Level.WRITE))),
        Role.USER: Requirement(permissions=(("project", Level.READ), ("repository", Level.WRITE))),
    },
    api_url=lambda name: f"https://{name}",
    token_prefixes=("BBDC-",),
    shape_in_text=r"(?<![a-z0-9])bbdc-[a-z0-9+]{30}",
)


class BitbucketServer:
    """Asks Bitbucket Server about one credential."""

    profile = PROFILE

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        raise NoAnswer("can't be asked by this version")

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """See `providers.base.Provider`."""
        return None
