"""The two rounds of requests, and their responses.

The first round requests who signed in, and the proofs that the URL allows. The second probes a project or a repository
that the lists of the first named, and the right to push if administration is not proven.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from webhook.providers.base import Api, Reply
from webhook.providers.bitbucket_server import replies
from webhook.providers.bitbucket_server.probes import Prober, ProjectResponses, RepositoryResponses
from webhook.providers.bitbucket_server.profile import PROJECT, REPOSITORY, display
from webhook.providers.bitbucket_server.proofs import Proofs, note_project, note_repository
from webhook.providers.bitbucket_server.refusals import Response, exceptions_of
from webhook.providers.bitbucket_server.replies import Unproven, a_page, granted
from webhook.providers.bitbucket_server.repositories import OtherRepository
from webhook.providers.bitbucket_server.repositories import ask as ask_repositories
from webhook.providers.bitbucket_server.targets import Target, key_of, slug_of
from webhook.providers.findings import Question
from webhook.providers.requirements import Level
from webhook.providers.text import plain
from webhook.text import join

_ABSENT = frozenset({"NoSuchProjectException", "NoSuchRepositoryException"})
_PAGE = 25
"""Entries of a list that are searched for a suitable one."""


@dataclass(slots=True)
class Responses:
    """All responses.

    Attributes:
        server: the response to ``GET application-properties``.
        projects: those of the target.
        former: a project that the URL's repository was moved out of; what it proves does not count.
        lists: by resource, the likeliest entries first.
        sought: what the URL may name, if Bitbucket does not show it and the URL is taken as a prefix.
    """

    server: Response
    projects: list[ProjectResponses] = field(default_factory=list)
    former: list[ProjectResponses] = field(default_factory=list)
    repositories: list[RepositoryResponses] = field(default_factory=list)
    lists: Mapping[str, list[Response]] = field(default_factory=dict)
    reached: list[OtherRepository] = field(default_factory=list)
    sought: Target | None = None

    def proofs(self) -> Proofs:
        proofs = Proofs()
        for project in self.projects:
            note_project(proofs, project)
        for repository in self.repositories:
            note_repository(proofs, repository)
        return proofs

    def replies(self) -> Iterable[Response]:
        for project in (*self.projects, *self.former):
            yield from project.replies()
        for repository in self.repositories:
            yield from repository.replies()
        for listed in self.lists.values():
            yield from listed

    def shows_nothing_at(self, target: Target) -> bool:
        """Return whether Bitbucket says that there is no such repository or project."""
        found = [one.found for one in self.repositories] if target.repository else [one.found for one in self.projects]
        return any(isinstance(one, Reply) and one.status == 404 and exceptions_of(one) & _ABSENT for one in found)

    def is_signed_in(self) -> bool:
        """Return whether the token was shown what only signed-in users see."""
        proofs = self.proofs()
        for project in self.former:
            note_project(proofs, project)
        return any(level is not Level.READ for _, level in proofs.held)

    def probed(self) -> str:
        """Return what was probed, as shown to users."""
        inside = {responses.target.project for responses in self.repositories}
        names = [responses.key for responses in self.projects if responses.key not in inside]
        return join(dict.fromkeys((*names, *(responses.target.name for responses in self.repositories))))


async def first_round(
    question: Question,
    target: Target,
    needed: Mapping[str, Level],
    prober: Prober,
    api: Api,
    earlier: Responses | None = None,
) -> Responses:
    """Request who signed in, and the proofs that the URL allows.

    Args:
        earlier: the responses for another target; what is the same for both is not requested again.
    """
    project_level, repository_level = needed.get(PROJECT), needed.get(REPOSITORY)

    async def project() -> list[ProjectResponses]:
        if target.project is None or project_level is None:
            return []
        return [await prober.project(target.project, project_level)]

    async def repository() -> list[RepositoryResponses]:
        if target.repository is None:
            return []
        # Administrators of the project may push, so Git is probed only if that is not proven. The repository itself is
        # always requested, because it says which project it is in.
        level = Level.READ if project_level is Level.ADMIN or repository_level is None else repository_level
        return [await prober.repository(target, level)]

    async def listed(paths: list[str]) -> list[Response]:
        return await asyncio.gather(*map(prober.about, paths))

    async def lists() -> dict[str, list[Response]]:
        wanted = _lists(target, needed)
        return dict(zip(wanted, await asyncio.gather(*map(listed, wanted.values())), strict=True))

    async def server_and_others() -> tuple[Response, list[OtherRepository]]:
        if earlier is not None:
            return earlier.server, earlier.reached
        return await asyncio.gather(prober.about("/application-properties"), ask_repositories(question, prober, api))

    (server, reached), projects, repositories, entries = await asyncio.gather(
        server_and_others(), project(), repository(), lists()
    )
    if any(repository.has_moved for repository in repositories):
        projects, former = [], projects
    else:
        former = []
    return Responses(server, projects, former, repositories, entries, reached)


def _lists(target: Target, needed: Mapping[str, Level]) -> dict[str, list[str]]:
    """Return the lists to find what the URL does not name: what the owner has rights on, then what they can see.

    Versions before 8.0 ignore ``projectkey`` and list the repositories of all projects (Atlassian: REST API 8.0).
    """
    wanted: dict[str, list[str]] = {}
    if target.project is None and PROJECT in needed:
        permission = display(PROJECT, needed[PROJECT])
        wanted[PROJECT] = [f"/projects?permission={permission}&limit={_PAGE}", f"/projects?limit={_PAGE}"]
    if target.repository is None and REPOSITORY in needed:
        permission = display(REPOSITORY, needed[REPOSITORY])
        inside = f"&projectkey={target.project}" if target.project else ""
        visible = f"/projects/{target.project}/repos" if target.project else "/repos"
        wanted[REPOSITORY] = [f"/repos?permission={permission}{inside}&limit={_PAGE}", f"{visible}?limit={_PAGE}"]
    return wanted


async def second_round(
    target: Target, missing: Mapping[str, Level], responses: Responses, prober: Prober, token: str
) -> None:
    """Request what is still missing, and add it to `responses`."""
    key = _project_in(responses.lists.get(PROJECT, ()), token) if PROJECT in missing else None
    first = next(iter(responses.repositories), None)
    if first is not None and first.has_moved and PROJECT in missing:
        key = first.target.project

    async def project() -> list[ProjectResponses]:
        return [] if key is None or responses.projects else [await prober.project(key, missing[PROJECT])]

    async def repository() -> list[RepositoryResponses]:
        level = missing.get(REPOSITORY)
        if level is None:
            return []
        if first is None:
            found = _repository_in(responses.lists.get(REPOSITORY, ()), target.project, key, token)
            return [] if found is None else [await prober.repository(found, level)]
        if level is Level.READ or first.push is not None or first.hooks is not None:  # all was requested before
            return []
        again = await prober.repository(first.target, level, first.found)
        return [replace(again, asked=first.asked)]

    projects, repositories = await asyncio.gather(project(), repository())
    responses.projects += projects
    responses.repositories = repositories or responses.repositories


def _conclusive(lists: Iterable[Response]) -> Iterator[list[Mapping[object, object]]]:
    """Yield the entries of each list, as long as the lists before it were complete.

    What only a later list names lacks the right that an earlier list is filtered by.
    """
    for reply in lists:
        yield replies.rows_of(reply)[:_PAGE]
        if not replies.is_last_page(reply):
            return


def _project_in(lists: Iterable[Response], token: str) -> str | None:
    """Return the first project that is listed."""
    for rows in _conclusive(lists):
        for row in rows:
            if (key := key_of(plain(row.get("key"), secret=token))) is not None:
                return key
    return None


def _repository_in(lists: Iterable[Response], project: str | None, preferred: str | None, token: str) -> Target | None:
    """Return a listed repository: in `project`, if given; else preferably in `preferred`, and not in a user's project.

    Archived ones are skipped, because no one can push to them.
    """
    for rows in _conclusive(lists):
        places: list[Target] = []
        for row in rows:
            inside = row.get("project")
            key = key_of(plain(inside.get("key"), secret=token)) if isinstance(inside, Mapping) else None
            slug = slug_of(plain(row.get("slug"), secret=token))
            if key is None or slug is None or row.get("archived") is True:
                continue
            if project is None or key.lower() == project.lower():
                places.append(Target(key, slug))
        if places:
            return min(places, key=lambda one: (one.project != preferred, str(one.project).startswith("~")))
    return None


def not_found(responses: Responses, resource: str, where: str) -> Unproven:
    """Return why there is no project or repository to probe."""
    reasons = (granted(reply, a_page) for reply in responses.lists.get(resource, ()))
    return next((why for why in reasons if isinstance(why, Unproven)), Unproven(f"it shows no {resource}{where}"))
