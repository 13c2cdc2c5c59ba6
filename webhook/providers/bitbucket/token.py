"""A token of any kind: one request tells its scopes, and in the same round others tell which repositories it reaches.

``GET /user`` answers with the scopes and the kind of the token in its headers whatever its status (200, 403, 404; not
401), and so does every other endpoint. It is the first to be listened to, and any other answer of the same round will
do as well, so that it doesn't matter whether ``/user`` is gone for API tokens (410), as one source says.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.bitbucket import kinds, links, replies, repositories, scopes, targets, usernames
from webhook.providers.bitbucket.kinds import API_TOKEN, OAUTH_TOKEN, UNKNOWN, TokenKind
from webhook.providers.bitbucket.refusals import Refusal, refusal_in, text_of
from webhook.providers.bitbucket.repository import Heard, names_no
from webhook.providers.bitbucket.targets import Place
from webhook.providers.concurrency import gather_pair, outcome_of, outcomes, outcomes_until
from webhook.providers.findings import Answer, Facts, Finding, Outcome, Question, TokenCredential, same_for_all
from webhook.providers.repositories import with_uncertain
from webhook.providers.requirements import Level
from webhook.providers.text import plain
from webhook.text import join

_OPEN_TO_ALL = "/hook_events"
"""Needs neither credentials nor a scope (Bitbucket docs: webhooks), so that its 401 can only be about the token."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of requests brought.

    Attributes:
        user: the reply to ``GET /user``.
        about: what was answered about each repository.
        basic: the token was shown together with an e-mail address, and not as a bearer.
        confirmation: the reply of an endpoint that is open to all, where that was asked.
    """

    user: Reply | ProviderUnavailable
    about: Mapping[Place, Heard]
    basic: bool
    confirmation: Reply | ProviderUnavailable | None = None

    @property
    def replies(self) -> list[Reply]:
        """Those that came, that to ``GET /user`` first."""
        first = [reply for reply in (self.user, self.confirmation) if isinstance(reply, Reply)]
        return [*first, *(reply for heard in self.about.values() for reply in heard.replies)]

    @property
    def refusals(self) -> int:
        """How many refused the token; 0 where another did not."""
        return len(self.replies) if all(map(replies.is_own_refusal, self.replies)) else 0


@dataclass(frozen=True, slots=True)
class Token:
    """What Bitbucket says of the token itself.

    Attributes:
        git_name: the account's Bitbucket username.
        unknown_type: what Bitbucket calls a credential of a kind that this program doesn't know; "(unnamed)" where
            that can't be shown.
    """

    kind: TokenKind
    scopes: tuple[str, ...]
    account: str | None = None
    git_name: str | None = None
    unknown_type: str = ""


async def inspect(question: Question, credential: TokenCredential, api: Api) -> Answer:
    """Ask about a token in one round, or in two where the first leaves open what kind it is or what it reaches."""
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
    heard = await _ask(api, first, wanted, guessed, basic=only_basic)
    if heard.refusals and not only_basic and guessed is UNKNOWN and as_basic is not None:
        heard = await _ask(api, as_basic, wanted, guessed, basic=True)
    elif _needs_confirmation(heard, guessed, secret):
        # `/user` alone may be none of those that access tokens can use: its 401 says itself that it may be about that.
        confirmation = await outcome_of(api.send("GET", _OPEN_TO_ALL, headers={"authorization": first}))
        heard = replace(heard, confirmation=confirmation)
    else:
        heard = await _ask_again(question, api, first, heard, guessed, secret)
    return judge(question, credential, heard)


def _needs_confirmation(heard: Round, guessed: TokenKind, secret: str) -> bool:
    """Whether only ``/user`` answered, and said nothing of the token that couldn't be about the endpoint."""
    if (
        len(heard.replies) != 1
        or isinstance(heard.user, ProviderUnavailable)
        or _told(heard, guessed, secret) is not None
    ):
        return False
    if replies.is_for_other_credentials(heard.user):
        return True
    return heard.refusals == 1 and not heard.basic and guessed is not API_TOKEN


async def _ask(api: Api, authorization: str, wanted: list[Place], kind: TokenKind, *, basic: bool) -> Round:
    """One round: the token itself, the URL's repository, and in what time is left the others."""
    headers = {"authorization": authorization}

    def about(place: Place) -> Coroutine[Any, Any, Reply]:
        return api.send("GET", _first_path(place, kind), headers=headers)

    named = [place for place in wanted if place.of_url]
    others = [place for place in wanted if not place.of_url]
    asked = [api.send("GET", "/user", headers=headers), *(about(place) for place in named)]
    (user, *of_url), of_others = await gather_pair(
        outcomes(*asked),
        outcomes_until(api.needed_by, *(about(place) for place in others)),
    )
    answers = zip((*named, *others), (*of_url, *of_others), strict=True)
    return Round(user, {place: _as_heard(place, kind, reply) for place, reply in answers}, basic)


