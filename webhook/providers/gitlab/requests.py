"""The requests of one inspection.

The first round requests the token itself, for a runtime token also its account, and the project that the URL names. The
second round requests what is still open. The repositories of the configuration are requested at the same time.
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
from webhook.providers.gitlab.access import PlaceAccess
from webhook.providers.gitlab.owner import Owner
from webhook.providers.gitlab.token import Itself
from webhook.providers.requirements import Role


class TokenKind(Enum):
    """The kind of a token, which decides what else is requested."""

    CLASSIC = auto()
    FINE_GRAINED = auto()
    UNREADABLE = auto()
    """Fine-grained, without the permission to read itself."""
    OAUTH = auto()
    OLDER = auto()
    """A token of a GitLab before 15.5."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """GitLab rejects the token at every endpoint."""

    why: replies.Rejected
    owned_by: owner.AccountKind = owner.AccountKind.UNKNOWN
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Responses:
    """All responses about a token that GitLab accepts; None for what was not requested.

    Attributes:
        owner: its owner; an unknown one if it was not requested or is not shown.
        user: the response that shows the owner.
        itself: the token's own description.
        more: the further responses for this kind of token.
        place: the access to the project or group that the URL names.
        sources: the response to the first request about the token.
    """

    kind: TokenKind
    owner: Owner
    user: Reply | ProviderUnavailable | None = None
    itself: Itself | None = None
    more: Reply | pre_15_5.Responses | None = None
    place: PlaceAccess | None = None
    sources: tuple[Source, ...] = ()

    @property
    def fine_grained(self) -> bool:
        """Whether it has permissions for projects and groups instead of scopes."""
        return self.kind in (TokenKind.FINE_GRAINED, TokenKind.UNREADABLE)


class Inspection:
    """Sends the requests about one token."""

    def __init__(self, question: Question, secret: str, api: Api, now: datetime) -> None:
        self._question = question
        self._secret = secret
        self._api = api
        self._now = now
        # As a bearer token: GitLab accepts OAuth tokens in no other header (lib/gitlab/auth/auth_finders.rb).
        self._headers = {"authorization": f"Bearer {secret}"}
        self._path = site.named(question.path, question.host)
        self._needed = max(access.level_for(needed) for needed in question.requirements.values())

    async def send(self) -> tuple[Responses | Rejected, list[PlaceAccess]]:
        """Return the responses about the token, and the access to each repository of the configuration.

        Raises:
            ProviderUnavailable: nothing is known about the token.
        """
        return await gather_pair(self._request_token(), self._request_repositories())

    async def _get(self, path: str) -> Reply:
        return await self._api.send("GET", path, headers=self._headers)

    async def _get_refs(self, path: str, writes: bool) -> Reply:
        return await git.get_refs(self._question.host, self._api, self._secret, path, writes)

    # The token, in two rounds.

    async def _request_token(self) -> Responses | Rejected:
        # Only a project has a path of several segments, and only a runtime token needs access to a whole group.
        names_project = "/" in self._path
        calls = [self._get(token.PATH)]
        if Role.RUNTIME in self._question.requirements:
            calls.append(self._get("/user"))
        if names_project:
            calls.append(self._get(_project(self._path)))
        first, *others = await outcomes(*calls)
        if isinstance(first, ProviderUnavailable):
            raise first
        project = others.pop() if names_project else None
        user = others.pop() if others else None
        return await self._request_more(first, user, project)

    async def _request_more(
        self, first: Reply, user: Reply | ProviderUnavailable | None, project: Reply | ProviderUnavailable | None
    ) -> Responses | Rejected:
        owned_by = owner.read(user, secret=self._secret) if isinstance(user, Reply) else Owner()
        itself = token.read(first, secret=self._secret) if first.status == 200 else None
        if itself is None:
            kind = self._other_kind(first, user)
            if isinstance(kind, Rejected):
                return kind
        else:
            kind = TokenKind.FINE_GRAINED if itself.fine_grained else TokenKind.CLASSIC
            if (ended := token.ended(itself, owned_by.kind.described, self._now)) is not None:
                return Rejected(replies.Rejected(ended), owned_by.kind, itself.sources)
            if kind is TokenKind.CLASSIC and not self._may_suffice(itself, owned_by):
                return Responses(kind, owned_by, user, itself)
        number = owned_by.number if itself is None or itself.user is None else itself.user
        more, place = await gather_pair(
            self._request_details(kind, first, itself),
            self._request_place(
                project, owned_by, number, fine_grained=kind in (TokenKind.FINE_GRAINED, TokenKind.UNREADABLE)
            ),
        )
        return Responses(kind, owned_by, user, itself, more, place, source(first))

    def _other_kind(self, first: Reply, user: Reply | ProviderUnavailable | None) -> TokenKind | Rejected:
        """Return the kind of a token that ``GET /personal_access_tokens/self`` does not describe."""
        if replies.not_personal(first):
            return TokenKind.OAUTH
        if replies.lacks_granular(first):
            return TokenKind.UNREADABLE
        if pre_15_5.may_be(self._question, first, user if isinstance(user, Reply) else None):
            return TokenKind.OLDER
        if (refused := replies.refusal(first, owner.AccountKind.UNKNOWN.described)) is not None:
            return Rejected(refused, sources=source(first))
        raise ProviderUnavailable(f"answers {first.status} when asked what this token is, which says nothing about it")

    def _may_suffice(self, itself: Itself, owned_by: Owner) -> bool:
        found = token.grant(self._question, itself, owned_by).findings
        good = {role for role, finding in found.items() if finding.outcome is Outcome.SUFFICIENT}
        return bool(good - ({Role.RUNTIME} if owned_by.kind is owner.AccountKind.PROJECT else set()))

    async def _request_details(
        self, kind: TokenKind, first: Reply, itself: Itself | None
    ) -> Reply | pre_15_5.Responses | None:
        match kind:
            case TokenKind.OAUTH:
                return await oauth.ask(self._question, self._api, self._headers)
            case TokenKind.OLDER:
                return await pre_15_5.ask(self._question, first, self._secret, self._api, self._headers)
            case TokenKind.FINE_GRAINED if itself is not None and itself.lines is None and itself.number is not None:
                return await self._get(f"/personal_access_tokens/{itself.number}")
            case _:
                return None

    # Places.

    async def _request_place(
        self, project: Reply | ProviderUnavailable | None, owned_by: Owner, user: int | None, *, fine_grained: bool
    ) -> PlaceAccess | None:
        path = self._path
        if project is None:
            own = owned_by.username is not None and path.lower() == owned_by.username.lower()
            if not path or own or Role.RUNTIME not in self._question.requirements:
                return None
            return await self._group_access(user, fine_grained=fine_grained)
        seen = self._project_access(path, self._needed, project)
        if access.may_be_group(project):
            group = await self._group_access(user, fine_grained=fine_grained)
            return replace(seen, sources=(*source(project), *group.sources)) if group.obstacle is not None else group
        tracer = Tracer(source(project))
        try:
            settled = await access.settle(seen, tracer.trace(self._get), tracer.trace(self._get_refs))
        except ProviderUnavailable as silence:
            settled = self._project_access(path, self._needed, silence)
        return replace(settled, sources=tracer.sources)

    def _project_access(self, path: str, needed: int, reply: Reply | ProviderUnavailable) -> PlaceAccess:
        return access.project_access(path, needed, reply, self._question.host, secret=self._secret)

    async def _group_access(self, user: int | None, *, fine_grained: bool) -> PlaceAccess:
        tracer = Tracer()
        seen = await access.group_access(
            self._path,
            self._needed,
            user,
            tracer.trace(self._get),
            self._question.host,
            fine_grained=fine_grained,
            secret=self._secret,
        )
        return replace(seen, sources=tracer.sources)

    async def _request_repositories(self) -> list[PlaceAccess]:
        needs = self._question.repositories
        found = await outcomes_until(self._api.needed_by, *(self._request_repository(need) for need in needs))
        return [
            self._without_answer(need, one) if isinstance(one, ProviderUnavailable) else one
            for need, one in zip(needs, found, strict=True)
        ]

    async def _request_repository(self, need: RepositoryNeed) -> PlaceAccess:
        path = site.named(need.path, self._question.host)
        tracer = Tracer()
        reply = await tracer.trace(self._get)(_project(path))
        seen = self._project_access(path, access.level_of(need.access), reply)
        settled = await access.settle(seen, tracer.trace(self._get), tracer.trace(self._get_refs))
        return replace(settled, sources=tracer.sources)

    def _without_answer(self, need: RepositoryNeed, silence: ProviderUnavailable) -> PlaceAccess:
        path, level = site.named(need.path, self._question.host), access.level_of(need.access)
        if isinstance(silence, DeadlineExceeded):
            return PlaceAccess(path, level, late=True, sources=source(silence))
        return replace(self._project_access(path, level, silence), sources=source(silence))


def _project(path: str) -> str:
    return f"/projects/{site.encoded(path)}"
