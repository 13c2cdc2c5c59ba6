"""The access of the token's account to one repository."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from webhook.providers.base import Api, ProviderUnavailable, Reply, is_transient
from webhook.providers.concurrency import outcome_of, outcomes
from webhook.providers.findings import Facts, Finding, Outcome, Question
from webhook.providers.github import refusals, replies
from webhook.providers.requirements import Level, Requirement
from webhook.providers.text import plain
from webhook.providers.transport import redirects
from webhook.text import join

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\Z")
_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9_.-]{1,100}\Z")
_ADMIN_ONLY = ("administration", "repository_hooks")
"""Permissions that only a repository's administrators can use, even for reading."""
REQUIRED = ", which is required"
"""The end of a reason that names a missing right."""


def named(path: tuple[str, ...]) -> str | None:
    """Return ``owner/name`` of the repository that a path names; None if it names only an owner or a host.

    What stands behind the first two segments is a page of the repository, and not another one.
    """
    if len(path) < 2 or not _OWNER.match(path[0]) or not _NAME.match(path[1]):
        return None
    return f"{path[0]}/{path[1]}"


# --- rights ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights that an account needs in a repository.

    Attributes:
        push: push to it.
        administer: what needs administration, such as webhooks.
    """

    push: bool = False
    administer: bool = False

    @property
    def described(self) -> str:
        """The rights in words."""
        words = ["write"] * self.push + ["manage webhooks"] * self.administer
        return join(words or ["read"])


def rights_for_scopes(needed: Requirement) -> Rights:
    """Return the rights that the account of a token with these scopes needs."""
    push = any(scope in {"repo", "public_repo"} for scope in needed.scopes)
    return Rights(push, any(scope.endswith(":repo_hook") for scope in needed.scopes))


def rights_for_permissions(permissions: Iterable[tuple[str, Level]]) -> Rights:
    """Return the rights that the account of a token with these permissions needs."""
    levels = dict(permissions)
    push = levels.get("contents", Level.READ) is not Level.READ
    return Rights(push, any(one in levels for one in _ADMIN_ONLY))


@dataclass(frozen=True, slots=True)
class Role:
    """The user's role in a repository's document; None if it is not shown.

    The role is the user's and not the token's (recorded responses: a token with only ``read:org`` shows
    ``admin: true``). It does not prove a lack: a custom role of an organisation can manage webhooks without
    administration.
    """

    push: bool | None = None
    administer: bool | None = None


def role_in(body: Mapping[object, object]) -> Role:
    """Return the role in a repository's document."""
    permissions = body.get("permissions")
    if not isinstance(permissions, Mapping):
        return Role()
    push, administer = permissions.get("push"), permissions.get("admin")
    return Role(
        push if isinstance(push, bool) else None,
        administer if isinstance(administer, bool) else None,
    )


# --- requests -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replies:
    """The replies for one repository.

    Attributes:
        found: to ``GET /repos/{name}``.
        hooks: to a request for its webhooks, sent if the role does not show that the user is an administrator.
        write: to a write that cannot succeed, sent if the role shows that the user may not push.
        listing: the account's repositories, requested if the name may be a prefix and no repository has it.
    """

    found: Reply | ProviderUnavailable
    hooks: Reply | ProviderUnavailable | None = None
    write: Reply | ProviderUnavailable | None = None
    listing: Reply | ProviderUnavailable | None = None


async def request(name: str, needed: Rights, api: Api, headers: Mapping[str, str]) -> Replies:
    """Request a repository, and in a second round what the user's role does not show."""
    found = await outcome_of(api.send("GET", f"/repos/{name}", headers=headers))
    if isinstance(found, ProviderUnavailable) or not isinstance(found.body, Mapping) or not is_shown(found):
        return Replies(found)
    role, base = role_in(found.body), found.moved or f"/repos/{name}"
    probes = {}
    if needed.administer and role.administer is not True:
        probes["hooks"] = api.send("GET", f"{base}/hooks?per_page=1", headers=headers)
    if needed.push and role.push is False:
        path = f"{base}/contents/git-token-webhook-{secrets.token_hex(8)}"
        probes["write"] = api.send("PUT", path, headers=headers, json={})  # without content, so nothing is written
    answers = await outcomes(*probes.values())
    return Replies(found, **dict(zip(probes, answers, strict=True)))


