"""Which permissions the responses prove: each is held, absent or unproven.

Each proof is something that the token itself was shown or denied, so it covers both the token's permissions and its
owner's rights. Lists filtered by ``?permission=`` only choose what to probe: it is not known whether they respect the
token's permissions or its owner's rights alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.bitbucket_server import git
from webhook.providers.bitbucket_server.probes import ProjectResponses, RepositoryResponses
from webhook.providers.bitbucket_server.profile import PROJECT, REPOSITORY, display
from webhook.providers.bitbucket_server.refusals import ARCHIVED, refusal_in
from webhook.providers.bitbucket_server.replies import Unproven, a_page, by_refusal, called, granted
from webhook.providers.evidence import source, sources_in
from webhook.providers.findings import Conclusion, Finding, Outcome, Proof, Source
from webhook.providers.requirements import Level
from webhook.text import join

Permission = tuple[str, Level]


@dataclass(slots=True)
class Proofs:
    """What is known about a token's permissions.

    Attributes:
        held: proven to be there.
        absent: proven to be missing.
        unproven: neither, with the reason.
        sources: the responses that it is known from.
    """

    held: set[Permission] = field(default_factory=set)
    absent: set[Permission] = field(default_factory=set)
    unproven: dict[Permission, Unproven] = field(default_factory=dict)
    sources: dict[Permission, tuple[Source, ...]] = field(default_factory=dict)

    def note(self, resource: str, level: Level, meaning: bool | Unproven, sources: tuple[Source, ...] = ()) -> None:
        """Add a proof of the permission (True), of its absence (False), or the reason why there is none."""
        for other in Level:
            if level.includes(other) if meaning is True else other.includes(level):
                known = self.sources.get((resource, other), ())
                self.sources[resource, other] = tuple(dict.fromkeys((*known, *sources)))
        match meaning:
            case True:
                self.held |= {(resource, lower) for lower in Level if level.includes(lower)}
                # A permission for a project covers its repositories (Atlassian: HTTP access tokens). Being shown the
                # project proves less: access to one repository is enough for that.
                if resource == PROJECT and level is not Level.READ:
                    self.note(REPOSITORY, level, True, sources)
            case False:
                self.absent |= {(resource, higher) for higher in Level if higher.includes(level)}
            case Unproven():
                self.unproven |= {(resource, higher): meaning for higher in Level if higher.includes(level)}

    def highest(self) -> tuple[str, ...]:
        """Return the names of the highest permissions held, without those they imply."""
        levels = {resource: [level for level in Level if (resource, level) in self.held] for resource, _ in self.held}
        return tuple(
            display(resource, levels[resource][-1]) for resource in (PROJECT, REPOSITORY) if resource in levels
        )

    def judge(self, needed: Iterable[Permission], described: str, probed: str) -> Finding:
        """Return the finding for a role that needs these permissions."""
        unmet = [permission for permission in needed if permission not in self.held]
        lacks = tuple(display(*permission) for permission in unmet if permission in self.absent)
        if lacks:
            return Finding(Outcome.INSUFFICIENT, lacks)
        if not unmet:
            return Finding(Outcome.SUFFICIENT)
        unknown = {permission: self.unproven.get(permission, _NO_PROOF) for permission in unmet}
        if any(one.blocks for one in unknown.values()):
            return Finding(Outcome.BLOCKED, reason=_obstacles(unknown.values(), described))
        reasons: dict[str, list[str]] = {}
        for permission, one in unknown.items():
            reasons.setdefault(one.why, []).append(display(*permission))
        unproven = "; ".join(f"{join(names)} ({why})" for why, names in reasons.items())
        where = f" on {probed}" if probed else ""
        reason = f"does not show{where} whether this {described} has {unproven}"
        return Finding(Outcome.UNVERIFIED, reason=reason, transient=all(one.transient for one in unknown.values()))

    def shown(self, needed: Iterable[Permission]) -> tuple[Proof, ...]:
        """Return what is proven about each of these permissions."""
        proofs = []
        for permission in needed:
            name, sources = display(*permission), self.sources.get(permission, ())
            if permission in self.held:
                proofs.append(Proof(name, Conclusion.PROVEN, sources))
            elif permission in self.absent:
                proofs.append(Proof(name, Conclusion.MISSING, sources))
            else:
                unknown = self.unproven.get(permission, _NO_PROOF)
                conclusion = Conclusion.BLOCKED if unknown.blocks else Conclusion.OPEN
                proofs.append(Proof(name, conclusion, sources, unknown.why))
        return tuple(proofs)

    def remedy(self) -> str:
        """Return what to do about the first obstacle; empty if there is none."""
        remedies = (one.refusal.remedy for one in self.unproven.values() if one.refusal is not None and one.blocks)
        return next(remedies, "")


_NO_PROOF = Unproven("no read-only request can prove it")


def _obstacles(unknown: Iterable[Unproven], described: str) -> str:
    reasons = dict.fromkeys(one.why for one in unknown if one.blocks)
    return f"accepts this {described}, but {join(reasons)}"


def note_project(proofs: Proofs, responses: ProjectResponses) -> None:
    """Add what the responses for a project prove.

    Users who can read the project, or any repository in it, see the project (Atlassian: ``PROJECT_VIEW``). The two are
    treated alike: many users have rights on repositories only, and their tokens are as good.
    """
    proofs.note(PROJECT, Level.READ, granted(responses.found, called("key", responses.key)), source(responses.found))
    if responses.people is not None:
        proofs.note(PROJECT, Level.ADMIN, granted(responses.people, a_page), source(responses.people))


def note_repository(proofs: Proofs, responses: RepositoryResponses) -> None:
    """Add what the responses for a repository prove."""
    found = granted(responses.found, called("slug", responses.target.repository or ""))
    proofs.note(REPOSITORY, Level.READ, found, source(responses.found))
    if found is not True:
        return
    if responses.hooks is not None:
        proofs.note(REPOSITORY, Level.ADMIN, granted(responses.hooks, a_page), source(responses.hooks))
    if responses.push is not None:
        proofs.note(REPOSITORY, Level.WRITE, _pushes(responses), sources_in([responses.push, responses.fetch]))


def is_archived(responses: RepositoryResponses) -> bool:
    """Return whether the repository is archived, so no one can push to it."""
    body = responses.found.body if isinstance(responses.found, Reply) else None
    return isinstance(body, Mapping) and body.get("archived") is True


def _pushes(responses: RepositoryResponses) -> bool | Unproven:
    """Return whether the token may push.

    A rejection is 403 (Atlassian KB: Git push returns error code 403), which may also come from a proxy or mean that
    Git over HTTPS is disabled; so it counts only if fetching is allowed.
    """
    push = responses.push
    if not isinstance(push, Reply):
        failure = push or ProviderUnavailable("was not asked")
        return Unproven(f"it {failure} when asked whether git push is allowed", transient=failure.transient)
    meaning = git.advertised(push.body, git.PUSH) if push.status == 200 else None
    if meaning is True:
        return True
    if is_archived(responses):
        return replace(by_refusal(ARCHIVED), why=f"{responses.target.name} is archived, so no one can push to it")
    if (refusal := refusal_in(push)) is not None:
        return by_refusal(refusal)
    if push.status != 403 and meaning is not False:
        return Unproven(f"it answers {push.status} when asked whether git push is allowed")
    fetch = responses.fetch
    if isinstance(fetch, Reply) and fetch.status == 200 and git.advertised(fetch.body, git.FETCH):
        return False
    return Unproven("it rejects git fetch as well as git push")
