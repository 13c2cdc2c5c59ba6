"""The project or group that a URL names: may the token's user work there?

That is about the user, and no proof of what the token may do (PROVIDERS.md). ``permissions`` of a project leave out
what comes by way of another group that was invited (gitlab#337623), and so do lists of members. So they are believed
where they are enough; where they aren't, the list of what the user may push to has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from webhook.findings import Finding, Outcome
from webhook.providers.base import NoAnswer, Reply
from webhook.providers.gitlab import granular, replies
from webhook.providers.gitlab.owner import Owner
from webhook.providers.gitlab.site import encoded
from webhook.providers.rounds import answers_of
from webhook.requirements import Level, Requirement

# GitLab docs: members API, valid access levels; what each may do: project permissions.
REPORTER = 20
DEVELOPER = 30
MAINTAINER = 40
_DOING = {REPORTER: "read", DEVELOPER: "push to"}
_ROLES = {REPORTER: "Reporter", DEVELOPER: "Developer"}
_WRITING = frozenset({"api", "write_repository"})

Get = Callable[[str], Coroutine[Any, Any, Reply]]
"""Sends one GET request with the credential; raises `NoAnswer`."""


def level_for(requirement: Requirement) -> int:
    """The role that a user needs so that a token which meets `requirement` can do its work."""
    changes = granular.for_access(requirement.granular, reads_only=True) != requirement.granular
    return DEVELOPER if changes or not _WRITING.isdisjoint(requirement.scopes) else REPORTER


def level_of(access: Level) -> int:
    """The same for a repository that the configuration names."""
    return REPORTER if access is Level.READ else DEVELOPER


@dataclass(frozen=True, slots=True)
class Project:
    """A project as its reader sees it.

    Attributes:
        level: of the user, as far as it is told; 0 for none.
        private: only members see it.
        personal: it belongs to a user and not to a group.
        lineage: the id of its group.
        lineage_complete: that group is in no other.
    """

    number: int
    level: int
    private: bool
    archived: bool
    personal: bool
    lineage: frozenset[int]
    lineage_complete: bool
    is_group: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A group, for fine-grained tokens, whose permissions are for groups by number."""

    number: int
    lineage: frozenset[int]
    lineage_complete: bool
    personal: bool = False
    is_group: bool = True


@dataclass(frozen=True, slots=True)
class Reached:
    """What is known of a user's access to one place.

    Attributes:
        path: the place's full path, for people.
        needed: the role that is needed there.
        place: what was seen of it.
        enough: the user has that role; None where that can't be known.
        level: the user's role, as far as it is told.
        trouble: why nothing of it was seen.
        granular: only a fine-grained token with other permissions would see it.
        unasked: the token's scopes don't let it ask.
        late: there was no time to ask.
    """

    path: str
    needed: int
    place: Project | Group | None = None
    enough: bool | None = None
    level: int = 0
    trouble: Finding | None = None
    granular: bool = False
    unasked: bool = False
    late: bool = False
    is_group: bool = False

    def problem(self, owner: Owner, *, fine_grained: bool) -> Finding | None:
        """Why the user can't do its work there, or why that isn't known; None where all is well.

        In its reason ``{}`` stands for the path, so that places with the same one can be told together.

        Args:
            fine_grained: the token is, so that its permissions and not its being a classic one shut it out.
        """
        if self.granular and fine_grained:
            reason = "doesn't let this fine-grained token see {} without Project: Read and Group: Read"
            return Finding(Outcome.UNVERIFIED, reason=reason)
        if self.granular:
            reason = "accepts this token, but lets only fine-grained ones into {}"
            return Finding(Outcome.BLOCKED, reason=reason)
        if self.trouble is not None or self.unasked or self.late or self.enough:
            return self.trouble
        who = owner.username or "this token's account"
        if self.enough is None:
            reason = f"does not tell whether {who} may {_DOING[self.needed]} {{}}"
            return Finding(Outcome.UNVERIFIED, reason=reason)
        if owner.administrator:
            reason = (
                f"says that {who} is an administrator and has no role in {{}}, which is enough there only "
                "where Admin Mode is off"
            )
            return Finding(Outcome.UNVERIFIED, reason=reason)
        where = "any project of the group {}" if self.is_group else "{}"
        return Finding(
            Outcome.INSUFFICIENT, reason=f"says that {who} may not {_DOING[self.needed]} {where}, as is needed"
        )

    def warnings(self, host: str, owner: Owner, *, manages_webhooks: bool) -> tuple[str, ...]:
        """Whole sentences about what stops nothing.

        Args:
            manages_webhooks: the token is for that, too, which takes a Maintainer (GitLab docs: webhooks).
        """
        who = owner.username or "This token's account"
        found: list[str] = []
        if self.late:
            found.append(f"There was no time to ask {host} whether this token reaches {self.path}.")
        if self.unasked:
            found.append(f"{host} lets no token without read_api ask whether it reaches {self.path}.")
        if isinstance(self.place, Project) and self.place.archived:
            found.append(f"{self.path} is archived on {host}: nobody can push to it.")
        if self.enough and self.is_group and self.level < self.needed:
            found.append(
                f"{who} may {_DOING[self.needed]} projects of the group {self.path} on {host}, but has no such role in "
                "the group itself, as far as is told."
            )
        elif self.enough and manages_webhooks and self.needed <= self.level < MAINTAINER:
            found.append(f"{who} is no Maintainer of {self.path} on {host}, so that it can't manage webhooks there.")
        return tuple(found)

    @property
    def reads_only(self) -> bool:
        """Whether nothing is written there."""
        return self.needed <= REPORTER

    @property
    def role(self) -> str:
        """The name of the role that is needed."""
        return _ROLES[self.needed]


