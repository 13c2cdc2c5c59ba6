"""GitLab before 15.5, where scopes are found by elimination, with requests that change nothing.

These versions have no ``personal_access_tokens/self``. ``POST /projects`` without a body needs `api` and then fails,
because a project needs a name, so no project is created. ``GET /projects`` needs `api` or `read_api`. No request to the
API shows `write_repository`. A request to Git could create a project (GitLab docs: push to create), so none is sent.
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
"""The first version with ``personal_access_tokens/self`` (GitLab docs: personal access tokens API)."""
_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.|-|\Z)")
_PUBLIC = "gitlab.com"


def may_be(question: Question, itself: Reply, user: Reply | None) -> bool:
    """Return whether an older GitLab gives this reply to ``GET /personal_access_tokens/self`` for a valid token.

    Since 15.1, ``self`` is the id of a token: 401 for all but administrators, and 403 for tokens without `read_api`.
    Since 13.3 the reply is 405, and before that 404. gitlab.com is never older.
    """
    if question.host.name == _PUBLIC:
        return False
    if itself.status in (404, 405) or replies.lacks_scope(itself):
        return True
    # A token that is rejected elsewhere as well is not valid.
    return replies.unexplained(itself) and not (user is not None and replies.unexplained(user))


@dataclass(frozen=True, slots=True)
class Responses:
    """The responses of the second round.

    Attributes:
        version: None if it was not requested.
        oauth: the response about an OAuth token; None if the token cannot be one.
    """

    creating: Reply
    reading: Reply
    version: Reply | None = None
    oauth: Reply | None = None


async def ask(question: Question, itself: Reply, token: str, api: Api, headers: dict[str, str]) -> Responses:
    """Send the requests that distinguish scopes.

    Raises:
        ProviderUnavailable: one of them has no response.
    """
    calls = [
        api.send("POST", "/projects", headers=headers),
        api.send("GET", "/projects?membership=true&simple=true&per_page=1", headers=headers),
    ]
    # A 404 may also be from a proxy in front of a newer GitLab.
    asks_version = itself.status == 404
    if asks_version:
        calls.append(api.send("GET", "/version", headers=headers))
    if not unsupported_tokens.is_personal(token):
        calls.append(oauth.ask(question, api, headers))
    creating, reading, *others = await gather_all(*calls)
    return Responses(
        creating,
        reading,
        others.pop(0) if asks_version else None,
        others.pop(0) if others else None,
    )


def grant(question: Question, responses: Responses, user: Reply | None, owner: Owner) -> Grant | replies.Rejected:
    """Return the facts and findings of a token as far as they can be proven, or why it is rejected.

    Raises:
        ProviderUnavailable: it is not known that this is an older GitLab, or that the token is valid.
    """
    _refuse_newer(responses.version)
    sent = [responses.creating, responses.reading, *([user] if user is not None else [])]
    for reply in sent:
        if reply.status == 401 and (refused := replies.refusal(reply, owner.kind.described)) is not None:
            return refused
    may_create = _allows(responses.creating, allowed=_lacks_name(responses.creating))
    may_read = _allows(responses.reading, allowed=responses.reading.status == 200)
    knows_user = None if user is None else _allows(user, allowed=user.status == 200)
    if may_create is None and may_read is None and knows_user is None:
        raise ProviderUnavailable(
            "lacks the token API of GitLab 15.5, and no other response shows what this token can do"
        )
    holds = ("api",) if may_create else ("read_api",) if may_read else ("read_user",) if knows_user else ()
    missing = {
        scope
        for scope, there in (("api", may_create), ("read_api", may_create or may_read), ("read_user", knows_user))
        if there is False
    }
    warning = f"{question.host.name} is a GitLab older than 15.5, which does not say when this token expires."
    facts = Facts(owner.kind.token_type, owner.kind.described, owner.username, holds, warnings=(warning,))
    sources = {
        "api": source(responses.creating),
        "read_api": sources_in([responses.creating, responses.reading]),
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
    unknown = tuple(scope for scope in needed.scopes if scope not in holds)
    if unknown:
        reason = f"is a GitLab older than 15.5, which does not show whether this token has {' and '.join(unknown)}"
        return Finding(Outcome.UNVERIFIED, reason=reason)
    return Finding(Outcome.SUFFICIENT)


def _refuse_newer(version: Reply | None) -> None:
    text = replies.mapping(version).get("version") if version is not None else None
    found = _VERSION.match(text) if isinstance(text, str) else None
    if found is not None and (int(found[1]), int(found[2])) >= SINCE:
        raise ProviderUnavailable(
            "lacks the token API that every GitLab since 15.5 has; a proxy in between may block it"
        )


def _allows(reply: Reply, *, allowed: bool) -> bool | None:
    """Return whether a token's scopes allow this request; None if the reply is about something else."""
    return True if allowed else False if replies.lacks_scope(reply) else None


def _lacks_name(reply: Reply) -> bool:
    text = replies.text_of(reply)
    return reply.status == 400 and "name" in text and "missing" in text
