"""Evaluate the responses about one repository: whether the token reaches it with the access it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.bitbucket import links, replies
from webhook.providers.bitbucket.kinds import TokenKind
from webhook.providers.bitbucket.refusals import Refusal, refusal_in
from webhook.providers.bitbucket.targets import Target
from webhook.providers.findings import Finding, Outcome, Question, TokenCredential
from webhook.providers.requirements import Level
from webhook.providers.transport import redirects


@dataclass(frozen=True, slots=True)
class RepositoryResponses:
    """The responses about one repository.

    Attributes:
        permission: the list of the account's permissions; None if it was not requested: access tokens have no account,
            and for read access the document is enough.
        document: the repository itself; None if it was not requested.
    """

    permission: Reply | ProviderUnavailable | None = None
    document: Reply | ProviderUnavailable | None = None

    @property
    def replies(self) -> list[Reply]:
        """The responses that arrived."""
        return [reply for reply in (self.permission, self.document) if isinstance(reply, Reply)]


@dataclass(frozen=True, slots=True)
class Result:
    """The result for one repository.

    Attributes:
        problem: None if there is none.
        remedy: what to do about it, other than making a token with other scopes.
        warnings: whole sentences about conditions that do not deny the token.
        nothing_there: Bitbucket shows no such repository.
    """

    problem: Finding | None = None
    remedy: str = ""
    warnings: tuple[str, ...] = ()
    nothing_there: bool = False


def evaluate(
    question: Question,
    target: Target,
    needed: Level,
    responses: RepositoryResponses,
    kind: TokenKind,
    account: str | None,
) -> Result:
    """Return the result for one repository, if the token was accepted and has the needed scopes."""
    who = f"this {kind.described}" if kind.is_access_token else account or "its account"
    if (refusal := next(filter(None, map(refusal_in, responses.replies)), None)) is not None:
        return _stopped_by(refusal, target.name, kind)
    if isinstance(responses.permission, Reply):
        level = replies.permission_in(responses.permission, target.name, secret=_secret(question))
        if isinstance(level, Level):
            return _judged_by(level, question, target.name, needed, who)
        if level is not None:
            reason = f"says that {who} has the permission {level} in {target.name}, which this webhook does not know"
            return _unverified(reason)
    document = responses.document
    if (
        responses.permission is not None
        and not _cannot_list(responses.permission)
        and not _is_renamed(question, target, document)
    ):
        document = None  # the list of permissions is the answer: it does not name the repository
    reply = document if document is not None else responses.permission
    if isinstance(reply, ProviderUnavailable):
        reason = f"{reply} when asked for {target.name}"
        return Result(Finding(Outcome.UNVERIFIED, reason=reason, transient=reply.transient, remedy=reply.remedy))
    if reply is None:
        return _unverified(f"was not asked for {target.name}")
    if reply.status == 403 and not replies.lacks_scopes(reply):
        return _rejected(question, target.name, reply, kind, who)
    if document is None:
        result = _unverified(_permission_unknown(target.name, reply, who))
        return replace(result, nothing_there=reply.status in (200, 404))
    return _by_document(question, target, needed, reply, kind, who)


def _by_document(question: Question, target: Target, needed: Level, reply: Reply, kind: TokenKind, who: str) -> Result:
    """Return the result by the repository's document, which shows that the token reaches it, not the permission."""
    if reply.status == 404:
        reason = f"answers 404 for {target.name}: either there is no such repository, or {who} cannot see it"
        remedy = _wider(question, target.name, kind)
        return Result(Finding(Outcome.UNVERIFIED, reason=reason, remedy=remedy), remedy, nothing_there=True)
    name = replies.name_in(reply, secret=_secret(question))
    if not name:
        return _unverified(f"answers {reply.status} when asked for {target.name}, which says nothing about the token")
    moved = _moved(question, target, reply, name)
    if needed is Level.READ:
        return Result(warnings=moved)
    if not replies.is_private(reply):
        # Everyone can read a public repository, so this does not show that the token belongs to it.
        return _unverified(f"lets anyone read {name} and does not say whether {who} may write to it")
    if kind.is_access_token:
        return Result(warnings=moved)  # its scopes apply in all repositories that it reaches (Bitbucket docs)
    unknown = f"{question.host.name} does not tell this {kind.described} what {who} may do in {name}."
    return Result(warnings=(*moved, unknown))