def see_project(path: str, needed: int, reply: Reply | NoAnswer) -> Reached:
    """What the reply to ``GET /projects/:id`` says, where the token itself is accepted."""
    if isinstance(reply, Reply) and reply.status == 200:
        body = replies.mapping(reply)
        number = replies.number(body.get("id"))
        if number is not None:
            project = _project(number, body)
            free = needed <= REPORTER and not project.private
            return Reached(path, needed, project, free or project.level >= needed, project.level)
    return _unseen(path, needed, reply)


def may_be_group(reply: Reply | NoAnswer) -> bool:
    """Whether there is no project of that path that the user may see, so that the path may be a group's."""
    return isinstance(reply, Reply) and reply.status == 404


def _project(number: int, body: Mapping[object, object]) -> Project:
    permissions, namespace = body.get("permissions"), body.get("namespace")
    levels = [0]
    if isinstance(permissions, Mapping):
        for one in permissions.values():
            level = replies.number(one.get("access_level")) if isinstance(one, Mapping) else None
            levels.append(level or 0)
    above = namespace if isinstance(namespace, Mapping) else {}
    return Project(
        number,
        max(levels),
        body.get("visibility") not in ("public", "internal"),
        body.get("archived") is True,
        above.get("kind") == "user",
        *_lineage(above),
    )


def _lineage(group: Mapping[object, object]) -> tuple[frozenset[int], bool]:
    """The ids of a group and of the one that it is in, and whether these are all."""
    above = group.get("parent_id", "untold")
    numbers = (replies.number(group.get("id")), replies.number(above))
    return frozenset(one for one in numbers if one is not None), above is None


def _unseen(path: str, needed: int, reply: Reply | NoAnswer, *, is_group: bool = False) -> Reached:
    what = "the group " if is_group else ""
    if isinstance(reply, NoAnswer):
        reason = f"{reply} when asked for {what}{path}"
    elif replies.lacks_scope(reply):
        return Reached(path, needed, unasked=True, is_group=is_group)
    elif replies.lacks_granular(reply):
        return Reached(path, needed, granular=True, is_group=is_group)
    elif reply.status == 404 and replies.error_of(reply):
        reason = f"does not understand a question about {what}{path}: a proxy between may decode the %2F in it"
    elif reply.status == 404:
        reason = f"says 404 for {what}{path}: either there is no such thing, or this token's account may not see it"
    else:
        reason = f"answers {reply.status} when asked for {what}{path}, which says nothing of the token"
    return Reached(path, needed, trouble=Finding(Outcome.UNVERIFIED, reason=reason), is_group=is_group)


async def settle(reached: Reached, get: Get) -> Reached:
    """Give the list of what the user may work on the last word, where its role looks too low.

    Raises:
        NoAnswer: there was none.
    """
    if not isinstance(reached.place, Project) or reached.enough:
        return reached
    number = reached.place.number
    query = f"min_access_level={reached.needed}&id_after={number - 1}&id_before={number + 1}&simple=true&per_page=1"
    reply = await get(f"/projects?{query}")
    found = reply.body if reply.status == 200 else None
    enough: bool | None = None
    if isinstance(found, list):
        numbers = [replies.number(one.get("id")) for one in found if isinstance(one, Mapping)]
        # A GitLab that doesn't know these parameters lists something else.
        enough = True if number in numbers else None if found else False
    return replace(reached, enough=enough)


async def see_group(path: str, needed: int, user: int | None, get: Get, *, fine_grained: bool) -> Reached:
    """Ask for the user's role in a group, and for what it may work on in it.

    Args:
        user: its id; None where that isn't known.
        fine_grained: ask for the group's number, too, which such a token's permissions name.
    """
    group = f"/groups/{encoded(path)}"
    query = f"min_access_level={needed}&include_subgroups=true&simple=true&per_page=1"
    calls = [get(f"{group}/projects?{query}")]
    if user is not None:
        calls.append(get(f"{group}/members/all/{user}"))
    if fine_grained:
        calls.append(get(f"{group}?with_projects=false"))
    projects, *others = await answers_of(*calls)
    told = _level(others[0]) if user is not None else None
    level = told or 0
    place = _group(others[-1]) if fine_grained else None
    if level >= needed:
        return Reached(path, needed, place, True, level, is_group=True)
    if isinstance(projects, NoAnswer) or projects.status != 200 or not isinstance(projects.body, list):
        return _unseen(path, needed, projects, is_group=True)
    # A group may have no project yet: that nothing is listed says something only beside a role that is told.
    enough = True if projects.body else None if told is None else False
    return Reached(path, needed, place, enough, level, is_group=True)


def _level(reply: Reply | NoAnswer) -> int | None:
    """A member's role, 0 for somebody who is none; None where that isn't told."""
    if isinstance(reply, Reply) and reply.status == 404 and replies.text_of(reply).startswith("404"):
        return 0
    if not isinstance(reply, Reply) or reply.status != 200:
        return None
    return replies.number(replies.mapping(reply).get("access_level"))


def _group(reply: Reply | NoAnswer) -> Group | None:
    body = replies.mapping(reply) if isinstance(reply, Reply) and reply.status == 200 else {}
    number = replies.number(body.get("id"))
    return None if number is None else Group(number, *_lineage(body))
