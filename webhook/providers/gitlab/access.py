"""The project or group that a URL names: may the token's account work there?

That is about the account, and no proof of what the token may do (PROVIDERS.md). A role that is high enough is believed.
One that looks too low proves nothing: ``permissions`` of a project and lists of members leave out invited groups
(gitlab#337623), and custom roles let a Guest read code (GitLab docs: user/custom_roles). Then the list of what the
account may push to can prove that it may, and Git itself that it may or may not.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from webhook.providers.base import ProviderUnavailable, Reply, is_transient
from webhook.providers.concurrency import outcomes
from webhook.providers.evidence import proof_of
from webhook.providers.findings import Conclusion, Finding, Outcome, Proof, Source
from webhook.providers.gitlab import git, granular, refusals, replies
from webhook.providers.gitlab.owner import Owner
from webhook.providers.gitlab.site import encoded
from webhook.providers.hosts import Host
from webhook.providers.requirements import Level, Requirement
from webhook.providers.text import plain
from webhook.providers.transport import redirects
from webhook.text import day

# GitLab docs: members API, valid access levels; what each may do, at least: project permissions.
REPORTER = 20
DEVELOPER = 30
MAINTAINER = 40
_DOING = {REPORTER: "read", DEVELOPER: "push to"}
_ROLES = {REPORTER: "Reporter", DEVELOPER: "Developer"}
_WRITING = frozenset({"api", "write_repository"})

Get = Callable[[str], Coroutine[Any, Any, Reply]]
"""Sends one GET request with the credential; raises `ProviderUnavailable`."""
GetRefs = Callable[[str, bool], Coroutine[Any, Any, Reply]]
"""Asks Git about a project's path, as for a push where the flag says so; raises `ProviderUnavailable`."""


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
        private: only members see its code.
        personal: it belongs to a user and not to a group.
        lineage: the id of its group.
        lineage_complete: that group is in no other.
        without_code: its repository is disabled.
        deleted_on: the date on which it was marked for deletion; empty where it wasn't.
    """

    number: int
    level: int
    private: bool
    archived: bool
    personal: bool
    lineage: frozenset[int]
    lineage_complete: bool
    without_code: bool = False
    deleted_on: str = ""
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
        enough: the user may do there what that role may; None where that can't be known.
        level: the user's role, as far as it is told.
        current: its path after a move; the same as `path` without one.
        moved: a sentence that says so.
        trouble: why nothing of it was seen, or why a policy keeps the token out.
        remedy: what to do about the policy.
        granular: only a fine-grained token with other permissions would see it.
        unasked: the token's scopes don't let it ask.
        late: there was no time to ask.
        sources: the responses that it is known from.
    """

    path: str
    needed: int
    place: Project | Group | None = None
    enough: bool | None = None
    level: int = 0
    current: str = ""
    moved: tuple[str, ...] = ()
    trouble: Finding | None = None
    remedy: str = ""
    granular: bool = False
    unasked: bool = False
    late: bool = False
    is_group: bool = False
    sources: tuple[Source, ...] = ()

    def problem(self, owner: Owner, *, fine_grained: bool) -> Finding | None:
        """Why the user can't do its work there, or why that isn't known; None where all is well.

        In its reason ``{}`` stands for the path, so that places with the same one can be told together.

        Args:
            fine_grained: the token is, so that its permissions and not its being a classic one shut it out.
        """
        if self.granular and fine_grained:
            reason = "does not let this fine-grained token see {} without Project: Read and Group: Read"
            return Finding(Outcome.UNVERIFIED, reason=reason)
        if self.granular:
            reason = "accepts this token, but allows only fine-grained tokens to access {}"
            return Finding(Outcome.BLOCKED, reason=reason)
        if self.trouble is not None or self.unasked or self.late or self.enough:
            return self.trouble
        who = owner.username or "this token's account"
        if self.enough is None:
            reason = f"does not show whether {who} can {_DOING[self.needed]} {{}}"
            remedy = f"Give {who} at least the role {self.role} there, which proves it."
            return Finding(Outcome.UNVERIFIED, reason=reason, remedy=remedy)
        return Finding(
            Outcome.INSUFFICIENT, reason=f"says that {who} cannot {_DOING[self.needed]} {{}}, which is required"
        )

    def warnings(self, host: str, owner: Owner, *, manages_webhooks: bool) -> tuple[str, ...]:
        """Whole sentences about what stops nothing.

        Args:
            manages_webhooks: the token is for that, too, which takes a Maintainer (GitLab docs: webhooks).
        """
        who = owner.username or "This token's account"
        found: list[str] = [*self.moved]
        if self.late:
            found.append(f"There was no time to ask {host} whether this token reaches {self.path}.")
        if self.unasked:
            found.append(f"{host} does not let a token without read_api check whether it reaches {self.path}.")
        if isinstance(self.place, Project) and self.place.archived:
            found.append(f"{self.path} is archived on {host}: no one can push to it.")
        if isinstance(self.place, Project) and self.place.deleted_on:
            found.append(f"{self.path} is marked for deletion on {host} since {self.place.deleted_on}.")
        if isinstance(self.place, Project) and self.place.without_code:
            found.append(f"The repository of {self.path} is disabled on {host}: no one can clone it or push to it.")
        if self.enough and self.is_group and self.level < self.needed:
            found.append(
                f"{who} can {_DOING[self.needed]} projects of the group {self.path} on {host}, but GitLab shows no "
                "such role in the group itself."
            )
        elif self.enough and manages_webhooks and self.needed <= self.level < MAINTAINER:
            found.append(
                f"{who} is not a Maintainer of {self.path} on {host}, so it can manage webhooks there only with a "
                "custom role."
            )
        return tuple(found)

    def proof(self, problem: Finding | None) -> Proof:
        """Return what the responses prove about the access to this place.

        Args:
            problem: as `problem` returns it.
        """
        name = f"{self.path}: {_DOING[self.needed]}"
        if problem is None and (self.late or self.unasked):
            why = "had no time to answer" if self.late else "does not let a token without read_api ask"
            return Proof(name, Conclusion.OPEN, self.sources, why)
        return proof_of(name, problem, self.sources)

    @property
    def reads_only(self) -> bool:
        """Whether nothing is written there."""
        return self.needed <= REPORTER

    @property
    def role(self) -> str:
        """The name of the role that is needed."""
        return _ROLES[self.needed]


