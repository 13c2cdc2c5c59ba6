"""Inspect one token: send the requests and combine all responses into one answer.

``GET /user`` has the scopes and the kind of the token in its headers, whatever its status (200, 403, 404; not 401), and
so has every other endpoint. ``/user`` is preferred, but any other response of the same round is as good, so it does not
matter whether ``/user`` is gone for API tokens (410), as one source says.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.bitbucket import kinds, links, replies, repositories, scopes, targets, usernames
from webhook.providers.bitbucket.kinds import API_TOKEN, OAUTH_TOKEN, UNKNOWN, TokenKind
from webhook.providers.bitbucket.refusals import Refusal, refusal_in, text_of
from webhook.providers.bitbucket.repository import RepositoryResponses, is_unlisted
from webhook.providers.bitbucket.targets import Target
from webhook.providers.concurrency import gather_pair, outcome_of, outcomes, outcomes_until
from webhook.providers.evidence import source, sources_in
from webhook.providers.findings import (
    Answer,
    Facts,
    Finding,
    Outcome,
    Question,
    Source,
    TokenCredential,
    same_for_all,
)
from webhook.providers.repositories import with_proofs, with_uncertain
from webhook.providers.requirements import Level
from webhook.providers.text import plain
from webhook.text import join

_OPEN_TO_ALL = "/hook_events"
"""Needs neither credentials nor a scope (Bitbucket docs: webhooks), so a 401 can only be about the token."""


@dataclass(frozen=True, slots=True)
class Responses:
    """The responses of one round of requests.

    Attributes:
        user: the response to ``GET /user``.
        about: the responses about each repository.
        basic: the token was sent with an e-mail address, and not as a bearer token.
        confirmation: the response of an endpoint that is open to all, if it was requested.
    """

    user: Reply | ProviderUnavailable
    about: Mapping[Target, RepositoryResponses]
    basic: bool
    confirmation: Reply | ProviderUnavailable | None = None

    @property
    def replies(self) -> list[Reply]:
        """The responses that arrived, that to ``GET /user`` first."""
        first = [reply for reply in (self.user, self.confirmation) if isinstance(reply, Reply)]
        return [*first, *(reply for responses in self.about.values() for reply in responses.replies)]

    @property
    def rejections(self) -> int:
        """How many replies rejected the token; 0 if any did not."""
        return len(self.replies) if all(map(replies.is_own_rejection, self.replies)) else 0


@dataclass(frozen=True, slots=True)
class Token:
    """What Bitbucket says about the token itself.

    Attributes:
        git_name: the account's Bitbucket username.
        unknown_type: the credential type, if this program does not know it; "(unnamed)" if it cannot be shown.
        sources: the response that lists the scopes.
    """

    kind: TokenKind
    scopes: tuple[str, ...]
    account: str | None = None
    git_name: str | None = None
    unknown_type: str = ""
    sources: tuple[Source, ...] = ()


async def inspect(question: Question, credential: TokenCredential, api: Api) -> Answer:
    """Inspect a token in one round, or in two if the first does not show its kind or what it reaches."""
    secret = credential.token.get_secret_value()
    guessed = kinds.by_prefix(secret)
    if guessed is kinds.APP_PASSWORD:
        return _app_password(question)
    email = credential.username if usernames.is_email(credential.username) else None
    as_bearer = usernames.bearer(secret)
    as_basic = usernames.basic(email, secret) if email is not None else None
    wanted = targets.wanted(question)
    only_basic = guessed is API_TOKEN and as_basic is not None
    first = as_basic if only_basic and as_basic is not None else as_bearer
    responses = await _ask(api, first, wanted, guessed, basic=only_basic)
    if responses.rejections and not only_basic and guessed is UNKNOWN and as_basic is not None:
        responses = await _ask(api, as_basic, wanted, guessed, basic=True)
    elif _needs_confirmation(responses, guessed, secret):
        # Access tokens may be unable to use `/user`: its 401 says that it may be about the endpoint.
        confirmation = await outcome_of(api.send("GET", _OPEN_TO_ALL, headers={"authorization": first}))
        responses = replace(responses, confirmation=confirmation)
    else:
        responses = await _ask_again(question, api, first, responses, guessed, secret)
    return judge(question, credential, responses)


def _needs_confirmation(responses: Responses, guessed: TokenKind, secret: str) -> bool:
    """Return whether only ``/user`` answered, in a way that may be about the endpoint and not the token."""
    if (
        len(responses.replies) != 1
        or isinstance(responses.user, ProviderUnavailable)
        or _token_in(responses, guessed, secret) is not None
    ):
        return False
    if replies.is_for_other_credentials(responses.user):
        return True
    return responses.rejections == 1 and not responses.basic and guessed is not API_TOKEN


async def _ask(api: Api, authorization: str, wanted: list[Target], kind: TokenKind, *, basic: bool) -> Responses:
    """Send one round: the token itself, the URL's repository, and the others as far as time allows."""
    headers = {"authorization": authorization}

    def about(target: Target) -> Coroutine[Any, Any, Reply]:
        return api.send("GET", _first_path(target, kind), headers=headers)

    named = [target for target in wanted if target.of_url]
    others = [target for target in wanted if not target.of_url]
    asked = [api.send("GET", "/user", headers=headers), *(about(target) for target in named)]
    (user, *of_url), of_others = await gather_pair(
        outcomes(*asked),
        outcomes_until(api.needed_by, *(about(target) for target in others)),
    )
    answers = zip((*named, *others), (*of_url, *of_others), strict=True)
    return Responses(user, {target: _as_responses(target, kind, reply) for target, reply in answers}, basic)


