"""GitLab: gitlab.com and self-managed, also below a path."""

from __future__ import annotations

from webhook.findings import Answer, Question
from webhook.hosts import Kind
from webhook.providers.base import Api, NoAnswer, RateLimit, Reply
from webhook.providers.profile import Profile
from webhook.providers.vocabulary import Vocabulary
from webhook.requirements import Requirement, Role

PROFILE = Profile(
    kind=Kind("gitlab"),
    title="GitLab",
    vocabulary=Vocabulary(scopes=frozenset({"api", "read_api", "write_repository"})),
    defaults={
        Role.RUNTIME: Requirement(scopes=("api",)),
        Role.USER: Requirement(scopes=("write_repository", "read_api")),
    },
    api_url=lambda name: f"https://{name}/api/v4",
    hosts=("gitlab.com",),
    # GitLab docs: security/tokens. Self-managed ones may have others, so that their absence means nothing.
    token_prefixes=("glpat-", "gldt-", "gloas-", "glcbt-", "glptt-", "glrt-"),
    shape_in_text=r"(?<![a-z0-9])gl(?:pat|dt|oas|cbt|ptt|rt)-[\w-]{16}",
)


class GitLab:
    """Asks GitLab about one credential."""

    profile = PROFILE

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        raise NoAnswer("can't be asked by this version")

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """See `providers.base.Provider`."""
        return None
