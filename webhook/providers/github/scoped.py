"""Tokens with scopes: classic personal access tokens and those of OAuth apps. GitHub tells all of it in one reply."""

from __future__ import annotations

import asyncio

from webhook.findings import Answer, Facts, Finding, Outcome, Question, TokenCredential, same_for_all
from webhook.providers.base import Api, NoAnswer, Reply
from webhook.providers.github import links, replies, repository
from webhook.providers.github.vocabulary import held
from webhook.providers.text import plain
from webhook.requirements import Requirement


async def inspect(question: Question, credential: TokenCredential, api: Api, headers: dict[str, str]) -> Answer:
    """Ask whose token it is and what it may do, and in the same round for the repository that its URL names."""
    name = repository.named(question.path)
    asked = [api.send("GET", "/user", headers=headers)]
    if name is not None:
        asked.append(api.send("GET", f"/repos/{name}", headers=headers))
    user, *others = await asyncio.gather(*asked, return_exceptions=True)
    if isinstance(user, BaseException):
        raise user
    for other in others:
        if isinstance(other, BaseException) and not isinstance(other, NoAnswer):
            raise other
    found = next((other for other in others if not isinstance(other, BaseException)), None)
    silence = next((str(other) for other in others if isinstance(other, NoAnswer)), "")
    return judge(question, credential, user, name, found, silence)


def judge(
    question: Question,
    credential: TokenCredential,
    user: Reply,
    name: str | None = None,
    found: Reply | None = None,
    silence: str = "",
) -> Answer:
    """What GitHub's replies mean.

    Args:
        user: to ``GET /user``.
        name: the repository that the URL names, or None.
        found: to ``GET /repos/{name}``.
        silence: why there is no such reply.

    Raises:
        NoAnswer: nothing was learnt.
    """
    token = credential.token.get_secret_value()
    oauth = token.startswith("gho_")
    described = "OAuth token" if oauth else "classic token"
    if (refused := replies.refusal(user, described, question.host.web_url, secret=token)) is not None:
        finding, remedy = refused
        remedy = remedy or links.new_token(question, fine_grained=False)
        return same_for_all(question, finding, Facts("oauth" if oauth else "classic", described), remedy=remedy)
    if user.status != 200:
        raise NoAnswer(f"answers {user.status} when asked whose token this is, which says nothing of it")
    scopes = replies.scopes_of(user)
    if scopes is None:
        raise NoAnswer("did not say which scopes this token has; a proxy between may have taken the header away")
    scopes = tuple(scope for scope in scopes if plain(scope, secret=token))
    facts = Facts(
        token_type="oauth" if oauth else "classic",
        described=described,
        account=plain(replies.login_of(user.body), secret=token) or None,
        holds=scopes,
        expires_at=replies.expiry_of(user),
    )
    findings = {role: _scopes_suffice(needed, scopes) for role, needed in question.requirements.items()}
    remedy = links.new_classic(question)
    if name is not None:
        seen = repository.look(question, name, found, silence, facts, secret=token)
        if seen.warning:
            facts = repository.warned(facts, seen.warning)
        for role, finding in findings.items():
            if finding.outcome is Outcome.SUFFICIENT and (problem := seen.problem_for(question.requirements[role])):
                findings[role] = problem
        if all(f.outcome is not Outcome.INSUFFICIENT or not f.lacks for f in findings.values()):
            remedy = seen.remedy or remedy
    return Answer(findings, facts, remedy)


def _scopes_suffice(needed: Requirement, scopes: tuple[str, ...]) -> Finding:
    holds = held(scopes)
    lacks = tuple(scope for scope in needed.scopes if scope not in holds)
    return Finding(Outcome.INSUFFICIENT, lacks) if lacks else Finding(Outcome.SUFFICIENT)
