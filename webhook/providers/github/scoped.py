"""Tokens with scopes: classic personal access tokens and those of OAuth Apps. One reply lists their scopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from webhook.providers import repositories
from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.concurrency import gather_pair, outcome_of
from webhook.providers.evidence import proof_of, proofs_by_list, source, sources_in
from webhook.providers.findings import (
    Answer,
    Facts,
    Finding,
    Outcome,
    Question,
    RepositoryNeed,
    Source,
    TokenCredential,
    same_for_all,
)
from webhook.providers.github import links, other_repositories, prefixes, refusals, replies, repository
from webhook.providers.github.repository import Rights, rights_for_scopes
from webhook.providers.github.vocabulary import held
from webhook.providers.repositories import Access, NoAccess
from webhook.providers.requirements import Level, Requirement, union
from webhook.providers.text import plain

_Others = Sequence[tuple[RepositoryNeed, repository.Replies | ProviderUnavailable | None]]
"""The replies for the other repositories that a runtime token needs access to; None for an invalid name."""


async def inspect(question: Question, credential: TokenCredential, api: Api, headers: dict[str, str]) -> Answer:
    """Request the token's account and scopes, and in the same round the repositories that it needs access to.

    A second round is only for what the account's role in a repository does not show, or for repositories with the
    URL's prefix.
    """
    name = repository.named(question.path)
    here, rest = other_repositories.split(question)

    async def request(need: RepositoryNeed) -> repository.Replies | None:
        other = repository.named(need.path)
        return None if other is None else await repository.request(other, _rights(need), api, headers)

    async def request_named() -> repository.Replies | None:
        if name is None:
            return None
        answers = await repository.request(name, _rights_here(question, here), api, headers)
        if not repository.is_missing(answers.found) or not prefixes.may_end_inside(question):
            return answers
        return replace(answers, listing=await outcome_of(api.send("GET", prefixes.LISTING, headers=headers)))

    own = gather_pair(api.send("GET", "/user", headers=headers), request_named())
    (user, found), others = await gather_pair(own, repositories.probe(rest, api, request))
    return judge(question, credential, user, found, [*((need, found) for need in here), *others])


def _rights(need: RepositoryNeed) -> Rights:
    return Rights(push=need.access is not Level.READ)


def _rights_here(question: Question, here: Sequence[RepositoryNeed]) -> Rights:
    """Return the rights that the account needs in the repository that the URL names, for all roles."""
    needed = rights_for_scopes(union(question.requirements.values()))
    return Rights(needed.push or any(_rights(need).push for need in here), needed.administer)


def judge(
    question: Question,
    credential: TokenCredential,
    user: Reply,
    found: repository.Replies | None = None,
    others: _Others = (),
) -> Answer:
    """Return the answer from GitHub's replies.

    Args:
        user: to ``GET /user``.
        found: for the repository that the URL names; None if it names none.
        others: see `_Others`.

    Raises:
        ProviderUnavailable: the replies say nothing about the credential.
    """
    token = credential.token.get_secret_value()
    oauth = token.startswith("gho_")
    described = "OAuth token" if oauth else "classic token"
    if (refused := refusals.refusal(user, described, question.host.web_url, secret=token)) is not None:
        finding, remedy = refused
        remedy = remedy or links.new_token(question, fine_grained=False)
        facts = Facts("oauth" if oauth else "classic", described)
        return same_for_all(question, finding, facts, remedy=remedy, sources=source(user))
    facts = _facts(user, "oauth" if oauth else "classic", described, secret=token)
    shown = source(user, "x-oauth-scopes")
    findings = {role: _scopes_suffice(needed, facts.holds, shown) for role, needed in question.requirements.items()}
    answer = _at_named(question, Answer(findings, facts, links.new_classic(question)), found, secret=token)
    return other_repositories.with_accesses(
        answer,
        question,
        others,
        lambda need, answers: _access(question, need, answers, answer.facts, token),
        lambda need, answers: repository.unexpected(question, need.name, answers.found, secret=token),
    )


def _facts(user: Reply, token_type: str, described: str, *, secret: str) -> Facts:
    """Return the facts from the reply to ``GET /user``.

    Raises:
        ProviderUnavailable: it does not list the token's scopes.
    """
    if user.status != 200:
        clause = f"answers {user.status} when asked whose token this is, which says nothing about it"
        raise ProviderUnavailable(clause)
    scopes = replies.scopes_of(user)
    if scopes is None:
        clause = "did not say which scopes this token has; a proxy in between may have removed the header"
        raise ProviderUnavailable(clause)
    return Facts(
        token_type=token_type,
        described=described,
        account=plain(replies.login_of(user.body), secret=secret) or None,
        holds=tuple(scope for scope in scopes if plain(scope, secret=secret)),
        expires_at=replies.expiry_of(user),
        expiry_sources=source(user, replies.EXPIRY),
    )


def _at_named(question: Question, answer: Answer, found: repository.Replies | None, *, secret: str) -> Answer:
    """Return the answer with the access to the repository that the URL names, if it names one."""
    if found is not None and repository.is_missing(found.found) and prefixes.may_end_inside(question):
        prefix = prefixes.taken_as_prefix(question, found.listing, secret=secret)
        if prefix:
            return replace(answer, facts=repository.warned(answer.facts, [prefix]))
    name = repository.named(question.path)
    if name is None or found is None:
        return answer
    seen = repository.evaluate(question, name, found, answer.facts, secret=secret)
    findings, remedy = dict(answer.findings), answer.remedy
    for role, finding in answer.findings.items():
        rights = rights_for_scopes(question.requirements[role])
        problem = seen.problem_for(rights)
        proof = proof_of(f"{seen.name}: {rights.described}", problem, _shown(found))
        findings[role] = replace(finding, proofs=(*finding.proofs, proof))
        if finding.outcome is Outcome.SUFFICIENT and problem is not None:
            findings[role] = replace(problem, proofs=findings[role].proofs)
            remedy = seen.remedy or remedy
    if any(finding.lacks for finding in findings.values()):  # which a better token fixes
        remedy = answer.remedy
    return Answer(findings, repository.warned(answer.facts, seen.warnings), remedy)


def _shown(found: repository.Replies) -> tuple[Source, ...]:
    """Return what counted in the responses about a repository: the role that it shows, and the status of each probe."""
    role = source(found.found, "permissions") if repository.is_shown(found.found) else ()
    return (*source(found.found), *role, *sources_in((found.hooks, found.write, found.listing)))


def _scopes_suffice(needed: Requirement, scopes: tuple[str, ...], sources: tuple[Source, ...]) -> Finding:
    holds = held(scopes)
    lacks = tuple(scope for scope in needed.scopes if scope not in holds)
    outcome = Outcome.INSUFFICIENT if lacks else Outcome.SUFFICIENT
    return Finding(outcome, lacks, proofs=proofs_by_list(needed.scopes, holds, sources))


def _access(question: Question, need: RepositoryNeed, answers: repository.Replies, facts: Facts, secret: str) -> Access:
    """Return the access to another repository, by the replies for it."""
    if isinstance(answers.found, ProviderUnavailable):
        return answers.found
    account = facts.account or "its account"
    hidden = other_repositories.out_of_sight(question, answers.found, facts, f"not visible to {account}", secret=secret)
    if hidden is not None or not isinstance(answers.found.body, Mapping):
        return hidden
    return (
        other_repositories.read_only(question, need, answers.found.body)
        or other_repositories.without_push(question, need, answers, facts, secret=secret)
        or _without_scope(question, need, answers.found.body, facts)
    )


def _without_scope(
    question: Question, need: RepositoryNeed, body: Mapping[object, object], facts: Facts
) -> NoAccess | None:
    """Return why the scopes are not sufficient: private code needs `repo` (GitHub docs: scopes)."""
    holds = held(facts.holds)
    if "repo" in holds:
        return None
    private = repository.is_private(body)
    if private is None:
        return NoAccess(Outcome.UNVERIFIED, "does not say whether {} is private")
    if not private and (need.access is Level.READ or "public_repo" in holds):
        return None
    scope = "repo" if private else "public_repo"
    verb = "read" if need.access is Level.READ else "push to"
    reason = f"says that this {facts.described} lacks {scope}, without which it cannot {verb} {{}}"
    return NoAccess(Outcome.INSUFFICIENT, reason, links.new_classic(question, scope))
