"""One repository: does the token reach it, and may its account do there what is needed? Pure: replies in, sense out."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.findings import Finding, Outcome, Question
from webhook.providers.base import NoAnswer, Reply
from webhook.providers.bitbucket import links, replies
from webhook.providers.bitbucket.kinds import TokenKind
from webhook.providers.bitbucket.places import Place
from webhook.requirements import Level


@dataclass(frozen=True, slots=True)
class Heard:
    """What Bitbucket answered about one repository.

    Attributes:
        permission: what its account may do there, or why nobody said; None where it wasn't asked, as an access token
            has no account, and to read needs no more than to be read.
        document: the repository itself, or None where it wasn't asked for.
    """

    permission: Reply | NoAnswer | None = None
    document: Reply | NoAnswer | None = None

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
        warning: a whole sentence about something that stops nothing.
    """

    problem: Finding | None = None
    remedy: str = ""
    warning: str = ""


def look(question: Question, place: Place, needed: Level, heard: Heard, kind: TokenKind, account: str | None) -> Seen:
    """What the replies mean, where the token itself was accepted and has the scopes that are needed."""
    who = f"this {kind.described}" if kind.is_access_token else account or "its account"
    if isinstance(heard.permission, Reply):
        level = replies.permission_in(heard.permission, place.name)
        if level is not None:
            return _judged_by(level, question, place.name, needed, who)
    reply = heard.document if heard.document is not None else heard.permission
    if isinstance(reply, NoAnswer):
        reason = f"{reply} when asked for {place.name}"
        return Seen(Finding(Outcome.UNVERIFIED, reason=reason, transient=reply.transient, remedy=reply.remedy))
    if reply is None:
        return _unverified(f"was not asked for {place.name}")
    if reply.status == 403 and not replies.lacks_scopes(reply):
        return _refused(question, place.name, reply, kind, who)
    if heard.document is None:
        return _unverified(_permission_not_told(place.name, reply, who))
    if reply.status == 404:
        reason = f"says 404 for {place.name}: either there is no such repository, or {who} may not see it"
        return Seen(Finding(Outcome.UNVERIFIED, reason=reason), _wider(question, place.name, kind))
    if reply.status != 200 or "full_name" not in _document(reply):
        return _unverified(f"answers {reply.status} when asked for {place.name}, which says nothing of the token")
    if needed is Level.READ:
        return Seen()
    if not replies.is_private(reply):
        # Anybody reads it, so that this is no sign of what the token was made for.
        return _unverified(f"lets anybody read {place.name}, and doesn't say whether {who} may write there")
    if kind.is_access_token:
        return Seen()  # what it reaches, it may do all in that its scopes say (Bitbucket docs: access tokens)
    return Seen(warning=f"{question.host.name} doesn't tell this {kind.described} what {who} may do in {place.name}.")


def _judged_by(level: Level, question: Question, name: str, needed: Level, who: str) -> Seen:
    if level.includes(needed):
        return Seen()
    lack = "is no administrator of" if needed is Level.ADMIN else "may not write to"
    reason = f"says that {who} {lack} {name}, as is needed"
    return Seen(Finding(Outcome.INSUFFICIENT, reason=reason), links.permissions(question, name, who))


def _refused(question: Question, name: str, reply: Reply, kind: TokenKind, who: str) -> Seen:
    if replies.keeps_address_out(reply):
        reason = f"accepts this {kind.described}, but the IP allow list of {name} keeps out the address of this webhook"
        remedy = "Add the cluster's outgoing address to the workspace's IP allow list."
        return Seen(Finding(Outcome.BLOCKED, reason=reason), remedy)
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


def _document(reply: Reply) -> dict[str, object]:
    return dict(reply.body) if isinstance(reply.body, dict) else {}


def _wider(question: Question, name: str, kind: TokenKind) -> str:
    return links.wider_token(question, name) if kind.is_access_token else ""


def _unverified(reason: str) -> Seen:
    return Seen(Finding(Outcome.UNVERIFIED, reason=reason))
