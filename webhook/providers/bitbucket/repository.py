"""One repository: does the token reach it, and may its account do there what is needed? Pure: replies in, sense out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.bitbucket import links, replies
from webhook.providers.bitbucket.kinds import TokenKind
from webhook.providers.bitbucket.refusals import Refusal, refusal_in
from webhook.providers.bitbucket.targets import Place
from webhook.providers.findings import Finding, Outcome, Question, TokenCredential
from webhook.providers.requirements import Level
from webhook.providers.transport import redirects


@dataclass(frozen=True, slots=True)
class Heard:
    """What Bitbucket answered about one repository.

    Attributes:
        permission: what its account may do there, or why nobody said; None where it wasn't asked, as an access token
            has no account, and to read needs no more than to be read.
        document: the repository itself, or None where it wasn't asked for.
    """

    permission: Reply | ProviderUnavailable | None = None
    document: Reply | ProviderUnavailable | None = None

    @property
    def replies(self) -> list[Reply]:
        """Those that came."""
        return [reply for reply in (self.permission, self.document) if isinstance(reply, Reply)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What that means for one need.

    Attributes:
        problem: None where there is none.
        remedy: what to do about it, where that isn't to make a token with other scopes.
        warnings: whole sentences about things that stop nothing.
        nothing_there: Bitbucket shows no such repository.
    """

    problem: Finding | None = None
    remedy: str = ""
    warnings: tuple[str, ...] = ()
    nothing_there: bool = False


def look(question: Question, place: Place, needed: Level, heard: Heard, kind: TokenKind, account: str | None) -> Seen:
    """Return what the replies mean, where the token itself was accepted and has the scopes that are needed."""
    who = f"this {kind.described}" if kind.is_access_token else account or "its account"
    if (refusal := next(filter(None, map(refusal_in, heard.replies)), None)) is not None:
        return _stopped_by(refusal, place.name, kind)
    if isinstance(heard.permission, Reply):
        level = replies.permission_in(heard.permission, place.name, secret=_secret(question))
        if isinstance(level, Level):
            return _judged_by(level, question, place.name, needed, who)
        if level is not None:
            return _unverified(f"says that {who} has the permission {level} in {place.name}, which is unknown here")
    document = heard.document
    if heard.permission is not None and not _closed(heard.permission) and not _is_renamed(question, place, document):
        document = None  # what the account may do was told: nothing
    reply = document if document is not None else heard.permission
    if isinstance(reply, ProviderUnavailable):
        reason = f"{reply} when asked for {place.name}"
        return Seen(Finding(Outcome.UNVERIFIED, reason=reason, transient=reply.transient, remedy=reply.remedy))
    if reply is None:
        return _unverified(f"was not asked for {place.name}")
    if reply.status == 403 and not replies.lacks_scopes(reply):
        return _refused(question, place.name, reply, kind, who)
    if document is None:
        seen = _unverified(_permission_not_told(place.name, reply, who))
        return replace(seen, nothing_there=reply.status in (200, 404))
    return _by_document(question, place, needed, reply, kind, who)


def _by_document(question: Question, place: Place, needed: Level, reply: Reply, kind: TokenKind, who: str) -> Seen:
    """What the repository's own document means; it says that the token reaches it, and not what its account may do."""
    if reply.status == 404:
        reason = f"says 404 for {place.name}: either there is no such repository, or {who} may not see it"
        remedy = _wider(question, place.name, kind)
        return Seen(Finding(Outcome.UNVERIFIED, reason=reason, remedy=remedy), remedy, nothing_there=True)
    name = replies.name_in(reply, secret=_secret(question))
    if not name:
        return _unverified(f"answers {reply.status} when asked for {place.name}, which says nothing of the token")
    moved = _moved(question, place, reply, name)
    if needed is Level.READ:
        return Seen(warnings=moved)
    if not replies.is_private(reply):
        # Anybody reads it, so that this is no sign of what the token was made for.
        return _unverified(f"lets anybody read {name}, and doesn't say whether {who} may write there")
    if kind.is_access_token:
        return Seen(warnings=moved)  # what it reaches, it may do all in that its scopes say (Bitbucket docs)
    unknown = f"{question.host.name} doesn't tell this {kind.described} what {who} may do in {name}."
    return Seen(warnings=(*moved, unknown))