def _asks_for_document(target: Target, kind: TokenKind) -> bool:
    """Return whether the document is enough: access tokens have no account, and read access needs no list."""
    return kind.is_access_token or target.access is Level.READ


def _first_path(target: Target, kind: TokenKind) -> str:
    return target.document if _asks_for_document(target, kind) else target.permission


def _as_responses(target: Target, kind: TokenKind, reply: Reply | ProviderUnavailable) -> RepositoryResponses:
    return (
        RepositoryResponses(document=reply)
        if _asks_for_document(target, kind)
        else RepositoryResponses(permission=reply)
    )


async def _ask_again(
    question: Question, api: Api, authorization: str, responses: Responses, guessed: TokenKind, secret: str
) -> Responses:
    """Request the repositories whose permissions the first round did not show, if the scopes are sufficient.

    The token may lack the scope to list permissions, or the repository may have been renamed.
    """
    token = _token_in(responses, guessed, secret)
    if token is None or not any(
        scopes.judge(needed, token.kind, token.scopes).finding.outcome is Outcome.SUFFICIENT
        for needed in question.requirements.values()
    ):
        return responses
    closed = [
        target
        for target, one in responses.about.items()
        if isinstance(one.permission, Reply)
        and (replies.lacks_scopes(one.permission) or is_unlisted(question, target, one.permission))
    ]
    headers = {"authorization": authorization}
    documents = await outcomes_until(
        api.needed_by, *(api.send("GET", target.document, headers=headers) for target in closed)
    )
    opened = {
        target: replace(responses.about[target], document=document)
        for target, document in zip(closed, documents, strict=True)
    }
    return replace(responses, about={**responses.about, **opened})


def judge(question: Question, credential: TokenCredential, responses: Responses) -> Answer:
    """Return the answer from Bitbucket's responses.

    Raises:
        ProviderUnavailable: they say nothing about the token.
    """
    return with_uncertain(question, lambda asked: _judge(asked, credential, responses))