# --- results --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RepositoryAccess:
    """The access to a repository, by the replies for it.

    Attributes:
        name: its current name.
        problem: a problem that is the same for every role; None for no problem.
        remedy: what to do about the problem, or about missing rights.
        warnings: whole sentences that cause no denial.
    """

    name: str
    account: str
    replies: Replies
    problem: Finding | None = None
    remedy: str = ""
    warnings: tuple[str, ...] = ()

    def problem_for(self, needed: Rights) -> Finding | None:
        """Return why a token with all scopes has no sufficient access, or is not known to have it."""
        if self.problem is not None:
            return self.problem
        lack = self.lack_of(needed)
        return None if lack is None else replace(lack, reason=f"{lack.reason.replace('{}', self.name)}")

    def lack_of(self, needed: Rights) -> Finding | None:
        """Return the missing or unknown right; ``{}`` in the reason stands for the repository."""
        found = self.replies.found
        role = role_in(found.body) if isinstance(found, Reply) and isinstance(found.body, Mapping) else Role()
        lack = None
        if needed.administer and role.administer is not True:
            lack = self._without_hooks(role)
        if lack is None and needed.push and role.push is not True:
            lack = self._without_push(role)
        return lack

    def _without_hooks(self, role: Role) -> Finding | None:
        reply = self.replies.hooks
        if isinstance(reply, Reply) and reply.status == 200 and isinstance(reply.body, list):
            return None
        if not _is_refused(reply, hinted=role.administer is False):
            return self._open("manage webhooks of {}", reply)
        if role.administer is None:
            reason = f"says that {self.account} cannot manage webhooks of {{}}{REQUIRED}"
        else:
            reason = f"says that {self.account} is not an administrator of {{}} and cannot manage its webhooks"
        return Finding(Outcome.INSUFFICIENT, reason=reason)

    def _without_push(self, role: Role) -> Finding:
        if role.push is False and _is_refused(self.replies.write, hinted=True):
            return Finding(Outcome.INSUFFICIENT, reason=f"says that {self.account} cannot push to {{}}{REQUIRED}")
        return self._open("push to {}", self.replies.write)

    def _open(self, what: str, reply: Reply | ProviderUnavailable | None) -> Finding:
        why = "its role there is not shown"
        if isinstance(reply, ProviderUnavailable):
            why = f"GitHub {reply}"
        elif reply is not None:
            why = f"GitHub answers {reply.status}"
        reason = f"does not show whether {self.account} can {what} ({why})"
        return Finding(Outcome.UNVERIFIED, reason=reason, transient=is_transient(reply))


def _is_refused(reply: Reply | ProviderUnavailable | None, *, hinted: bool) -> bool:
    """Return whether a probe was rejected: in GitHub's format, unless the role already suggests it."""
    return isinstance(reply, Reply) and reply.status in (403, 404) and (hinted or replies.is_own(reply))


def is_shown(reply: Reply | ProviderUnavailable) -> bool:
    """Return whether a reply to ``GET /repos/{name}`` shows a repository."""
    if not isinstance(reply, Reply) or reply.status != 200 or not isinstance(reply.body, Mapping):
        return False
    return isinstance(reply.body.get("full_name"), str)


def is_missing(reply: Reply | ProviderUnavailable) -> bool:
    """Return whether GitHub says that there is no such repository, or none that the account can see."""
    if not isinstance(reply, Reply) or reply.status != 404:
        return False
    return replies.is_own(reply) or replies.message_of(reply) == "not found"