def _asks_for_document(place: Place, kind: TokenKind) -> bool:
    """An access token has no account whose permissions could be listed, and who only reads needs none to be listed."""
    return kind.is_access_token or place.access is Level.READ


def _first_path(place: Place, kind: TokenKind) -> str:
    return place.document if _asks_for_document(place, kind) else place.permission


def _as_heard(place: Place, kind: TokenKind, reply: Reply | ProviderUnavailable) -> Heard:
    return Heard(document=reply) if _asks_for_document(place, kind) else Heard(permission=reply)


async def _ask_again(
    question: Question, api: Api, authorization: str, heard: Round, guessed: TokenKind, secret: str
) -> Round:
    """The repositories themselves, where the scopes suffice, and the account's permissions there were not told.

    The token may lack the scope to ask for them, or the repository may have another name now.
    """
    token = _told(heard, guessed, secret)
    if token is None or not any(
        scopes.judge(needed, token.kind, token.scopes).finding.outcome is Outcome.SUFFICIENT
        for needed in question.requirements.values()
    ):
        return heard
    closed = [
        place
        for place, one in heard.about.items()
        if isinstance(one.permission, Reply)
        and (replies.lacks_scopes(one.permission) or names_no(question, place, one.permission))
    ]
    headers = {"authorization": authorization}
    documents = await outcomes_until(
        api.needed_by, *(api.send("GET", place.document, headers=headers) for place in closed)
    )
    opened = {
        place: replace(heard.about[place], document=document) for place, document in zip(closed, documents, strict=True)
    }
    return replace(heard, about={**heard.about, **opened})


def judge(question: Question, credential: TokenCredential, heard: Round) -> Answer:
    """What Bitbucket's replies mean.

    Raises:
        ProviderUnavailable: nothing was learnt.
    """
    return with_uncertain(question, lambda asked: _judge(asked, credential, heard))