def _moved(question: Question, place: Place, reply: Reply, name: str) -> tuple[str, ...]:
    """A warning where the repository is called otherwise than it was asked for, after a redirect or without one."""
    moved = reply.moved or (name if name.lower() != place.name.lower() else "")
    return redirects.warnings(question.host, place.name, replace(reply, moved=moved), name)


def names_no(question: Question, place: Place, permission: object) -> bool:
    """Whether a list of the account's permissions came and does not name the repository, which may be renamed."""
    if not isinstance(permission, Reply) or permission.status not in (200, 404):
        return False
    return replies.permission_in(permission, place.name, secret=_secret(question)) is None


def _closed(permission: Reply | ProviderUnavailable) -> bool:
    """Whether the token may not ask what its account may do."""
    return isinstance(permission, Reply) and replies.lacks_scopes(permission)


def _is_renamed(question: Question, place: Place, document: Reply | ProviderUnavailable | None) -> bool:
    name = replies.name_in(document, secret=_secret(question))
    return bool(name) and name.lower() != place.name.lower()


def _stopped_by(refusal: Refusal, name: str, kind: TokenKind) -> Seen:
    if refusal.transient or refusal.unknown_token:
        reason = f"says of {name} that {refusal.reason}" if refusal.transient else refusal.reason
        finding = Finding(Outcome.UNVERIFIED, reason=reason, transient=refusal.transient, remedy=refusal.remedy)
        return Seen(finding)
    reason = f"accepts this {kind.described}, but not for {name}, because {refusal.reason}"
    return Seen(Finding(Outcome.BLOCKED, reason=reason), refusal.remedy)


def _secret(question: Question) -> str:
    credential = question.credential
    return credential.token.get_secret_value() if isinstance(credential, TokenCredential) else ""


def _judged_by(level: Level, question: Question, name: str, needed: Level, who: str) -> Seen:
    if level.includes(needed):
        return Seen()
    lack = "is no administrator of" if needed is Level.ADMIN else "may not write to"
    reason = f"says that {who} {lack} {name}, as is needed"
    return Seen(Finding(Outcome.INSUFFICIENT, reason=reason), links.permissions(question, name, who))


def _refused(question: Question, name: str, reply: Reply, kind: TokenKind, who: str) -> Seen:
    if replies.denies_access(reply):
        reason = f"says that {who} has no access to {name}"
        remedy = _wider(question, name, kind) or links.permissions(question, name, who)
        return Seen(Finding(Outcome.INSUFFICIENT, reason=reason), remedy)
    return _unverified(f"answers 403 when asked for {name}, without saying that it is about this token")


def _permission_not_told(name: str, reply: Reply, who: str) -> str:
    if replies.lacks_scopes(reply):
        return f"doesn't let this token ask what {who} may do in {name}"
    if reply.status == 404:
        return (
            f"says 404 when asked what {who} may do in {name}: either there is no such repository, "
            f"or {who} has no part in its workspace"
        )
    if reply.status == 200:
        return (
            f"doesn't name {name} among the repositories of {who}: either there is no such repository, "
            f"or {who} has no permission there"
        )
    return f"answers {reply.status} when asked what {who} may do in {name}, which says nothing of the token"


def _wider(question: Question, name: str, kind: TokenKind) -> str:
    return links.wider_token(question, name) if kind.is_access_token else ""


def _unverified(reason: str) -> Seen:
    return Seen(Finding(Outcome.UNVERIFIED, reason=reason))
