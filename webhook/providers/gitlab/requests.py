"""One inspection, from the first request to the last, and what all replies together mean.

Round one asks the token of itself, of a runtime's also whose it is, and for the project that the URL names. Round two
asks what is still open then. The repositories of the configuration are asked for beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from webhook.providers.base import Api, DeadlineExceeded, ProviderUnavailable, Reply
from webhook.providers.concurrency import gather_pair, outcomes, outcomes_until
from webhook.providers.evidence import Tracer, source
from webhook.providers.findings import Outcome, Question, RepositoryNeed, Source
from webhook.providers.gitlab import access, git, oauth, owner, pre_15_5, replies, site, token
from webhook.providers.gitlab.access import Reached
from webhook.providers.gitlab.owner import Owner
from webhook.providers.gitlab.token import Itself
from webhook.providers.requirements import Role


class Way(Enum):
    """How a token is judged, which decides what else is asked of it."""

    CLASSIC = auto()
    FINE_GRAINED = auto()
    SILENT = auto()
    """Fine-grained, without the permission to tell of itself."""
    OAUTH = auto()
    OLDER = auto()
    """The GitLab is from before 15.5."""


@dataclass(frozen=True, slots=True)
class Refused:
    """GitLab refuses the token, whatever is asked for."""

    why: replies.Refused
    whose: owner.Sort = owner.Sort.UNTOLD
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """All that GitLab said of a token that it lets in; None for what wasn't asked.

    Attributes:
        owner: whose it is; nobody known where it wasn't asked or told.
        user: the reply that says so.
        itself: what the token says of itself.
        more: what else was asked of it on this way.
        place: what is known of the place that the URL names.
        sources: the response to the first request about the token.
    """

    way: Way
    owner: Owner
    user: Reply | ProviderUnavailable | None = None
    itself: Itself | None = None
    more: Reply | pre_15_5.Heard | None = None
    place: Reached | None = None
    sources: tuple[Source, ...] = ()

    @property
    def fine_grained(self) -> bool:
        """Whether it has permissions for places in place of scopes."""
        return self.way in (Way.FINE_GRAINED, Way.SILENT)


class Inquiry:
    """Asks about one token."""

    def __init__(self, question: Question, secret: str, api: Api, now: datetime) -> None:
        self._question = question
        self._secret = secret
        self._api = api
        self._now = now
        # As bearer, since an OAuth token is one nowhere else (lib/gitlab/auth/auth_finders.rb).
        self._headers = {"authorization": f"Bearer {secret}"}
        self._path = site.named(question.path, question.host)
        self._needed = max(access.level_for(needed) for needed in question.requirements.values())

    async def ask(self) -> tuple[Heard | Refused, list[Reached]]:
        """What is said of the token, and of each repository of the configuration.

        Raises:
            ProviderUnavailable: nothing was learnt of the token.
        """
        return await gather_pair(self._ask_about_token(), self._ask_for_repositories())

    async def _get(self, path: str) -> Reply:
        return await self._api.send("GET", path, headers=self._headers)

    async def _get_refs(self, path: str, writes: bool) -> Reply:
        return await git.get_refs(self._question.host, self._api, self._secret, path, writes)

    # The token, in two rounds.

    async def _ask_about_token(self) -> Heard | Refused:
        # Only a project has a path of more than one part, and only a runtime token has to reach a whole group.
        asks_for_project = "/" in self._path
        asked = [self._get(token.PATH)]
        if Role.RUNTIME in self._question.requirements:
            asked.append(self._get("/user"))
        if asks_for_project:
            asked.append(self._get(_project(self._path)))
        first, *others = await outcomes(*asked)
        if isinstance(first, ProviderUnavailable):
            raise first
        project = others.pop() if asks_for_project else None
        user = others.pop() if others else None
        return await self._ask_more(first, user, project)

    async def _ask_more(
        self, first: Reply, user: Reply | ProviderUnavailable | None, project: Reply | ProviderUnavailable | None
    ) -> Heard | Refused:
        whose = owner.read(user, secret=self._secret) if isinstance(user, Reply) else Owner()
        itself = token.read(first, secret=self._secret) if first.status == 200 else None
        if itself is None:
            way = self._other_way(first, user)
            if isinstance(way, Refused):
                return way
        else:
            way = Way.FINE_GRAINED if itself.fine_grained else Way.CLASSIC
            if (ended := token.ended(itself, whose.sort.described, self._now)) is not None:
                return Refused(replies.Refused(ended), whose.sort, itself.sources)
            if way is Way.CLASSIC and not self._may_suffice(itself, whose):
                return Heard(way, whose, user, itself)
        number = whose.number if itself is None or itself.user is None else itself.user
        more, place = await gather_pair(
            self._ask_on(way, first, itself),
            self._ask_for_place(project, whose, number, fine_grained=way in (Way.FINE_GRAINED, Way.SILENT)),
        )
        return Heard(way, whose, user, itself, more, place, source(first))

    def _other_way(self, first: Reply, user: Reply | ProviderUnavailable | None) -> Way | Refused:
        """What follows from a reply to ``GET /personal_access_tokens/self`` that doesn't tell of the token."""
        if replies.not_personal(first):
            return Way.OAUTH
        if replies.lacks_granular(first):
            return Way.SILENT
        if pre_15_5.may_be(self._question, first, user if isinstance(user, Reply) else None):
            return Way.OLDER
        if (refused := replies.refusal(first, owner.Sort.UNTOLD.described)) is not None:
            return Refused(refused, sources=source(first))
        raise ProviderUnavailable(f"answers {first.status} when asked what this token is, which says nothing about it")

    def _may_suffice(self, itself: Itself, whose: Owner) -> bool:
        found = token.grant(self._question, itself, whose).findings
        good = {role for role, finding in found.items() if finding.outcome is Outcome.SUFFICIENT}
        return bool(good - ({Role.RUNTIME} if whose.sort is owner.Sort.PROJECT else set()))

    async def _ask_on(self, way: Way, first: Reply, itself: Itself | None) -> Reply | pre_15_5.Heard | None:
        match way:
            case Way.OAUTH:
                return await oauth.ask(self._question, self._api, self._headers)
            case Way.OLDER:
                return await pre_15_5.ask(self._question, first, self._secret, self._api, self._headers)
            case Way.FINE_GRAINED if itself is not None and itself.lines is None and itself.number is not None:
                return await self._get(f"/personal_access_tokens/{itself.number}")
            case _:
                return None

    # Places.

    async def _ask_for_place(
        self, project: Reply | ProviderUnavailable | None, whose: Owner, user: int | None, *, fine_grained: bool
    ) -> Reached | None:
        path = self._path
        if project is None:
            own = whose.username is not None and path.lower() == whose.username.lower()
            if not path or own or Role.RUNTIME not in self._question.requirements:
                return None
            return await self._see_group(user, fine_grained=fine_grained)
        seen = self._see_project(path, self._needed, project)
        if access.may_be_group(project):
            group = await self._see_group(user, fine_grained=fine_grained)
            return replace(seen, sources=(*source(project), *group.sources)) if group.trouble is not None else group
        tracer = Tracer(source(project))
        try:
            settled = await access.settle(seen, tracer.trace(self._get), tracer.trace(self._get_refs))
        except ProviderUnavailable as silence:
            settled = self._see_project(path, self._needed, silence)
        return replace(settled, sources=tracer.sources)

    def _see_project(self, path: str, needed: int, reply: Reply | ProviderUnavailable) -> Reached:
        return access.see_project(path, needed, reply, self._question.host, secret=self._secret)

    async def _see_group(self, user: int | None, *, fine_grained: bool) -> Reached:
        tracer = Tracer()
        seen = await access.see_group(
            self._path,
            self._needed,
            user,
            tracer.trace(self._get),
            self._question.host,
            fine_grained=fine_grained,
            secret=self._secret,
        )
        return replace(seen, sources=tracer.sources)

    async def _ask_for_repositories(self) -> list[Reached]:
        needs = self._question.repositories
        found = await outcomes_until(self._api.needed_by, *(self._ask_for_repository(need) for need in needs))
        return [
            self._without_answer(need, one) if isinstance(one, ProviderUnavailable) else one
            for need, one in zip(needs, found, strict=True)
        ]

    async def _ask_for_repository(self, need: RepositoryNeed) -> Reached:
        path = site.named(need.path, self._question.host)
        tracer = Tracer()
        reply = await tracer.trace(self._get)(_project(path))
        seen = self._see_project(path, access.level_of(need.access), reply)
        settled = await access.settle(seen, tracer.trace(self._get), tracer.trace(self._get_refs))
        return replace(settled, sources=tracer.sources)

    def _without_answer(self, need: RepositoryNeed, silence: ProviderUnavailable) -> Reached:
        path, level = site.named(need.path, self._question.host), access.level_of(need.access)
        if isinstance(silence, DeadlineExceeded):
            return Reached(path, level, late=True, sources=source(silence))
        return replace(self._see_project(path, level, silence), sources=source(silence))


def _project(path: str) -> str:
    return f"/projects/{site.encoded(path)}"
