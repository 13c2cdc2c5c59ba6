"""The access of the token's account to a project or group.

This is about the account and does not prove the token's scopes. A sufficient role counts. A role that seems too low
proves nothing: ``permissions`` of a project and lists of members leave out invited groups (gitlab#337623), and custom
roles allow a Guest to read code (GitLab docs: user/custom_roles). In that case the list of projects that the account
may push to can prove access, and Git can prove or disprove it.
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
"""Requests the references of a project, for a push if the flag is set; raises `ProviderUnavailable`."""


def level_for(requirement: Requirement) -> int:
    """Return the role that an account needs for a token with this requirement."""
    changes = granular.for_access(requirement.granular, reads_only=True) != requirement.granular
    return DEVELOPER if changes or not _WRITING.isdisjoint(requirement.scopes) else REPORTER


def level_of(access: Level) -> int:
    """Return the role that an account needs for this access to a repository."""
    return REPORTER if access is Level.READ else DEVELOPER


@dataclass(frozen=True, slots=True)
class Project:
    """A project, as the account sees it.

    Attributes:
        level: the role of the account, as far as it is shown; 0 for none.
        private: only members see its code.
        personal: it belongs to a user and not to a group.
        lineage: the id of its group.
        lineage_complete: that group has no parent.
        without_code: its repository is disabled.
        deleted_on: the date on which it was marked for deletion; empty if it was not.
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
    """A group, for fine-grained tokens, whose permissions name groups by id."""

    number: int
    lineage: frozenset[int]
    lineage_complete: bool
    personal: bool = False
    is_group: bool = True


@dataclass(frozen=True, slots=True)
class PlaceAccess:
    """The access of the token's account to one project or group.

    Attributes:
        path: the full path, for messages.
        needed: the role that is needed.
        place: the project or group; None if it is not shown.
        enough: the account has the rights of that role; None if that is not known.
        level: the account's role, as far as it is shown.
        current: the path after a move; the same as `path` without one.
        moved: a warning about the move.
        obstacle: why it is not shown, or which policy blocks the token.
        remedy: what to do about the policy.
        granular: only a fine-grained token with other permissions has access.
        not_permitted: the token's scopes don't let it ask.
        late: there was not enough time.
        sources: the responses.
    """

    path: str
    needed: int
    place: Project | Group | None = None
    enough: bool | None = None
    level: int = 0
    current: str = ""
    moved: tuple[str, ...] = ()
    obstacle: Finding | None = None
    remedy: str = ""
    granular: bool = False
    not_permitted: bool = False
    late: bool = False
    is_group: bool = False
    sources: tuple[Source, ...] = ()

    def problem(self, owner: Owner, *, fine_grained: bool) -> Finding | None:
        """Return why the access is not sufficient or not known; None if it is sufficient.

        In the reason ``{}`` stands for the path, so that places with the same reason are named together.

        Args:
            fine_grained: the token is fine-grained, so its permissions are the reason and not its kind.
        """
        if self.granular and fine_grained:
            reason = "does not let this fine-grained token see {} without Project: Read and Group: Read"
            return Finding(Outcome.UNVERIFIED, reason=reason)
        if self.granular:
            reason = "accepts this token, but allows only fine-grained tokens to access {}"
            return Finding(Outcome.BLOCKED, reason=reason)
        if self.obstacle is not None or self.not_permitted or self.late or self.enough:
            return self.obstacle
        who = owner.username or "this token's account"
        if self.enough is None:
            reason = f"does not show whether {who} can {_DOING[self.needed]} {{}}"
            remedy = f"Give {who} at least the role {self.role} there, which proves it."
            return Finding(Outcome.UNVERIFIED, reason=reason, remedy=remedy)
        return Finding(
            Outcome.INSUFFICIENT, reason=f"says that {who} cannot {_DOING[self.needed]} {{}}, which is required"
        )

    def warnings(self, host: str, owner: Owner, *, manages_webhooks: bool) -> tuple[str, ...]:
        """Return whole sentences about conditions that cause no denial.

        Args:
            manages_webhooks: the token also manages webhooks, which needs the role Maintainer (GitLab docs: webhooks).
        """
        who = owner.username or "This token's account"
        found: list[str] = [*self.moved]
        if self.late:
            found.append(f"There was no time to ask {host} whether this token reaches {self.path}.")
        if self.not_permitted:
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
        if problem is None and (self.late or self.not_permitted):
            why = "had no time to answer" if self.late else "does not let a token without read_api ask"
            return Proof(name, Conclusion.OPEN, self.sources, why)
        return proof_of(name, problem, self.sources)

    @property
    def reads_only(self) -> bool:
        """Whether only read access is needed."""
        return self.needed <= REPORTER

    @property
    def role(self) -> str:
        """The name of the needed role."""
        return _ROLES[self.needed]