def _moved(question: Question, target: Target, reply: Reply, name: str) -> tuple[str, ...]:
    """Return a warning if the repository was renamed, with or without a redirect."""
    moved = reply.moved or (name if name.lower() != target.name.lower() else "")
    return redirects.warnings(question.host, target.name, replace(reply, moved=moved), name)


def is_unlisted(question: Question, target: Target, permission: object) -> bool:
    """Return whether the list of the account's permissions does not name the repository, which may be renamed."""
    if not isinstance(permission, Reply) or permission.status not in (200, 404):
        return False
    return replies.permission_in(permission, target.name, secret=_secret(question)) is None


def _cannot_list(permission: Reply | ProviderUnavailable) -> bool:
    """Return whether the token lacks the scope to list its account's permissions."""
    return isinstance(permission, Reply) and replies.lacks_scopes(permission)


def _is_renamed(question: Question, target: Target, document: Reply | ProviderUnavailable | None) -> bool:
    name = replies.name_in(document, secret=_secret(question))
    return bool(name) and name.lower() != target.name.lower()


def _stopped_by(refusal: Refusal, name: str, kind: TokenKind) -> Result:
    if refusal.transient or refusal.unknown_token:
        reason = f"says of {name} that {refusal.reason}" if refusal.transient else refusal.reason
        finding = Finding(Outcome.UNVERIFIED, reason=reason, transient=refusal.transient, remedy=refusal.remedy)
        return Result(finding)
    reason = f"accepts this {kind.described}, but not for {name}, because {refusal.reason}"
    return Result(Finding(Outcome.BLOCKED, reason=reason), refusal.remedy)


def _secret(question: Question) -> str:
    credential = question.credential
    return credential.token.get_secret_value() if isinstance(credential, TokenCredential) else ""


def _judged_by(level: Level, question: Question, name: str, needed: Level, who: str) -> Result:
    if level.includes(needed):
        return Result()
    lack = "is not an administrator of" if needed is Level.ADMIN else "may not write to"
    reason = f"says that {who} {lack} {name}, as is needed"
    return Result(Finding(Outcome.INSUFFICIENT, reason=reason), links.permissions(question, name, who))


def _rejected(question: Question, name: str, reply: Reply, kind: TokenKind, who: str) -> Result:
    if replies.denies_access(reply):
        reason = f"says that {who} has no access to {name}"
        remedy = _wider(question, name, kind) or links.permissions(question, name, who)
        return Result(Finding(Outcome.INSUFFICIENT, reason=reason), remedy)
    return _unverified(f"answers 403 when asked for {name}, without saying that it is about this token")


def _permission_unknown(name: str, reply: Reply, who: str) -> str:
    if replies.lacks_scopes(reply):
        return f"does not let this token ask what {who} may do in {name}"
    if reply.status == 404:
        return (
            f"answers 404 when asked what {who} may do in {name}: either there is no such repository, "
            f"or {who} is not a member of its workspace"
        )
    if reply.status == 200:
        return (
            f"does not list {name} among the repositories of {who}: either there is no such repository, "
            f"or {who} has no permission there"
        )
    return f"answers {reply.status} when asked what {who} may do in {name}, which says nothing about the token"


def _wider(question: Question, name: str, kind: TokenKind) -> str:
    return links.wider_token(question, name) if kind.is_access_token else ""


def _unverified(reason: str) -> Result:
    return Result(Finding(Outcome.UNVERIFIED, reason=reason))
