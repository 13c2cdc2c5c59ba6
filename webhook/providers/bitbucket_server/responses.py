"""What is asked, in which round, and what came of it.

The first round asks who signed in, and for the proofs that the URL allows. A second one looks at a project or
repository that the lists of the first one named, and for the right to push where administrating isn't proven.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from webhook.providers.base import Api, Reply
from webhook.providers.bitbucket_server import replies
from webhook.providers.bitbucket_server.probes import Asking, ProjectSeen, RepositorySeen
from webhook.providers.bitbucket_server.profile import PROJECT, REPOSITORY, display
from webhook.providers.bitbucket_server.proofs import Proofs, note_project, note_repository
from webhook.providers.bitbucket_server.refusals import Said, exceptions_of
from webhook.providers.bitbucket_server.replies import Open, a_page, granted
from webhook.providers.bitbucket_server.repositories import Reached
from webhook.providers.bitbucket_server.repositories import ask as ask_repositories
from webhook.providers.bitbucket_server.targets import Place, key_of, slug_of
from webhook.providers.findings import Question
from webhook.providers.requirements import Level
from webhook.providers.text import plain
from webhook.text import join

_ABSENT = frozenset({"NoSuchProjectException", "NoSuchRepositoryException"})
_PAGE = 25
"""Entries of a list that are looked through for one that serves."""


@dataclass(slots=True)
class Seen:
    """All that was asked, and what came of it.

    Attributes:
        server: to ``GET application-properties``.
        projects: those that what is asked about is in.
        former: a project that the URL's repository was moved out of: what is proven there counts for nothing.
        lists: by what is listed, the likeliest entries first.
        sought: what the URL may name, where Bitbucket shows no such thing and the URL is taken as a prefix.
    """

    server: Said
    projects: list[ProjectSeen] = field(default_factory=list)
    former: list[ProjectSeen] = field(default_factory=list)
    repositories: list[RepositorySeen] = field(default_factory=list)
    lists: Mapping[str, list[Said]] = field(default_factory=dict)
    reached: list[Reached] = field(default_factory=list)
    sought: Place | None = None

    def proofs(self) -> Proofs:
        proofs = Proofs()
        for project in self.projects:
            note_project(proofs, project)
        for repository in self.repositories:
            note_repository(proofs, repository)
        return proofs

    def replies(self) -> Iterable[Said]:
        for project in (*self.projects, *self.former):
            yield from project.replies()
        for repository in self.repositories:
            yield from repository.replies()
        for listed in self.lists.values():
            yield from listed

    def shows_nothing_at(self, place: Place) -> bool:
        """Whether Bitbucket says that there is no such repository, or no such project."""
        found = [one.found for one in self.repositories] if place.repository else [one.found for one in self.projects]
        return any(isinstance(one, Reply) and one.status == 404 and exceptions_of(one) & _ABSENT for one in found)

    def is_signed_in(self) -> bool:
        """Whether the token was shown what nobody sees who hasn't signed in."""
        proofs = self.proofs()
        for project in self.former:
            note_project(proofs, project)
        return any(level is not Level.READ for _, level in proofs.held)

    def probed(self) -> str:
        """What permissions were looked at on, for people."""
        inside = {seen.place.project for seen in self.repositories}
        names = [seen.key for seen in self.projects if seen.key not in inside]
        return join(dict.fromkeys((*names, *(seen.place.name for seen in self.repositories))))


async def first_round(
    question: Question,
    place: Place,
    needed: Mapping[str, Level],
    asking: Asking,
    api: Api,
    earlier: Seen | None = None,
) -> Seen:
    """Ask who signed in, and for the proofs that the URL allows.

    Args:
        earlier: what was seen at another place, so that what is the same for both is not asked again.
    """
    project_level, repository_level = needed.get(PROJECT), needed.get(REPOSITORY)

    async def project() -> list[ProjectSeen]:
        if place.project is None or project_level is None:
            return []
        return [await asking.project(place.project, project_level)]

    async def repository() -> list[RepositorySeen]:
        if place.repository is None:
            return []
        # Who administrates the project may push: Git needs to be asked only where that isn't proven. The repository
        # itself is asked for in any case, because it says which project it is in.
        level = Level.READ if project_level is Level.ADMIN or repository_level is None else repository_level
        return [await asking.repository(place, level)]

    async def listed(paths: list[str]) -> list[Said]:
        return await asyncio.gather(*map(asking.about, paths))

    async def lists() -> dict[str, list[Said]]:
        wanted = _lists(place, needed)
        return dict(zip(wanted, await asyncio.gather(*map(listed, wanted.values())), strict=True))

    async def server_and_others() -> tuple[Said, list[Reached]]:
        if earlier is not None:
            return earlier.server, earlier.reached
        return await asyncio.gather(asking.about("/application-properties"), ask_repositories(question, asking, api))

    (server, reached), projects, repositories, entries = await asyncio.gather(
        server_and_others(), project(), repository(), lists()
    )
    if any(repository.has_moved for repository in repositories):
        projects, former = [], projects
    else:
        former = []
    return Seen(server, projects, former, repositories, entries, reached)


