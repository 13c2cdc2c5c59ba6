"""Repositories that a GitHub App must also reach: GitHub says for each which installation is the one for it, if any."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.concurrency import outcome_of
from webhook.providers.findings import GitHubAppCredential, Outcome, RepositoryNeed
from webhook.providers.github import replies, repository
from webhook.providers.github.vocabulary import display
from webhook.providers.repositories import Access, NoAccess
from webhook.providers.requirements import Level, Requirement


@dataclass(frozen=True, slots=True)
class Heard:
    """The replies for one repository.

    Attributes:
        installation: to ``GET /repos/{name}/installation``.
        itself: to ``GET /repos/{name}``; None where it wasn't asked.
    """

    installation: Reply
    itself: Reply | ProviderUnavailable | None = None


async def look(
    name: str, need: RepositoryNeed, credential: GitHubAppCredential, get: Callable[[str], Coroutine[Any, Any, Reply]]
) -> Heard:
    """Ask which installation reaches a repository, and, where none does that will be used, whether anybody may read it.

    Raises:
        ProviderUnavailable: nothing was learnt.
    """
    reply = await get(f"/repos/{name}/installation")
    if need.access is not Level.READ or (_is_meant(credential, reply) and _suffices(reply.body, Level.READ)):
        return Heard(reply)
    # Whether GitHub shows an App's own JWT what is public, no documentation says. Where it doesn't, it stays open.
    return Heard(reply, await outcome_of(get(f"/repos/{name}")))


def level_of(told: object) -> Level | None:
    """A permission's level, or None of what is none."""
    return Level(told) if isinstance(told, str) and told in set(Level) else None


def lacking(needed: Requirement, granted: Mapping[object, object]) -> tuple[str, ...]:
    """Which of the needed permissions were not granted, as GitHub's pages show them."""
    lacks = []
    for name, level in needed.permissions:
        held = level_of(granted.get(name))
        if held is None or not held.includes(level):
            lacks.append(display(name, level))
    return tuple(lacks)


def _suffices(installation: object, needed: Level) -> bool:
    permissions = installation.get("permissions") if isinstance(installation, Mapping) else None
    held = level_of(permissions.get("contents")) if isinstance(permissions, Mapping) else None
    return held is not None and held.includes(needed)


def number_in(reply: Reply) -> int | None:
    """The installation that a reply shows, or None where it shows none."""
    number = reply.body.get("id") if reply.status == 200 and isinstance(reply.body, Mapping) else None
    return number if isinstance(number, int) else None


def _is_meant(credential: GitHubAppCredential, reply: Reply) -> bool:
    """Whether that is the installation that will be used: the named one, or else each repository's own, as Argo CD
    finds it by the owner."""
    number = number_in(reply)
    return number is not None and credential.installation_id in (None, str(number))


@dataclass(frozen=True, slots=True)
class Used:
    """The installation that the credential is for.

    Attributes:
        installation: as GitHub describes it.
        account: where it is; empty where that isn't told.
        described: the App, for people.
        remedy: what to do where it reaches too little.
    """

    credential: GitHubAppCredential
    installation: Mapping[object, object]
    account: str
    described: str
    remedy: str

    def fate(self, need: RepositoryNeed, heard: Heard) -> Access:
        """What the replies for a repository mean."""
        itself, reply = heard.itself, heard.installation
        if isinstance(itself, Reply) and itself.status == 200 and _is_public(itself.body):
            return None
        if _is_meant(self.credential, reply):
            return self._from(need, reply.body)
        if number_in(reply) is None and not (reply.status == 404 and replies.is_own(reply)):
            return NoAccess(Outcome.UNVERIFIED, f"answers {reply.status} when asked whether the App reaches {{}}")
        return self._unreached(need, reply)

    def _from(self, need: RepositoryNeed, installation: object) -> NoAccess | None:
        if isinstance(installation, Mapping) and installation.get("suspended_at"):
            reason = f"says that the installation of this {self.described} for {{}} is suspended"
            return NoAccess(Outcome.BLOCKED, reason, "Lift the suspension where the App is installed.")
        if _suffices(installation, need.access):
            return None
        reason = f"says that this {self.described} lacks {display('contents', need.access)} for {{}}"
        return self._lack(need, reason)

    def _unreached(self, need: RepositoryNeed, reply: Reply) -> NoAccess:
        """Why the installation isn't the one for the repository."""
        if reply.status == 200:
            return self._lack(need, "says that another installation of the App is used for {}")
        abroad = self.account and need.path[0].lower() != self.account.lower()
        if abroad and self.credential.installation_id is not None:
            reason = (
                f"says that the installation of this {self.described} is on {self.account}, which does not include {{}}"
            )
            return self._lack(need, reason)
        if not abroad and self.installation.get("repository_selection") == "selected":
            return self._lack(
                need, f"says that the repositories selected for this {self.described} do not include {{}}"
            )
        reason = (
            f"answers 404 for the installation of this {self.described} at {{}}: either there is no such repository, "
            "or the App is not installed there"
        )
        return NoAccess(Outcome.UNVERIFIED, reason)

    def _lack(self, need: RepositoryNeed, reason: str) -> NoAccess:
        """A lack that is proven; to read, none is, unless nobody else may read it either."""
        if need.access is Level.READ:
            return NoAccess(Outcome.UNVERIFIED, f"{reason}, and does not show whether anyone can read that")
        return NoAccess(Outcome.INSUFFICIENT, reason, self.remedy)


def _is_public(body: object) -> bool:
    return isinstance(body, Mapping) and repository.is_private(body) is False
