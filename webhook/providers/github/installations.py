"""The other repositories that a GitHub App needs access to, each with the installation that covers it."""

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
class InstallationResponses:
    """The replies for one repository.

    Attributes:
        installation: to ``GET /repos/{name}/installation``.
        itself: to ``GET /repos/{name}``; None if it was not requested.
    """

    installation: Reply
    itself: Reply | ProviderUnavailable | None = None


async def request(
    name: str, need: RepositoryNeed, credential: GitHubAppCredential, get: Callable[[str], Coroutine[Any, Any, Reply]]
) -> InstallationResponses:
    """Request the installation for a repository and, if it is not the used one, whether the repository is public.

    Raises:
        ProviderUnavailable: no response.
    """
    reply = await get(f"/repos/{name}/installation")
    if need.access is not Level.READ or (_is_meant(credential, reply) and _suffices(reply.body, Level.READ)):
        return InstallationResponses(reply)
    # It is not documented whether an App's JWT can read public repositories. If it cannot, the access is not known.
    return InstallationResponses(reply, await outcome_of(get(f"/repos/{name}")))


def level_of(value: object) -> Level | None:
    """Return the level of a permission; None if the value is not a level."""
    return Level(value) if isinstance(value, str) and value in set(Level) else None


def lacking(needed: Requirement, granted: Mapping[object, object]) -> tuple[str, ...]:
    """Return the needed permissions that are not granted, as GitHub's pages show them."""
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
    """Return the id of the installation in a reply; None if it shows none."""
    number = reply.body.get("id") if reply.status == 200 and isinstance(reply.body, Mapping) else None
    return number if isinstance(number, int) else None


def _is_meant(credential: GitHubAppCredential, reply: Reply) -> bool:
    """Return whether the reply shows the used installation: the named one or, as for Argo CD, that of the owner."""
    number = number_in(reply)
    return number is not None and credential.installation_id in (None, str(number))


@dataclass(frozen=True, slots=True)
class Used:
    """The installation that the credential is for.

    Attributes:
        installation: as GitHub describes it.
        account: where it is installed; empty if that is not shown.
        described: the name of the App for messages.
        remedy: what to do if its access is not sufficient.
    """

    credential: GitHubAppCredential
    installation: Mapping[object, object]
    account: str
    described: str
    remedy: str

    def access_to(self, need: RepositoryNeed, responses: InstallationResponses) -> Access:
        """Return the access to a repository, by the replies for it."""
        itself, reply = responses.itself, responses.installation
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
        """Return why the repository belongs to no or another installation."""
        if reply.status == 200:
            return self._lack(need, "says that another installation of the App is used for {}")
        elsewhere = self.account and need.path[0].lower() != self.account.lower()
        if elsewhere and self.credential.installation_id is not None:
            reason = (
                f"says that the installation of this {self.described} is on {self.account}, which does not include {{}}"
            )
            return self._lack(need, reason)
        if not elsewhere and self.installation.get("repository_selection") == "selected":
            return self._lack(
                need, f"says that the repositories selected for this {self.described} do not include {{}}"
            )
        reason = (
            f"answers 404 for the installation of this {self.described} at {{}}: either there is no such repository, "
            "or the App is not installed there"
        )
        return NoAccess(Outcome.UNVERIFIED, reason)

    def _lack(self, need: RepositoryNeed, reason: str) -> NoAccess:
        """Return a proven lack of access. For read access it is not proven, because the repository may be public."""
        if need.access is Level.READ:
            return NoAccess(Outcome.UNVERIFIED, f"{reason}, and does not show whether anyone can read that")
        return NoAccess(Outcome.INSUFFICIENT, reason, self.remedy)


def _is_public(body: object) -> bool:
    return isinstance(body, Mapping) and repository.is_private(body) is False