def _judge(question: Question, credential: TokenCredential, heard: Round) -> Answer:
    secret = credential.token.get_secret_value()
    guessed = kinds.by_prefix(secret)
    token = _told(heard, guessed, secret)
    if (refusal := _refusal(heard, token)) is not None:
        return _stopped_by(refusal, question, token.kind if token is not None else guessed)
    if token is None:
        return _not_told(question, credential, heard, guessed)
    kind = token.kind
    if kind is kinds.APP_PASSWORD:
        return _app_password(question)
    judged = {role: scopes.judge(needed, kind, token.scopes) for role, needed in question.requirements.items()}
    findings = {role: _of_unknown_kind(one.finding, kind, token) for role, one in judged.items()}
    reached = repositories.judge(question, heard.about, kind, token.account)
    for role, problem in reached.problems.items():
        if findings[role].outcome is Outcome.SUFFICIENT:
            findings[role] = problem
    lacking = any(judged[role].finding.outcome is Outcome.INSUFFICIENT for role in findings)
    remedy = links.new_token(question, kind) if lacking or not reached.remedy else reached.remedy
    beyond = dict.fromkeys(scope for one in judged.values() for scope in one.beyond)
    warnings = [
        *usernames.warnings(question.host.name, kind, credential, token.git_name),
        *([_unknown_kind(question, token)] if token.unknown_type else []),
        *([_without(kind, list(beyond))] if beyond else []),
        *([_ends_soon(question)] if kind is OAUTH_TOKEN else []),
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
    return Answer(findings, facts, remedy, complete=not reached.late)


def _told(heard: Round, guessed: TokenKind, secret: str) -> Token | None:
    """What the first reply tells that tells anything."""
    for reply in heard.replies:
        found = replies.scopes_of(reply, secret=secret)
        credential_type = replies.credential_type_of(reply)
        if found is None or credential_type == kinds.ANONYMOUS:
            continue
        kind = kinds.told_by(reply, found, guessed)
        unknown = "" if kinds.is_known(credential_type) else plain(credential_type, secret=secret) or "(unnamed)"
        if isinstance(heard.user, ProviderUnavailable):
            return Token(kind, found, unknown_type=unknown)
        account = replies.account_of(heard.user, secret=secret)
        return Token(kind, found, account, replies.git_name_of(heard.user), unknown)
    return None


def _of_unknown_kind(finding: Finding, kind: TokenKind, token: Token) -> Finding:
    """The same, except that nothing follows from scopes that an unknown kind of credential doesn't list."""
    if kind.token_type != kinds.OTHER.token_type or finding.outcome is not Outcome.INSUFFICIENT:
        return finding
    reason = (
        f"calls this credential {token.unknown_type}, a kind that is unknown here, and lists {join(token.scopes)} for "
        f"it, so that nobody can tell whether it can do what {join(finding.lacks)} stands for"
    )
    return Finding(Outcome.UNVERIFIED, reason=reason, remedy="Use an access token or an API token.")


def _unknown_kind(question: Question, token: Token) -> str:
    return (
        f"{question.host.name} calls this credential {token.unknown_type}, a kind that this webhook does not know; it "
        f"was judged as {token.kind.described} by its scopes."
    )


def _refusal(heard: Round, token: Token | None) -> Refusal | None:
    """What stops the account itself; or, where nothing is known of the token, what stops anything."""
    candidates = [heard.user] if token is not None else heard.replies
    return next(filter(None, map(refusal_in, candidates)), None)


def _stopped_by(refusal: Refusal, question: Question, kind: TokenKind) -> Answer:
    """What a known obstacle means for the token.

    Raises:
        ProviderUnavailable: the token was not looked at, or waiting may help.
    """
    if refusal.transient or refusal.unknown_token:
        raise ProviderUnavailable(refusal.reason, transient=refusal.transient, remedy=refusal.remedy)
    finding = Finding(Outcome.BLOCKED, reason=f"accepts this {kind.described}, but {refusal.reason}")
    return same_for_all(question, finding, Facts(kind.token_type, kind.described), remedy=refusal.remedy)


def _not_told(question: Question, credential: TokenCredential, heard: Round, guessed: TokenKind) -> Answer:
    """What it means that no reply says anything of the token.

    Raises:
        ProviderUnavailable: nothing at all.
    """
    if heard.refusals:
        if any("app password" in text_of(reply) for reply in heard.replies):
            return _app_password(question)
        return _refused(question, credential, heard, guessed)
    if isinstance(heard.user, ProviderUnavailable):
        raise heard.user
    if replies.is_for_other_credentials(heard.user):
        clause = "does not tell this token whose it is, and no other reply lists its scopes"
        raise ProviderUnavailable(
            clause, remedy="Name a repository that it reaches in the URL, or use another kind of token."
        )
    if "app password" in text_of(heard.user):
        return _app_password(question)
    if any(reply.status == 401 and not replies.is_own_refusal(reply) for reply in heard.replies):
        raise ProviderUnavailable(
            "answers 401 in words that aren't Bitbucket's; a proxy between may want a sign-in of its own"
        )
    if any(reply.status == 401 for reply in heard.replies):
        raise ProviderUnavailable(
            "refuses this token in one place and answers in another, without saying what it may do"
        )
    if replies.credential_type_of(heard.user) == kinds.ANONYMOUS:
        raise ProviderUnavailable("saw no credentials; a proxy between may have taken them away")
    if heard.user.status not in (200, 403, 404):
        raise ProviderUnavailable(
            f"answers {heard.user.status} when asked whose token this is, which says nothing of it"
        )
    raise ProviderUnavailable("did not say which scopes this token has; a proxy between may have taken the header away")


def _refused(question: Question, credential: TokenCredential, heard: Round, guessed: TokenKind) -> Answer:
    """What a 401 means. Its text is the same whatever the cause, and no header tells anything of the token."""
    facts = Facts(guessed.token_type, guessed.described)
    if heard.basic:
        reason = (
            f"refuses this {guessed.described} together with the stored e-mail address: it is wrong, revoked, expired, "
            "made without scopes, or of another account"
        )
        remedy = links.new_credentials(question)
        return same_for_all(question, Finding(Outcome.INVALID, reason=reason), facts, remedy=remedy)
    if guessed is API_TOKEN:
        # Whether an API token counts as a bearer, sources disagree on: a 401 says nothing of it.
        return same_for_all(question, usernames.email_is_missing(credential.username), facts)
    if heard.refusals == 1:
        raise ProviderUnavailable(
            "refuses this token when asked whose it is, and gave no second answer that would confirm that"
        )
    reason = f"refuses this {guessed.described}: it is wrong, revoked or expired"
    remedy = links.new_token(question, guessed)
    return same_for_all(question, Finding(Outcome.INVALID, reason=reason), facts, remedy=remedy)


def _app_password(question: Question) -> Answer:
    """None of them works since 2026-07-28 (Atlassian community, announcement of 2026), so that nobody need be asked."""
    kind = kinds.APP_PASSWORD
    reason = "takes no app passwords any more, since 2026-07-28, and this is one"
    facts = Facts(kind.token_type, kind.described)
    remedy = links.new_token(question, API_TOKEN)
    return same_for_all(question, Finding(Outcome.INVALID, reason=reason), facts, remedy=remedy)


def _without(kind: TokenKind, beyond: list[str]) -> str:
    article = "An" if kind.described[0] in "aAeEiIoOuU" else "A"
    return f"{article} {kind.described} can't hold {join(beyond)}, so that this one was judged without."


def _ends_soon(question: Question) -> str:
    return (
        f"OAuth tokens of {question.host.name} end within hours; an API token or an access token belongs here instead."
    )
