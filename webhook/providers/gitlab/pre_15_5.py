"""GitLab before 15.5 and its ``personal_access_tokens/self``: scopes by elimination, with requests that change nothing.

``POST /projects`` without a body is one of them: only `api` lets it in, and then it is refused because a project needs
a name. It has none, so that whatever becomes of the request, no project can. ``GET /projects`` lets in `api` and
`read_api`. Whether a token has `write_repository` no request to the API tells; asking Git itself could make a project
that isn't there (GitLab docs: push to create), and isn't done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.concurrency import gather_all
from webhook.providers.evidence import source, sources_in
from webhook.providers.findings import Conclusion, Facts, Finding, Outcome, Proof, Question, Source
from webhook.providers.gitlab import oauth, replies, unsupported_tokens
from webhook.providers.gitlab.owner import Owner
from webhook.providers.gitlab.token import Grant, judged
from webhook.providers.gitlab.vocabulary import held
from webhook.providers.requirements import Requirement

SINCE = (15, 5)
"""The first version that has it (GitLab docs: personal access tokens API)."""
_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.|-|\Z)")
_PUBLIC = "gitlab.com"


def may_be(question: Question, itself: Reply, user: Reply | None) -> bool:
    """Whether this reply to ``GET /personal_access_tokens/self`` is one that an older GitLab gives to a good token.

    It takes ``self`` for the id of a token since 15.1, which is 401 to all but administrators, and 403 to tokens
    without `read_api`; 405 since 13.3, and 404 before. gitlab.com is no older GitLab.
    """
    if question.host.name == _PUBLIC:
        return False
    if itself.status in (404, 405) or replies.lacks_scope(itself):
        return True
    # A token that isn't let in elsewhere either is a wrong one.
    return replies.unexplained(itself) and not (user is not None and replies.unexplained(user))


@dataclass(frozen=True, slots=True)
class Heard:
    """What the second round brought.

    Attributes:
        version: where it was asked.
        oauth: what is said of it as an OAuth token, where it may be one.
    """

    creating: Reply
    reading: Reply
    version: Reply | None = None
    oauth: Reply | None = None


async def ask(question: Question, itself: Reply, token: str, api: Api, headers: dict[str, str]) -> Heard:
    """Ask what tells one scope from another.

    Raises:
        ProviderUnavailable: any of it brought nothing.
    """
    calls = [
        api.send("POST", "/projects", headers=headers),
        api.send("GET", "/projects?membership=true&simple=true&per_page=1", headers=headers),
    ]
    # A 404 may also be a proxy's, before a GitLab that is new enough.
    asks_version = itself.status == 404
    if asks_version:
        calls.append(api.send("GET", "/version", headers=headers))
    if not unsupported_tokens.is_personal(token):
        calls.append(oauth.ask(question, api, headers))
    creating, reading, *others = await gather_all(*calls)
    return Heard(
        creating,
        reading,
        others.pop(0) if asks_version else None,
        others.pop(0) if others else None,
    )


def grant(question: Question, heard: Heard, user: Reply | None, owner: Owner) -> Grant | replies.Refused:
    """Return what a token may do, as far as it can be found out; or why it is refused.

    Raises:
        ProviderUnavailable: it can't be found out that this is an older GitLab, or that the token is good at all.
    """
    _refuse_newer(heard.version)
    asked = [heard.creating, heard.reading, *([user] if user is not None else [])]
    for reply in asked:
        if reply.status == 401 and (refused := replies.refusal(reply, owner.sort.described)) is not None:
            return refused
    may_create = _tells(heard.creating, allowed=_lacks_name(heard.creating))
    may_read = _tells(heard.reading, allowed=heard.reading.status == 200)
    is_known = None if user is None else _tells(user, allowed=user.status == 200)
    if may_create is None and may_read is None and is_known is None:
        raise ProviderUnavailable(
            "lacks the token API of GitLab 15.5, and no other response shows what this token can do"
        )
    holds = ("api",) if may_create else ("read_api",) if may_read else ("read_user",) if is_known else ()
    missing = {
        scope
        for scope, there in (("api", may_create), ("read_api", may_create or may_read), ("read_user", is_known))
        if there is False
    }
    warning = f"{question.host.name} is a GitLab older than 15.5, which does not say when this token expires."
    facts = Facts(owner.sort.token_type, owner.sort.described, owner.username, holds, warnings=(warning,))
    sources = {
        "api": source(heard.creating),
        "read_api": sources_in([heard.creating, heard.reading]),
        "read_user": source(user),
    }

    def judge(needed: Requirement) -> Finding:
        finding = _judge(needed, held(holds), missing)
        return replace(finding, proofs=_proofs(needed, held(holds), missing, sources))

    return Grant(facts, judged(question, judge))


def _proofs(
    needed: Requirement, holds: frozenset[str], missing: set[str], sources: Mapping[str, tuple[Source, ...]]
) -> tuple[Proof, ...]:
    """Return what the requests prove about each scope."""
    proofs = []
    for scope in needed.scopes:
        if scope in holds:
            proofs.append(Proof(scope, Conclusion.PROVEN, sources.get(scope, sources["api"])))
        elif scope in missing:
            proofs.append(Proof(scope, Conclusion.MISSING, sources.get(scope, ())))
        else:
            proofs.append(Proof(scope, Conclusion.OPEN, why="is a GitLab older than 15.5, which does not show it"))
    return tuple(proofs)


def _judge(needed: Requirement, holds: frozenset[str], missing: set[str]) -> Finding:
    lacks = tuple(scope for scope in needed.scopes if scope in missing)
    if lacks:
        return Finding(Outcome.INSUFFICIENT, lacks)
    untold = tuple(scope for scope in needed.scopes if scope not in holds)
    if untold:
        reason = f"is a GitLab older than 15.5, which does not show whether this token has {' and '.join(untold)}"
        return Finding(Outcome.UNVERIFIED, reason=reason)
    return Finding(Outcome.SUFFICIENT)


def _refuse_newer(version: Reply | None) -> None:
    text = replies.mapping(version).get("version") if version is not None else None
    found = _VERSION.match(text) if isinstance(text, str) else None
    if found is not None and (int(found[1]), int(found[2])) >= SINCE:
        raise ProviderUnavailable(
            "lacks the token API that every GitLab since 15.5 has; a proxy in between may block it"
        )


def _tells(reply: Reply, *, allowed: bool) -> bool | None:
    """Whether a token's scopes let it ask this; None where the reply is about something else."""
    return True if allowed else False if replies.lacks_scope(reply) else None


def _lacks_name(reply: Reply) -> bool:
    text = replies.text_of(reply)
    return reply.status == 400 and "name" in text and "missing" in text