def unclear(reply: Reply) -> str:
    """Return why a reply says nothing about a repository, for which ``{}`` stands."""
    if reply.status == 404:
        return "answers 404 for {}, but not in GitHub's format: a proxy in between may have answered"
    return f"answers {reply.status} when asked for {{}}, which says nothing about the token"


def is_private(body: Mapping[object, object]) -> bool | None:
    """Return whether a repository is private or internal; None if its document does not say it."""
    private, visibility = body.get("private"), body.get("visibility")
    if isinstance(private, bool):
        return private
    return {"public": False, "private": True, "internal": True}.get(visibility if isinstance(visibility, str) else "")


def evaluate(question: Question, name: str, answers: Replies, facts: Facts, *, secret: str) -> RepositoryAccess:
    """Return the access to a repository, for a token that GitHub accepts."""
    account, found = facts.account or "its account", answers.found

    def failed(finding: Finding, remedy: str = "") -> RepositoryAccess:
        return RepositoryAccess(name, account, answers, finding, remedy)

    if isinstance(found, ProviderUnavailable):
        reason = f"{found} when asked for {name}"
        return failed(Finding(Outcome.UNVERIFIED, reason=reason, transient=found.transient, remedy=found.remedy))
    for reply in (found, answers.hooks, answers.write):
        if not isinstance(reply, Reply) or reply.status == 401:
            continue
        try:
            refused = refusals.refusal(reply, facts.described, question.host.web_url, secret=secret)
        except ProviderUnavailable as error:  # the other reply about the token itself still counts
            return failed(
                Finding(Outcome.UNVERIFIED, reason=str(error), transient=error.transient, remedy=error.remedy)
            )
        if refused is not None:
            return failed(*refused)
    if is_missing(found):
        reason = f"answers 404 for {name}: either there is no such repository, or {account} cannot see it"
        return failed(Finding(Outcome.UNVERIFIED, reason=reason))
    if not is_shown(found) or not isinstance(found.body, Mapping):
        return failed(Finding(Outcome.UNVERIFIED, reason=unclear(found).format(name)))
    now = current_name(name, found, secret=secret)
    remedy = raise_role(question, now, account)
    return RepositoryAccess(now, account, answers, None, remedy, notes(question, name, found, secret=secret))


def current_name(name: str, found: Reply | ProviderUnavailable, *, secret: str) -> str:
    """Return the current name of a repository, which differs from `name` after a redirect."""
    body = found.body if isinstance(found, Reply) and found.moved else None
    new = plain(body.get("full_name"), secret=secret, limit=201) if isinstance(body, Mapping) else ""
    return named(tuple(new.split("/"))) or name


def notes(question: Question, name: str, found: Reply | ProviderUnavailable, *, secret: str) -> tuple[str, ...]:
    """Return warnings about a repository: it was renamed or moved, is disabled, or is archived."""
    said = unexpected(question, name, found, secret=secret)
    if isinstance(found, Reply) and isinstance(found.body, Mapping) and found.body.get("archived") is True:
        new = current_name(name, found, secret=secret)
        said = (*said, f"{new} is archived on {question.host.name}: no one can push to it.")
    return said


def unexpected(question: Question, name: str, found: Reply | ProviderUnavailable, *, secret: str) -> tuple[str, ...]:
    """Return the same warnings without those that only concern pushing."""
    new, host = current_name(name, found, secret=secret), question.host
    said = redirects.warnings(host, name, found, new if new != name else "")
    if isinstance(found, Reply) and isinstance(found.body, Mapping) and found.body.get("disabled") is True:
        said = (*said, f"{new} is disabled on {host.name}: no one can read it or push to it.")
    return said


def raise_role(question: Question, name: str, account: str) -> str:
    """Return what to do if the account's role is too low."""
    return f"Give {account} that role: {question.host.web_url}/{name}/settings/access"


def warned(facts: Facts, warnings: Iterable[str]) -> Facts:
    """Return the facts with these warnings added."""
    return replace(facts, warnings=tuple(dict.fromkeys((*facts.warnings, *warnings))))
