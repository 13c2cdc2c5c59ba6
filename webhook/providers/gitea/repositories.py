"""What a reply for a repository means. Its ``permissions`` tell of the account; the scopes are the token's."""

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
    """Who asks about repositories.

    Attributes:
        account: whose the token is; None where that isn't told.
        restricted: the token may be restricted to certain repositories.
        secret: the token, which must be quoted nowhere.
    """

    host: Host
    account: str | None
    restricted: bool
    secret: str

    @property
    def who(self) -> str:
        """The account, for people."""
        return self.account or "its account"


def access_of(needed: Requirement) -> Level | None:
    """Return what a requirement means for a repository."""
    if not {"all", "write:repository"}.isdisjoint(needed.scopes):
        return Level.WRITE
    return Level.READ if "read:repository" in needed.scopes else None


def fate_of(reader: Reader, need: RepositoryNeed, response: Response | None, writes: bool | str) -> Access:
    """Return what is known of a repository that a runtime token must also reach.

    Args:
        writes: whether the token has ``write:repository``, or why that isn't known.
    """
    name = repository(need.path, reader.host)
    if name is None or response is None:
        return NoAccess(Outcome.UNVERIFIED, "can't be asked for {}, which is no repository's name there")
    problem = problem_at(reader, name, need.access, response)
    if problem is not None or need.access is Level.READ or writes is True:
        return problem
    if isinstance(writes, str):
        return NoAccess(Outcome.UNVERIFIED, writes)
    return _lacks_for_all("write:repository", "push to", reader.host)


def problem_at(reader: Reader, name: str, access: Level, response: Response) -> Access:
    """Return why the token doesn't reach a repository, or isn't known to; None where it does."""
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
        reason = f"accepts this {DESCRIBED}, but keeps it out of {{}}, because {known.reason}"
        return NoAccess(Outcome.BLOCKED, reason, known.remedy)
    if response.status == 451 and replies.is_giteas(response):  # a filter on the way sends such a page, too
        reason = "keeps everybody out of {} for legal reasons (451)"
        return NoAccess(
            Outcome.BLOCKED, reason, f"Ask the operators of {host.name} about it, or use another repository."
        )
    if response.status == 404 and not replies.is_giteas(response):
        reason = "answers 404 for {} in words that aren't Gitea's; a proxy between may keep it back"
        return NoAccess(Outcome.UNVERIFIED, reason)
    if response.status == 404:
        reason = f"says 404 for {{}}: either not there, or not to be seen by {who}"
        return NoAccess(Outcome.UNVERIFIED, reason, unseen=True)
    shown = _document(name, response)
    if shown is None:
        reason = f"answers {response.status} when asked for {{}}, which says nothing of the token"
        return NoAccess(Outcome.UNVERIFIED, reason)
    right, verb = ("pull", "read") if access is Level.READ else ("push", "push to")
    may = _may(shown, right)
    if may is None:
        return NoAccess(Outcome.UNVERIFIED, f"does not tell whether {who} may {verb} {{}}")
    if may:
        return None
    remedy = f"Give {who} that right: {links.collaborators(host, _current(reader, response) or name)}"
    if reader.restricted:
        remedy = f"Make a token for this repository, too: {links.tokens_page(host)}"
        who = "this token"
    return NoAccess(Outcome.INSUFFICIENT, f"says that {who} may not {verb} {{}}, as is needed", remedy)


def _lacks_for_all(scope: str, verb: str, host: Host) -> NoAccess:
    reason = f"says that this {DESCRIBED} lacks {scope}, without which nobody may {verb} {{}}"
    return NoAccess(Outcome.INSUFFICIENT, reason, links.new_token(host, scope))


def warnings(
    reader: Reader, name: str, response: Response | None, *, pushes: bool, manages_webhooks: bool
) -> Iterator[str]:
    """Yield sentences about what stops nothing, or stops everybody."""
    host = reader.host.name
    yield from redirects.warnings(reader.host, name, response, _current(reader, response))
    shown = _document(name, response)
    if shown is None:
        return
    if pushes and shown.get("archived") is True:
        yield f"{name} is archived on {host}: nobody can push to it."
    if pushes and shown.get("mirror") is True:
        yield f"{name} is a mirror on {host}: nobody can push to it."
    if shown.get("has_code") is False:
        yield f"The code of {name} is disabled on {host}: nobody can clone it or push to it."
    if manages_webhooks and _may(shown, "push") and _may(shown, "admin") is False:
        who = reader.account or "This token's account"
        yield f"{who} is no administrator of {name} on {host}, so that it can't manage webhooks there."


def _current(reader: Reader, response: Response | None) -> str:
    """The full name that a repository's document has; empty without one."""
    body = response.body if isinstance(response, Reply) and response.status == 200 else None
    return plain(body.get("full_name"), secret=reader.secret) if isinstance(body, Mapping) else ""


def _document(name: str, response: Response | None) -> Mapping[object, object] | None:
    """A repository's document; None where the reply is none, or another repository's without a redirect to it."""
    body = response.body if isinstance(response, Reply) and response.status == 200 else None
    full_name = body.get("full_name") if isinstance(body, Mapping) else None
    if not isinstance(response, Reply) or not isinstance(body, Mapping) or not isinstance(full_name, str):
        return None
    return body if response.moved or full_name.lower() == name.lower() else None


def _may(document: Mapping[object, object], right: str) -> bool | None:
    permissions = document.get("permissions")
    allowed = permissions.get(right) if isinstance(permissions, Mapping) else None
    return allowed if isinstance(allowed, bool) else None