def _lists(place: Place, needed: Mapping[str, Level]) -> dict[str, list[str]]:
    """Where to find what the URL doesn't name: among what the owner has the right to, or else among what they see.

    Versions before 8.0 don't know ``projectkey`` and list all projects' repositories (Atlassian: REST API 8.0).
    """
    wanted: dict[str, list[str]] = {}
    if place.project is None and PROJECT in needed:
        permission = display(PROJECT, needed[PROJECT])
        wanted[PROJECT] = [f"/projects?permission={permission}&limit={_PAGE}", f"/projects?limit={_PAGE}"]
    if place.repository is None and REPOSITORY in needed:
        permission = display(REPOSITORY, needed[REPOSITORY])
        inside = f"&projectkey={place.project}" if place.project else ""
        visible = f"/projects/{place.project}/repos" if place.project else "/repos"
        wanted[REPOSITORY] = [f"/repos?permission={permission}{inside}&limit={_PAGE}", f"{visible}?limit={_PAGE}"]
    return wanted


async def second_round(place: Place, missing: Mapping[str, Level], seen: Seen, asking: Asking, token: str) -> None:
    """Look at what is still to be looked at, and add it to `seen`."""
    key = _project_in(seen.lists.get(PROJECT, ()), token) if PROJECT in missing else None
    first = next(iter(seen.repositories), None)
    if first is not None and first.has_moved and PROJECT in missing:
        key = first.place.project

    async def project() -> list[ProjectSeen]:
        return [] if key is None or seen.projects else [await asking.project(key, missing[PROJECT])]

    async def repository() -> list[RepositorySeen]:
        level = missing.get(REPOSITORY)
        if level is None:
            return []
        if first is None:
            found = _repository_in(seen.lists.get(REPOSITORY, ()), place.project, key, token)
            return [] if found is None else [await asking.repository(found, level)]
        if level is Level.READ or first.push is not None or first.hooks is not None:  # all has been asked
            return []
        again = await asking.repository(first.place, level, first.found)
        return [replace(again, asked=first.asked)]

    projects, repositories = await asyncio.gather(project(), repository())
    seen.projects += projects
    seen.repositories = repositories or seen.repositories


def _conclusive(lists: Iterable[Said]) -> Iterator[list[Mapping[object, object]]]:
    """The entries of each list, as long as those before it were seen to their end: who is named only by a later one has
    no right that an earlier one asks for."""
    for reply in lists:
        yield replies.rows_of(reply)[:_PAGE]
        if not replies.is_last_page(reply):
            return


def _project_in(lists: Iterable[Said], token: str) -> str | None:
    """The first project that is listed."""
    for rows in _conclusive(lists):
        for row in rows:
            if (key := key_of(plain(row.get("key"), secret=token))) is not None:
                return key
    return None


def _repository_in(lists: Iterable[Said], project: str | None, preferred: str | None, token: str) -> Place | None:
    """A repository that is listed: in `project`, if that is named; else rather in `preferred`, rather in nobody's own.

    Archived ones don't serve, since nobody may push to them.
    """
    for rows in _conclusive(lists):
        places: list[Place] = []
        for row in rows:
            inside = row.get("project")
            key = key_of(plain(inside.get("key"), secret=token)) if isinstance(inside, Mapping) else None
            slug = slug_of(plain(row.get("slug"), secret=token))
            if key is None or slug is None or row.get("archived") is True:
                continue
            if project is None or key.lower() == project.lower():
                places.append(Place(key, slug))
        if places:
            return min(places, key=lambda one: (one.project != preferred, str(one.project).startswith("~")))
    return None


def not_found(seen: Seen, resource: str, where: str) -> Open:
    """Return why there is no project or repository to look at."""
    troubles = (granted(reply, a_page) for reply in seen.lists.get(resource, ()))
    return next((why for why in troubles if isinstance(why, Open)), Open(f"it shows no {resource}{where}"))