def see_project(path: str, needed: int, reply: Reply | ProviderUnavailable, host: Host, *, secret: str) -> Reached:
    """Return what the reply to ``GET /projects/:id`` says, where the token itself is accepted."""
    if isinstance(reply, Reply) and reply.status == 200:
        body = replies.mapping(reply)
        number = replies.number(body.get("id"))
        if number is not None:
            project = _project(number, body)
            free = needed <= REPORTER and not project.private
            current = plain(body.get("path_with_namespace"), secret=secret)
            return Reached(
                path,
                needed,
                project,
                free or project.level >= needed or None,
                project.level,
                current=current or path,
                moved=_moved(host, path, reply, current),
            )
    return _unseen(path, needed, reply)


def _moved(host: Host, path: str, reply: Reply, current: str) -> tuple[str, ...]:
    """A warning where a place is found under another path. Before 13.12 GitLab said nothing else of a move."""
    if current and current.lower() != path.lower():
        reply = replace(reply, moved=reply.moved or current)
    return redirects.warnings(host, path, reply, current)


def may_be_group(reply: Reply | ProviderUnavailable) -> bool:
    """Whether there is no project of that path that the user may see, so that the path may be a group's."""
    return isinstance(reply, Reply) and reply.status == 404


def _project(number: int, body: Mapping[object, object]) -> Project:
    permissions, namespace = body.get("permissions"), body.get("namespace")
    access = body.get("repository_access_level")
    levels = [0]
    if isinstance(permissions, Mapping):
        for one in permissions.values():
            level = replies.number(one.get("access_level")) if isinstance(one, Mapping) else None
            levels.append(level or 0)
    above = namespace if isinstance(namespace, Mapping) else {}
    return Project(
        number,
        max(levels),
        body.get("visibility") not in ("public", "internal") or access in ("private", "disabled"),
        body.get("archived") is True,
        above.get("kind") == "user",
        *_lineage(above),
        without_code=access == "disabled",
        deleted_on=_date(body.get("marked_for_deletion_on") or body.get("marked_for_deletion_at")),
    )


def _date(value: object) -> str:
    end = replies.end_of(value)
    return "" if end is None else day(end)


def _lineage(group: Mapping[object, object]) -> tuple[frozenset[int], bool]:
    """The ids of a group and of the one that it is in, and whether these are all."""
    above = group.get("parent_id", "untold")
    numbers = (replies.number(group.get("id")), replies.number(above))
    return frozenset(one for one in numbers if one is not None), above is None


# GitLab docs: api/rest, namespaced paths; Apache: AllowEncodedSlashes NoDecode (gitlabhq/gitlabhq#8924).
_LEAVE_SLASHES = "Configure the proxy to leave encoded slashes (%2F) in paths as they are."


def _unseen(path: str, needed: int, reply: Reply | ProviderUnavailable, *, is_group: bool = False) -> Reached:
    what = "the group " if is_group else ""
    remedy = ""
    if isinstance(reply, ProviderUnavailable):
        reason, remedy = f"{reply} when asked for {what}{path}", reply.remedy
    elif replies.lacks_scope(reply):
        return Reached(path, needed, unasked=True, is_group=is_group)
    elif replies.lacks_granular(reply):
        return Reached(path, needed, granular=True, is_group=is_group)
    elif (known := replies.policy(reply)) is not None:
        return _kept_out(Reached(path, needed, is_group=is_group), known)
    elif reply.status == 404 and replies.error_of(reply):
        reason = f"does not understand the request for {what}{path}: a proxy in between may decode the %2F in it"
        remedy = _LEAVE_SLASHES
    elif reply.status == 404 and not replies.text_of(reply):
        reason = (
            f"answers 404 for {what}{path} with a page that is not GitLab's: a proxy in between may decode the %2F in "
            "the path"
        )
        remedy = _LEAVE_SLASHES
    elif reply.status == 404:
        reason = f"answers 404 for {what}{path}: either it does not exist, or this token's account cannot see it"
        remedy = "Check the URL, the account's role there, and whether the group restricts access by IP address."
    else:
        reason = f"answers {reply.status} when asked for {what}{path}, which says nothing about the token"
    finding = Finding(Outcome.UNVERIFIED, reason=reason, transient=is_transient(reply), remedy=remedy)
    return Reached(path, needed, trouble=finding, is_group=is_group)