def _judge(question: Question, credential: TokenCredential, responses: Responses) -> Answer:
    secret = credential.token.get_secret_value()
    guessed = kinds.by_prefix(secret)
    token = _token_in(responses, guessed, secret)
    if (refusal := _obstacle(responses, token)) is not None:
        kind, shown = token.kind if token is not None else guessed, sources_in(responses.replies)
        return _stopped_by(refusal, question, kind, shown)
    if token is None:
        return _without_scopes(question, credential, responses, guessed)
    kind = token.kind
    if kind is kinds.APP_PASSWORD:
        return _app_password(question)
    judged = {role: scopes.judge(needed, kind, token.scopes) for role, needed in question.requirements.items()}
    findings = {
        role: replace(_of_unknown_kind(one.finding, kind, token), proofs=one.proofs(token.sources))
        for role, one in judged.items()
    }
    reached = repositories.judge(question, responses.about, kind, token.account)
    for role, problem in reached.problems.items():
        if findings[role].outcome is Outcome.SUFFICIENT:
            findings[role] = replace(problem, proofs=findings[role].proofs)
    lacking = any(judged[role].finding.outcome is Outcome.INSUFFICIENT for role in findings)
    remedy = links.new_token(question, kind) if lacking or not reached.remedy else reached.remedy
    beyond = dict.fromkeys(scope for one in judged.values() for scope in one.beyond)
    warnings = [
        *usernames.warnings(question.host.name, kind, credential, token.git_name),
        *([_unknown_kind(question, token)] if token.unknown_type else []),
        *([_without(kind, list(beyond))] if beyond else []),
        *([_expires_soon(question)] if kind is OAUTH_TOKEN else []),
        *reached.warnings,
    ]
    facts = Facts(
        token_type=kind.token_type,
        described=kind.described,
        account=token.account,
        holds=token.scopes,
        short_lived=kind is OAUTH_TOKEN,
        warnings=tuple(warnings),
    )
    return with_proofs(Answer(findings, facts, remedy, complete=not reached.late), reached.proofs)


def _token_in(responses: Responses, guessed: TokenKind, secret: str) -> Token | None:
    """Return the token from the first reply that lists scopes; None if none does."""
    for reply in responses.replies:
        found = replies.scopes_of(reply, secret=secret)
        credential_type = replies.credential_type_of(reply)
        if found is None or credential_type == kinds.ANONYMOUS:
            continue
        kind = kinds.kind_of(reply, found, guessed)
        unknown = "" if kinds.is_known(credential_type) else plain(credential_type, secret=secret) or "(unnamed)"
        shown = source(reply, "x-oauth-scopes")
        if isinstance(responses.user, ProviderUnavailable):
            return Token(kind, found, unknown_type=unknown, sources=shown)
        account = replies.account_of(responses.user, secret=secret)
        return Token(kind, found, account, replies.git_name_of(responses.user), unknown, shown)
    return None


def _of_unknown_kind(finding: Finding, kind: TokenKind, token: Token) -> Finding:
    """Return the finding, unverified instead of insufficient for a credential of an unknown kind."""
    if kind.token_type != kinds.OTHER.token_type or finding.outcome is not Outcome.INSUFFICIENT:
        return finding
    reason = (
        f"calls this credential {token.unknown_type}, a kind that this webhook does not know, and lists "
        f"{join(token.scopes)} for it, which does not show whether it can do what {join(finding.lacks)} allows"
    )
    return Finding(Outcome.UNVERIFIED, reason=reason, remedy="Use an access token or an API token.")


def _unknown_kind(question: Question, token: Token) -> str:
    return (
        f"{question.host.name} calls this credential {token.unknown_type}, a kind that this webhook does not know; it "
        f"was judged as {token.kind.described} by its scopes."
    )


def _obstacle(responses: Responses, token: Token | None) -> Refusal | None:
    """Return what blocks the account; if nothing is known about the token, what blocks any request."""
    candidates = [responses.user] if token is not None else responses.replies
    return next(filter(None, map(refusal_in, candidates)), None)


def _stopped_by(refusal: Refusal, question: Question, kind: TokenKind, sources: tuple[Source, ...]) -> Answer:
    """Return the answer for a known obstacle.

    Raises:
        ProviderUnavailable: Bitbucket did not check the token, or waiting may help.
    """
    if refusal.transient or refusal.unknown_token:
        raise ProviderUnavailable(refusal.reason, transient=refusal.transient, remedy=refusal.remedy)
    finding = Finding(Outcome.BLOCKED, reason=f"accepts this {kind.described}, but {refusal.reason}")
    facts = Facts(kind.token_type, kind.described)
    return same_for_all(question, finding, facts, remedy=refusal.remedy, sources=sources)


