"""Evaluate the response for a repository, whose ``permissions`` are those of the account, not of the token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.findings import Outcome, RepositoryNeed
from webhook.providers.gitea import links, replies
from webhook.providers.gitea.profile import DESCRIBED
from webhook.providers.gitea.replies import Response
from webhook.providers.gitea.requests import repository
from webhook.providers.hosts import Host
from webhook.providers.repositories import Access, NoAccess
from webhook.providers.requirements import Level, Requirement
from webhook.providers.text import plain
from webhook.providers.transport import redirects


@dataclass(frozen=True, slots=True)
class Reader:
    """The token that repositories are requested with.

    Attributes:
        account: the token's account; None if it is not shown.
        restricted: the token may be restricted to certain repositories.
        secret: the token, which no text may contain.
    """

    host: Host
    account: str | None
    restricted: bool
    secret: str

    @property
    def who(self) -> str:
        """The account, as shown to users."""
        return self.account or "its account"


def access_of(needed: Requirement) -> Level | None:
    """Return the access to a repository that a requirement needs; None for no access."""
    if not {"all", "write:repository"}.isdisjoint(needed.scopes):
        return Level.WRITE
    return Level.READ if "read:repository" in needed.scopes else None


def access_to(reader: Reader, need: RepositoryNeed, response: Response | None, writes: bool | str) -> Access:
    """Return whether a runtime token reaches one of the other repositories.

    Args:
        writes: whether the token has ``write:repository``, or why that is not known.
    """
    name = repository(need.path, reader.host)
    if name is None or response is None:
        return NoAccess(Outcome.UNVERIFIED, "cannot be queried for {}, which is not a valid repository name there")
    problem = problem_at(reader, name, need.access, response)
    if problem is not None or need.access is Level.READ or writes is True:
        return problem
    if isinstance(writes, str):
        return NoAccess(Outcome.UNVERIFIED, writes)
    return _lacks_for_all("write:repository", "push to", reader.host)


def problem_at(reader: Reader, name: str, access: Level, response: Response) -> Access:
    """Return why the token does not reach a repository or is not known to; None if it does."""
    if isinstance(response, ProviderUnavailable):
        return response
    host, who = reader.host, reader.who
    if replies.missing(response) == "read:repository":
        return _lacks_for_all("read:repository", "see", host)
    if replies.is_public_only(response):
        reason = f"says that this {DESCRIBED} reaches only what is public, which {{}} is not"
        remedy = f"Make one with access to private repositories, too: {links.tokens_page(host)}"
        return NoAccess(Outcome.INSUFFICIENT, reason, remedy)
    if (known := replies.policy(response)) is not None:
        reason = f"accepts this {DESCRIBED}, but not for {{}}, because {known.reason}"
        return NoAccess(Outcome.BLOCKED, reason, known.remedy)
    if response.status == 451 and replies.is_giteas(response):  # a content filter sends such a page, too
        reason = "blocks {} for legal reasons (451)"
        return NoAccess(
            Outcome.BLOCKED, reason, f"Ask the operators of {host.name} about it, or use another repository."
        )
    if response.status == 404 and not replies.is_giteas(response):
        reason = "answers 404 for {} with a text that is not Gitea's; a proxy in between may block it"
        return NoAccess(Outcome.UNVERIFIED, reason)
    if response.status == 404:
        reason = f"answers 404 for {{}}: either there is no such repository, or {who} cannot see it"
        return NoAccess(Outcome.UNVERIFIED, reason, unseen=True)
    shown = _document(name, response)
    if shown is None:
        reason = f"answers {response.status} when asked for {{}}, which says nothing about the token"
        return NoAccess(Outcome.UNVERIFIED, reason)
    right, verb = ("pull", "read") if access is Level.READ else ("push", "push to")
    may = _may(shown, right)
    if may is None:
        return NoAccess(Outcome.UNVERIFIED, f"does not say whether {who} may {verb} {{}}")
    if may:
        return None
    remedy = f"Give {who} that right: {links.collaborators(host, _current(reader, response) or name)}"
    if reader.restricted:
        remedy = f"Make a token for this repository, too: {links.tokens_page(host)}"
        who = "this token"
    return NoAccess(Outcome.INSUFFICIENT, f"says that {who} may not {verb} {{}}, as is needed", remedy)


def _lacks_for_all(scope: str, verb: str, host: Host) -> NoAccess:
    reason = f"says that this {DESCRIBED} lacks {scope}, which is needed to {verb} {{}}"
    return NoAccess(Outcome.INSUFFICIENT, reason, links.new_token(host, scope))


def warnings(
    reader: Reader, name: str, response: Response | None, *, pushes: bool, manages_webhooks: bool
) -> Iterator[str]:
    """Yield warnings about conditions that do not deny the token, or that affect every user."""
    host = reader.host.name
    yield from redirects.warnings(reader.host, name, response, _current(reader, response))
    shown = _document(name, response)
    if shown is None:
        return
    if pushes and shown.get("archived") is True:
        yield f"{name} is archived on {host}: no one can push to it."
    if pushes and shown.get("mirror") is True:
        yield f"{name} is a mirror on {host}: no one can push to it."
    if shown.get("has_code") is False:
        yield f"The code of {name} is disabled on {host}: no one can clone it or push to it."
    if manages_webhooks and _may(shown, "push") and _may(shown, "admin") is False:
        who = reader.account or "This token's account"
        yield f"{who} is not an administrator of {name} on {host}, so it cannot manage webhooks there."


def _current(reader: Reader, response: Response | None) -> str:
    """Return the full name in a repository's document; empty without one."""
    body = response.body if isinstance(response, Reply) and response.status == 200 else None
    return plain(body.get("full_name"), secret=reader.secret) if isinstance(body, Mapping) else ""


def _document(name: str, response: Response | None) -> Mapping[object, object] | None:
    """Return a repository's document; None if there is none, or if it is another one's without a redirect."""
    body = response.body if isinstance(response, Reply) and response.status == 200 else None
    full_name = body.get("full_name") if isinstance(body, Mapping) else None
    if not isinstance(response, Reply) or not isinstance(body, Mapping) or not isinstance(full_name, str):
        return None
    return body if response.moved or full_name.lower() == name.lower() else None


def _may(document: Mapping[object, object], right: str) -> bool | None:
    permissions = document.get("permissions")
    allowed = permissions.get(right) if isinstance(permissions, Mapping) else None
    return allowed if isinstance(allowed, bool) else None
