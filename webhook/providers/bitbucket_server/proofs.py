"""What the replies prove. A permission is held, or absent, or neither is known; what is held is held.

Each proof is by something that the token itself was shown or refused, and so covers both the token's permissions and
its owner's rights. Lists filtered by ``?permission=`` only choose what is looked at: whether they heed what the token
may, or its owner's rights alone, is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.bitbucket_server import git
from webhook.providers.bitbucket_server.probes import ProjectSeen, RepositorySeen
from webhook.providers.bitbucket_server.profile import PROJECT, REPOSITORY, display
from webhook.providers.bitbucket_server.refusals import ARCHIVED, refusal_in
from webhook.providers.bitbucket_server.replies import Open, a_page, by_refusal, called, granted
from webhook.providers.findings import Finding, Outcome
from webhook.providers.requirements import Level
from webhook.text import join

Permission = tuple[str, Level]


@dataclass(slots=True)
class Proofs:
    """What is known of the permissions that a token has.

    Attributes:
        held: proven.
        absent: proven not to be there.
        open: not known, and why.
    """

    held: set[Permission] = field(default_factory=set)
    absent: set[Permission] = field(default_factory=set)
    open: dict[Permission, Open] = field(default_factory=dict)

    def note(self, resource: str, level: Level, meaning: bool | Open) -> None:
        """Add one proof: of the permission (True), of its absence (False), or why there is none."""
        match meaning:
            case True:
                self.held |= {(resource, lower) for lower in Level if level.includes(lower)}
                # It is a permission for all that is in it (Atlassian: HTTP access tokens). That the project is shown
                # is less: it is for the sake of one repository, too.
                if resource == PROJECT and level is not Level.READ:
                    self.note(REPOSITORY, level, True)
            case False:
                self.absent |= {(resource, higher) for higher in Level if higher.includes(level)}
            case Open():
                self.open |= {(resource, higher): meaning for higher in Level if higher.includes(level)}

    def highest(self) -> tuple[str, ...]:
        """The names of what is held, without what is implied."""
        levels = {resource: [level for level in Level if (resource, level) in self.held] for resource, _ in self.held}
        return tuple(
            display(resource, levels[resource][-1]) for resource in (PROJECT, REPOSITORY) if resource in levels
        )

    def judge(self, needed: Iterable[Permission], described: str, probed: str) -> Finding:
        """What follows for a role that needs these permissions."""
        unmet = [permission for permission in needed if permission not in self.held]
        lacks = tuple(display(*permission) for permission in unmet if permission in self.absent)
        if lacks:
            return Finding(Outcome.INSUFFICIENT, lacks)
        if not unmet:
            return Finding(Outcome.SUFFICIENT)
        unknown = {permission: self.open.get(permission, _NO_PROOF) for permission in unmet}
        if any(one.blocks for one in unknown.values()):
            return Finding(Outcome.BLOCKED, reason=_obstacles(unknown.values(), described))
        reasons: dict[str, list[str]] = {}
        for permission, one in unknown.items():
            reasons.setdefault(one.why, []).append(display(*permission))
        told = "; ".join(f"{join(names)} ({why})" for why, names in reasons.items())
        where = f" on {probed}" if probed else ""
        reason = f"leaves open{where} whether this {described} has {told}"
        return Finding(Outcome.UNVERIFIED, reason=reason, transient=all(one.transient for one in unknown.values()))

    def remedy(self) -> str:
        """What to do about the first obstacle that a person must remove; empty where there is none."""
        remedies = (one.refusal.remedy for one in self.open.values() if one.refusal is not None and one.blocks)
        return next(remedies, "")


_NO_PROOF = Open("no request proves it that changes nothing")


def _obstacles(unknown: Iterable[Open], described: str) -> str:
    reasons = dict.fromkeys(one.why for one in unknown if one.blocks)
    return f"accepts this {described}, but {join(reasons)}"


def note_project(proofs: Proofs, seen: ProjectSeen) -> None:
    """What the replies for a project prove.

    The project itself is shown to whoever may read it, or any repository in it (Atlassian: ``PROJECT_VIEW``). The two
    aren't told apart: many people have rights on repositories alone, and their tokens are as good.
    """
    proofs.note(PROJECT, Level.READ, granted(seen.found, called("key", seen.key)))
    if seen.people is not None:
        proofs.note(PROJECT, Level.ADMIN, granted(seen.people, a_page))


def note_repository(proofs: Proofs, seen: RepositorySeen) -> None:
    """What the replies for a repository prove."""
    found = granted(seen.found, called("slug", seen.place.repository or ""))
    proofs.note(REPOSITORY, Level.READ, found)
    if found is not True:
        return
    if seen.hooks is not None:
        proofs.note(REPOSITORY, Level.ADMIN, granted(seen.hooks, a_page))
    if seen.push is not None:
        proofs.note(REPOSITORY, Level.WRITE, _pushes(seen))


def is_archived(seen: RepositorySeen) -> bool:
    """Whether nobody may push to it."""
    body = seen.found.body if isinstance(seen.found, Reply) else None
    return isinstance(body, Mapping) and body.get("archived") is True


def _pushes(seen: RepositorySeen) -> bool | Open:
    """Return whether Git lets the token push.

    The refusal is 403 (Atlassian KB: Git push returns error code 403), which may as well be a proxy's, or stand for
    Git over HTTPS being turned off; so it counts where fetching is allowed.
    """
    push = seen.push
    if not isinstance(push, Reply):
        silence = push or ProviderUnavailable("was not asked")
        return Open(f"it {silence} when asked as by git push", transient=silence.transient)
    meaning = git.advertised(push.body, git.PUSH) if push.status == 200 else None
    if meaning is True:
        return True
    if is_archived(seen):
        return replace(by_refusal(ARCHIVED), why=f"{seen.place.name} is archived, so that nobody can push to it")
    if (refusal := refusal_in(push)) is not None:
        return by_refusal(refusal)
    if push.status != 403 and meaning is not False:
        return Open(f"it answers {push.status} when asked as by git push")
    fetch = seen.fetch
    if isinstance(fetch, Reply) and fetch.status == 200 and git.advertised(fetch.body, git.FETCH):
        return False
    return Open("it refuses git fetch as well as git push")