def _kept_out(reached: Reached, known: refusals.Refusal) -> Reached:
    reason = f"accepts this token, but denies it access to {{}}, because {known.reason}"
    return replace(reached, trouble=Finding(Outcome.BLOCKED, reason=reason), remedy=known.remedy)


async def settle(reached: Reached, get: Get, get_refs: GetRefs) -> Reached:
    """Return the same with what else tells whether the account may work in a project, where its role looks too low.

    Raises:
        ProviderUnavailable: nothing else told it, because there was no answer.
    """
    if not isinstance(reached.place, Project) or reached.enough:
        return reached
    number = reached.place.number
    # Two at most: a GitLab that ignores these parameters then doesn't list this one project alone by chance.
    query = f"min_access_level={reached.needed}&id_after={number - 1}&id_before={number + 1}&simple=true&per_page=2"
    listed, refs = await outcomes(get(f"/projects?{query}"), get_refs(reached.current, not reached.reads_only))
    if _lists_only(number, listed):
        return replace(reached, enough=True)
    if isinstance(refs, Reply):
        if (known := git.policy(refs)) is not None:
            return _kept_out(reached, known)
        if (allowed := git.allowed(refs)) is not None:
            return replace(reached, enough=allowed)
    if isinstance(listed, ProviderUnavailable):
        raise listed
    return reached


def _lists_only(number: int, reply: Reply | ProviderUnavailable) -> bool:
    """Return whether a list has this one project alone, which shows that its filters were honoured."""
    found = reply.body if isinstance(reply, Reply) and reply.status == 200 else None
    return isinstance(found, list) and [_id(one) for one in found] == [number]


def _id(document: object) -> int | None:
    return replies.number(document.get("id")) if isinstance(document, Mapping) else None


async def see_group(
    path: str, needed: int, user: int | None, get: Get, host: Host, *, fine_grained: bool, secret: str
) -> Reached:
    """Ask for the account's role in a group, and for what it may work on in it.

    Args:
        user: its id; None where that isn't known.
        fine_grained: ask for the group's number, too, which such a token's permissions name.
    """
    group = f"/groups/{encoded(path)}"
    query = f"min_access_level={needed}&include_subgroups=true&with_shared=false&simple=true&per_page=1"
    calls = [get(f"{group}/projects?{query}")]
    if user is not None:
        calls.append(get(f"{group}/members/all/{user}"))
    if fine_grained:
        calls.append(get(f"{group}?with_projects=false"))
    projects, *others = await outcomes(*calls)
    level = (_level(others[0]) if user is not None else None) or 0
    place = _group(others[-1]) if fine_grained else None
    listed = projects.body if isinstance(projects, Reply) and projects.status == 200 else None
    if level < needed and not isinstance(listed, list):
        return _unseen(path, needed, projects, is_group=True)
    # That nothing is listed proves nothing: the group may have no project yet, and a custom role may be enough.
    enough = level >= needed or (isinstance(listed, list) and any(_id(one) is not None for one in listed)) or None
    moved = redirects.warnings(host, path, projects, _group_of(listed, path, secret=secret))
    return Reached(path, needed, place, enough, level, current=path, moved=moved, is_group=True)


def _group_of(listed: object, path: str, *, secret: str) -> str:
    """The full path of the group that the first listed project is in; empty where that may be one of its subgroups."""
    first = listed[0] if isinstance(listed, list) and listed else None
    full = plain(first.get("path_with_namespace"), secret=secret) if isinstance(first, Mapping) else ""
    group = full.rpartition("/")[0]
    return group if group.count("/") == path.count("/") else ""


def _level(reply: Reply | ProviderUnavailable) -> int | None:
    """A member's role, 0 for somebody who is none; None where that isn't told."""
    if isinstance(reply, Reply) and reply.status == 404 and replies.text_of(reply).startswith("404"):
        return 0
    if not isinstance(reply, Reply) or reply.status != 200:
        return None
    return replies.number(replies.mapping(reply).get("access_level"))


def _group(reply: Reply | ProviderUnavailable) -> Group | None:
    body = replies.mapping(reply) if isinstance(reply, Reply) and reply.status == 200 else {}
    number = replies.number(body.get("id"))
    return None if number is None else Group(number, *_lineage(body))