def _without_scopes(
    question: Question, credential: TokenCredential, responses: Responses, guessed: TokenKind
) -> Answer:
    """Return the answer if no reply lists the token's scopes.

    Raises:
        ProviderUnavailable: the replies say nothing about the token.
    """
    if responses.rejections:
        if any("app password" in text_of(reply) for reply in responses.replies):
            return _app_password(question)
        return _rejected(question, credential, responses, guessed)
    if isinstance(responses.user, ProviderUnavailable):
        raise responses.user
    if replies.is_for_other_credentials(responses.user):
        clause = "does not tell this token whose it is, and no other response lists its scopes"
        raise ProviderUnavailable(
            clause, remedy="Name a repository that it reaches in the URL, or use another kind of token."
        )
    if "app password" in text_of(responses.user):
        return _app_password(question)
    if any(reply.status == 401 and not replies.is_own_rejection(reply) for reply in responses.replies):
        clause = "answers 401 with a text that is not Bitbucket's; a proxy in between may require its own sign-in"
        raise ProviderUnavailable(clause)
    if any(reply.status == 401 for reply in responses.replies):
        raise ProviderUnavailable(
            "rejects this token at one endpoint and accepts it at another, without saying what it may do"
        )
    if replies.credential_type_of(responses.user) == kinds.ANONYMOUS:
        raise ProviderUnavailable("saw no credentials; a proxy in between may have removed them")
    if responses.user.status not in (200, 403, 404):
        raise ProviderUnavailable(
            f"answers {responses.user.status} when asked whose token this is, which says nothing about it"
        )
    raise ProviderUnavailable("did not say which scopes this token has; a proxy in between may have removed the header")


def _rejected(question: Question, credential: TokenCredential, responses: Responses, guessed: TokenKind) -> Answer:
    """Return the answer for a 401. Its text does not depend on the cause, and its headers do not describe the token."""
    facts, shown = Facts(guessed.token_type, guessed.described), sources_in(responses.replies)
    if responses.basic:
        reason = (
            f"rejects this {guessed.described} together with the stored e-mail address: it is wrong, revoked, expired, "
            "created without scopes, or belongs to another account"
        )
        remedy = links.new_credentials(question)
        return same_for_all(question, Finding(Outcome.INVALID, reason=reason), facts, remedy=remedy, sources=shown)
    if guessed is API_TOKEN:
        # Sources disagree whether an API token works as a bearer token, so a 401 says nothing about it.
        return same_for_all(question, usernames.email_is_missing(credential.username), facts, sources=shown)
    if responses.rejections == 1:
        raise ProviderUnavailable("rejects this token when asked whose it is, and no second response confirms that")
    reason = f"rejects this {guessed.described}: it is wrong, revoked or expired"
    remedy = links.new_token(question, guessed)
    return same_for_all(question, Finding(Outcome.INVALID, reason=reason), facts, remedy=remedy, sources=shown)


def _app_password(question: Question) -> Answer:
    """Return the answer for an app password: none works since 2026-07-28 (Atlassian community, 2026)."""
    kind = kinds.APP_PASSWORD
    reason = "has not accepted app passwords since 2026-07-28, and this is one"
    facts = Facts(kind.token_type, kind.described)
    remedy = links.new_token(question, API_TOKEN)
    return same_for_all(question, Finding(Outcome.INVALID, reason=reason), facts, remedy=remedy)


def _without(kind: TokenKind, beyond: list[str]) -> str:
    article = "An" if kind.described[0] in "aAeEiIoOuU" else "A"
    return f"{article} {kind.described} cannot hold {join(beyond)}, so the check left that out."


def _expires_soon(question: Question) -> str:
    return f"OAuth tokens of {question.host.name} expire within hours; use an API token or an access token instead."
