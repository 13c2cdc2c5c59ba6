"""One repository: can the token's account see it, and does its role there suffice?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from webhook.findings import Facts, Finding, Outcome, Question
from webhook.providers.base import NoAnswer, Reply
from webhook.providers.github import replies
from webhook.requirements import Level, Requirement

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\Z")
_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9_.-]{1,100}\Z")
_ADMIN_ONLY = ("administration", "repository_hooks")
"""Permissions that only a repository's administrators can make use of, not even for reading."""


def named(path: tuple[str, ...]) -> str | None:
    """``owner/name`` of the repository that a URL's path names; None where it names only an owner or a host.

    What stands behind the first two segments is a page of the repository, and not another one.
    """
    if len(path) < 2 or not _OWNER.match(path[0]) or not _NAME.match(path[1]):
        return None
    return f"{path[0]}/{path[1]}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the reply for the repository means.

    Attributes:
        problem: the same for every role, or None.
        role: what the account may do there, or None where that isn't told.
        warning: a whole sentence about something that stops nothing.
    """

    name: str
    account: str
    problem: Finding | None = None
    remedy: str = ""
    may_push: bool = True
    may_administer: bool = True
    warning: str = ""

    def problem_for(self, needed: Requirement) -> Finding | None:
        """Why a token that has all scopes still can't do its work there."""
        if self.problem is not None:
            return self.problem
        return too_low(self.name, self.account, rights_for_scopes(needed), (self.may_push, self.may_administer))


Rights = tuple[bool, bool]
"""To push, and to administer: needed, or there."""


def rights_for_scopes(needed: Requirement) -> Rights:
    """What an account must be able to do so that a token with these scopes can do its work."""
    push = any(scope in {"repo", "public_repo"} for scope in needed.scopes)
    return push, any(scope.endswith(":repo_hook") for scope in needed.scopes)


def rights_for_permissions(permissions: Iterable[tuple[str, Level]]) -> Rights:
    """The same for permissions."""
    levels = dict(permissions)
    return levels.get("contents", Level.READ) is not Level.READ, any(one in levels for one in _ADMIN_ONLY)


def too_low(name: str, account: str, needed: Rights, rights: Rights) -> Finding | None:
    """The finding where the account's own role at a repository is too low for what the token is needed for.

    A repository's ``permissions`` describe the user and not the token (recorded responses: a token with only
    ``read:org`` shows ``admin: true``): they prove that a role is too low, and nothing else.
    """
    push, administer = (wanted and not there for wanted, there in zip(needed, rights, strict=True))
    if administer:
        return Finding(Outcome.INSUFFICIENT, reason=f"says that {account} is no administrator of {name}, as is needed")
    if push:
        return Finding(Outcome.INSUFFICIENT, reason=f"says that {account} may not push to {name}, as is needed")
    return None


def is_shown(reply: Reply | NoAnswer) -> bool:
    """Whether a reply to ``GET /repos/{name}`` shows a repository, and isn't just any document."""
    if not isinstance(reply, Reply) or reply.status != 200 or not isinstance(reply.body, Mapping):
        return False
    return isinstance(reply.body.get("full_name"), str)


def look(question: Question, name: str, reply: Reply | NoAnswer, facts: Facts, *, secret: str) -> Seen:
    """What the reply to ``GET /repos/{name}`` means, where the token itself was accepted."""
    account = facts.account or "its account"
    if isinstance(reply, NoAnswer):
        return Seen(name, account, Finding(Outcome.UNVERIFIED, reason=f"{reply} when asked for {name}"))
    try:
        refused = replies.refusal(reply, facts.described, question.host.web_url, secret=secret)
    except NoAnswer as error:  # which leaves standing what the other reply said of the token itself
        return Seen(name, account, Finding(Outcome.UNVERIFIED, reason=str(error)))
    if refused is not None and reply.status == 403:
        finding, remedy = refused
        return Seen(name, account, finding, remedy)
    if reply.status == 404:
        reason = f"says 404 for {name}: either there is no such repository, or {account} may not see it"
        return Seen(name, account, Finding(Outcome.UNVERIFIED, reason=reason))
    if not is_shown(reply) or not isinstance(reply.body, Mapping):
        reason = f"answers {reply.status} when asked for {name}, which says nothing of the token"
        return Seen(name, account, Finding(Outcome.UNVERIFIED, reason=reason))
    may_push, may_administer = rights(reply.body)
    warning = (
        f"{name} is archived on {question.host.name}: nobody can push to it." if reply.body.get("archived") else ""
    )
    return Seen(name, account, None, raise_role(question, name, account), may_push, may_administer, warning)


def raise_role(question: Question, name: str, account: str) -> str:
    """What to do where the account's role is too low."""
    return f"Give {account} that role: {question.host.web_url}/{name}/settings/access"


def rights(body: Mapping[object, object]) -> Rights:
    """Whether the user may push, and administer; true where that isn't told."""
    permissions = body.get("permissions")
    if not isinstance(permissions, Mapping):
        return True, True
    return permissions.get("push") is not False, permissions.get("admin") is not False


def warned(facts: Facts, warning: str) -> Facts:
    """The same facts with one warning more."""
    return replace(facts, warnings=(*facts.warnings, warning))
