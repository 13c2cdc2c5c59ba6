"""Fine-grained tokens, whose permissions are for certain projects and groups (GitLab docs: fine-grained tokens).

The spelling of permissions in ``granular_scopes`` is not documented. Names are compared by their words, so
``Code: Push``, ``push_code`` and ``code push`` are the same. A name without words does not count as a missing one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from typing import Protocol

from webhook.providers.evidence import proofs_by_list
from webhook.providers.findings import Conclusion, Finding, Outcome, Proof, Source
from webhook.providers.gitlab import replies
from webhook.providers.requirements import Requirement
from webhook.providers.text import plain
from webhook.text import join

_WORDS = re.compile(r"[a-z0-9]+")
_MOST_NAMES = 8
"""Permissions that one sentence names."""
_MOST_LISTED = 20_000
"""Names in all entries together: a hundred projects with two hundred permissions each."""
_MOST_DIFFERENT = 1000
"""Different names; GitLab has some hundreds. Reading more would delay other reviews."""
_ANYWHERE = ("user", "instance", "all_memberships")
"""Values of ``access`` for permissions that are not limited to projects. A user who is no member has no access."""


class Place(Protocol):
    """A project or group.

    Attributes:
        number: its id.
        lineage: the ids of the groups that it is known to be in, including a group's own id.
        lineage_complete: there are no others.
        personal: it is a personal project of the user.
    """

    @property
    def number(self) -> int: ...
    @property
    def lineage(self) -> frozenset[int]: ...
    @property
    def lineage_complete(self) -> bool: ...
    @property
    def personal(self) -> bool: ...
    @property
    def is_group(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of ``granular_scopes``: permissions and where they apply (client-go!3178).

    Attributes:
        access: ``user``, ``instance``, ``all_memberships``, ``personal_projects`` or ``selected_memberships``.
        names: the names of the permissions, as GitLab spells them.
        readable: no name was left out as unreadable.
        project: the id of the only project; None for no project.
        group: the id of the only group; None for no group.
    """

    access: str
    names: tuple[str, ...]
    readable: bool = True
    project: int | None = None
    group: int | None = None

    def holds(self, name: str) -> bool:
        """Return whether it has a permission of this name."""
        return any(_words(name) == _words(one) for one in self.names)

    def reaches(self, place: Place | None) -> bool | None:
        """Return whether it applies to `place`; None if that is not known."""
        if self.access in _ANYWHERE:
            return True
        if place is None:
            return None
        if self.access == "personal_projects":
            return place.personal
        if self.access != "selected_memberships":
            return None
        if self.project is not None:
            return not place.is_group and self.project == place.number
        if self.group in place.lineage:
            return True
        return False if place.lineage_complete else None


def read(value: object, *, secret: str) -> tuple[Line, ...] | None:
    """Return the entries of ``granular_scopes``; None if there is no valid list."""
    if not isinstance(value, list) or _has_too_many(value):
        return None
    readable = cache(partial(plain, secret=secret))  # a hundred projects can have the same name
    lines: list[Line] = []
    for entry in value:
        permissions = entry.get("permissions") if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or not isinstance(permissions, list):
            return None
        names = [readable(name) if isinstance(name, str) else "" for name in permissions]
        lines.append(
            Line(
                str(entry.get("access")),
                tuple(name for name in names if _words(name)),
                all(_words(name) for name in names),
                replies.number(entry.get("project_id")),
                replies.number(entry.get("group_id")),
            )
        )
    return tuple(lines)


def _has_too_many(entries: list[object]) -> bool:
    lists = [entry.get("permissions") for entry in entries if isinstance(entry, Mapping)]
    names = [name for names in lists if isinstance(names, list) for name in names]
    if len(entries) > _MOST_LISTED or len(names) > _MOST_LISTED:
        return True
    return len({name for name in names if isinstance(name, str)}) > _MOST_DIFFERENT


def names_of(lines: tuple[Line, ...]) -> tuple[str, ...]:
    """Return the names of all permissions, sorted."""
    return tuple(sorted({name for line in lines for name in line.names}))


def for_access(names: tuple[str, ...], *, reads_only: bool) -> tuple[str, ...]:
    """Return the names that read access needs, or all."""
    return tuple(name for name in names if not reads_only or _words(name) & {"read", "download"})


def judge(needed: Requirement, lines: tuple[Line, ...], sources: tuple[Source, ...] = ()) -> Finding:
    """Return whether a fine-grained token has what a role needs, for any project or group.

    Args:
        sources: the response that lists its permissions.
    """
    finding = _judge(needed, lines)
    held = [name for name in needed.granular if any(line.holds(name) for line in lines)]
    proofs = proofs_by_list(needed.granular, held, sources)
    if finding.outcome is Outcome.UNVERIFIED:
        proofs = tuple(
            proof if proof.conclusion is Conclusion.PROVEN else replace(proof, conclusion=Conclusion.OPEN)
            for proof in proofs
        )
    return replace(finding, proofs=proofs or (Proof("granular permissions", Conclusion.OPEN, sources, finding.reason),))


def _judge(needed: Requirement, lines: tuple[Line, ...]) -> Finding:
    if not needed.granular:
        return Finding(Outcome.UNVERIFIED, reason=_unconfigured(lines))
    lacks = tuple(name for name in needed.granular if not any(line.holds(name) for line in lines))
    if not lacks:
        return Finding(Outcome.SUFFICIENT)
    if all(line.readable for line in lines):
        return Finding(Outcome.INSUFFICIENT, lacks)
    reason = f"lists this fine-grained token's permissions in an unknown form; {lacks[0]} is not among them"
    return Finding(Outcome.UNVERIFIED, reason=reason)


def missing_at(names: tuple[str, ...], lines: tuple[Line, ...], place: Place | None) -> Finding | None:
    """Return why a token with all these permissions does not have them for a place; None if it has.

    Args:
        place: None if nothing is known about it. In the reason ``{}`` stands for its path.
    """
    for name in names:
        reached = [line.reaches(place) for line in lines if line.holds(name)]
        if True in reached:
            continue
        if None in reached:
            reason = (
                f"does not show whether this fine-grained token has {name} for {{}}, unless the token also has "
                "Project: Read and Group: Read"
            )
            return Finding(Outcome.UNVERIFIED, reason=reason)
        reason = f"says that this fine-grained token has {name}, but not for {{}}"
        return Finding(Outcome.INSUFFICIENT, reason=reason)
    return None


def missing_together(names: tuple[str, ...], lines: tuple[Line, ...]) -> Finding | None:
    """Return why a token may have these permissions for different places, if no place is named; None if it does not."""
    bound = [name for name in names if not any(line.access in _ANYWHERE and line.holds(name) for line in lines)]
    if any(all(line.holds(name) for name in bound) for line in lines):
        return None
    reason = (
        f"says that this fine-grained token has {join(bound)} for different projects or groups; only a URL that "
        "names one shows whether it has them together there"
    )
    return Finding(Outcome.UNVERIFIED, reason=reason)


def _unconfigured(lines: tuple[Line, ...]) -> str:
    names = names_of(lines)
    shown = ", ".join(names[:_MOST_NAMES]) or "no permission at all"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return (
        f"says that this fine-grained token has {shown}{more}, and requirements: in the configuration does not list "
        "the granular permissions that such a token needs"
    )


@lru_cache(2 * _MOST_DIFFERENT)
def _words(name: str) -> frozenset[str]:
    return frozenset(_WORDS.findall(name.lower()))