def project_access(
    path: str, needed: int, reply: Reply | ProviderUnavailable, host: Host, *, secret: str
) -> PlaceAccess:
    """Return the access by a reply to ``GET /projects/:id``, for a token that is accepted."""
    if isinstance(reply, Reply) and reply.status == 200:
        body = replies.mapping(reply)
        number = replies.number(body.get("id"))
        if number is not None:
            project = _project(number, body)
            free = needed <= REPORTER and not project.private
            current = plain(body.get("path_with_namespace"), secret=secret)
            return PlaceAccess(
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
    """Return a warning if a place has another path now. Before 13.12 GitLab sent no redirect."""
    if current and current.lower() != path.lower():
        reply = replace(reply, moved=reply.moved or current)
    return redirects.warnings(host, path, reply, current)


def may_be_group(reply: Reply | ProviderUnavailable) -> bool:
    """Return whether the account sees no project with that path, so it may be a group's."""
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
    """Return the ids of a group and its parent, and whether these are all."""
    above = group.get("parent_id", "unknown")
    numbers = (replies.number(group.get("id")), replies.number(above))
    return frozenset(one for one in numbers if one is not None), above is None


# GitLab docs: api/rest, namespaced paths; Apache: AllowEncodedSlashes NoDecode (gitlabhq/gitlabhq#8924).
_LEAVE_SLASHES = "Configure the proxy to leave encoded slashes (%2F) in paths as they are."


def _unseen(path: str, needed: int, reply: Reply | ProviderUnavailable, *, is_group: bool = False) -> PlaceAccess:
    what = "the group " if is_group else ""
    remedy = ""
    if isinstance(reply, ProviderUnavailable):
        reason, remedy = f"{reply} when asked for {what}{path}", reply.remedy
    elif replies.lacks_scope(reply):
        return PlaceAccess(path, needed, not_permitted=True, is_group=is_group)
    elif replies.lacks_granular(reply):
        return PlaceAccess(path, needed, granular=True, is_group=is_group)
    elif (known := replies.policy(reply)) is not None:
        return _kept_out(PlaceAccess(path, needed, is_group=is_group), known)
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
    return PlaceAccess(path, needed, obstacle=finding, is_group=is_group)


def _kept_out(reached: PlaceAccess, known: refusals.Refusal) -> PlaceAccess:
    reason = f"accepts this token, but denies it access to {{}}, because {known.reason}"
    return replace(reached, obstacle=Finding(Outcome.BLOCKED, reason=reason), remedy=known.remedy)


async def settle(reached: PlaceAccess, get: Get, get_refs: GetRefs) -> PlaceAccess:
    """Return the access to a project after further requests, if the account's role seems too low.

    Raises:
        ProviderUnavailable: there was no response that shows the access.
    """
    if not isinstance(reached.place, Project) or reached.enough:
        return reached
    number = reached.place.number
    # Two entries at most, so that a GitLab that ignores these parameters does not list only this project by chance.
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
    """Return whether a list has only this project, which shows that its filters were applied."""
    found = reply.body if isinstance(reply, Reply) and reply.status == 200 else None
    return isinstance(found, list) and [_id(one) for one in found] == [number]


def _id(document: object) -> int | None:
    return replies.number(document.get("id")) if isinstance(document, Mapping) else None


async def group_access(
    path: str, needed: int, user: int | None, get: Get, host: Host, *, fine_grained: bool, secret: str
) -> PlaceAccess:
    """Return the access to a group, by the account's role and by the projects that it has access to.

    Args:
        user: the id of the account; None if that is not known.
        fine_grained: also request the group's id, which the token's permissions name.
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
    # An empty list proves nothing: the group may have no project yet, and a custom role may be sufficient.
    enough = level >= needed or (isinstance(listed, list) and any(_id(one) is not None for one in listed)) or None
    moved = redirects.warnings(host, path, projects, _group_of(listed, path, secret=secret))
    return PlaceAccess(path, needed, place, enough, level, current=path, moved=moved, is_group=True)


def _group_of(listed: object, path: str, *, secret: str) -> str:
    """Return the full path of the first listed project's group; empty if that may be a subgroup."""
    first = listed[0] if isinstance(listed, list) and listed else None
    full = plain(first.get("path_with_namespace"), secret=secret) if isinstance(first, Mapping) else ""
    group = full.rpartition("/")[0]
    return group if group.count("/") == path.count("/") else ""


def _level(reply: Reply | ProviderUnavailable) -> int | None:
    """Return a member's role, 0 for an account that is no member; None if it is not shown."""
    if isinstance(reply, Reply) and reply.status == 404 and replies.text_of(reply).startswith("404"):
        return 0
    if not isinstance(reply, Reply) or reply.status != 200:
        return None
    return replies.number(replies.mapping(reply).get("access_level"))


def _group(reply: Reply | ProviderUnavailable) -> Group | None:
    body = replies.mapping(reply) if isinstance(reply, Reply) and reply.status == 200 else {}
    number = replies.number(body.get("id"))
    return None if number is None else Group(number, *_lineage(body))
