"""Tokens with scopes: classic personal access tokens and those of OAuth apps. GitHub tells all of it in one reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from webhook.findings import (
    Answer,
    Facts,
    Finding,
    Outcome,
    Question,
    RepositoryNeed,
    TokenCredential,
    same_for_all,
)
from webhook.providers import reach
from webhook.providers.base import Api, NoAnswer, Reply
from webhook.providers.github import elsewhere, links, replies, repository
from webhook.providers.github.vocabulary import held
from webhook.providers.reach import Fate, Unreached
from webhook.providers.rounds import answers_of, both
from webhook.providers.text import plain
from webhook.requirements import Level, Requirement

_Others = Sequence[tuple[RepositoryNeed, Reply | NoAnswer | None]]
"""The replies for the repositories that a runtime token must also reach; None for what can't be the name of one."""


async def inspect(question: Question, credential: TokenCredential, api: Api, headers: dict[str, str]) -> Answer:
    """Ask whose token it is and what it may do, and in the same round for the repositories that it must reach."""
    name = repository.named(question.path)
    here, rest = elsewhere.apart(question)

    async def look(need: RepositoryNeed) -> Reply | None:
        other = repository.named(need.path)
        return None if other is None else await api.send("GET", f"/repos/{other}", headers=headers)

    wanted = ["/user"] if name is None else ["/user", f"/repos/{name}"]
    asked = answers_of(*(api.send("GET", path, headers=headers) for path in wanted))
    (user, *named), others = await both(asked, reach.look(rest, api, look))
    if isinstance(user, NoAnswer):
        raise user
    found = named[0] if named else None
    return judge(question, credential, user, found, [*((need, found) for need in here), *others])


def judge(
    question: Question,
    credential: TokenCredential,
    user: Reply,
    found: Reply | NoAnswer | None = None,
    others: _Others = (),
) -> Answer:
    """What GitHub's replies mean.

    Args:
        user: to ``GET /user``.
        found: for the repository that the URL names; None where it names none.
        others: see `_Others`.

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
    name = repository.named(question.path)
    if name is not None and found is not None:
        seen = repository.look(question, name, found, facts, secret=token)
        if seen.warning:
            facts = repository.warned(facts, seen.warning)
        for role, finding in findings.items():
            if finding.outcome is Outcome.SUFFICIENT and (problem := seen.problem_for(question.requirements[role])):
                findings[role] = problem
        if all(f.outcome is not Outcome.INSUFFICIENT or not f.lacks for f in findings.values()):
            remedy = seen.remedy or remedy
    answer = Answer(findings, facts, remedy)
    return elsewhere.added(answer, question, others, lambda need, reply: _fate(question, need, reply, facts, token))


def _scopes_suffice(needed: Requirement, scopes: tuple[str, ...]) -> Finding:
    holds = held(scopes)
    lacks = tuple(scope for scope in needed.scopes if scope not in holds)
    return Finding(Outcome.INSUFFICIENT, lacks) if lacks else Finding(Outcome.SUFFICIENT)


def _fate(question: Question, need: RepositoryNeed, reply: Reply, facts: Facts, secret: str) -> Fate:
    """What the reply for a repository means that the token must also reach."""
    account = facts.account or "its account"
    hidden = elsewhere.out_of_sight(question, reply, facts, f"not to be seen by {account}", secret=secret)
    if hidden is not None or not isinstance(reply.body, Mapping):
        return hidden
    return (
        elsewhere.archived(question, need, reply.body)
        or elsewhere.role_too_low(question, need, reply.body, account)
        or _without_scope(question, need, reply.body, facts)
    )


def _without_scope(
    question: Question, need: RepositoryNeed, body: Mapping[object, object], facts: Facts
) -> Unreached | None:
    """Why the scopes don't suffice there: code of a private repository is for `repo` alone (GitHub docs: scopes)."""
    holds = held(facts.holds)
    if "repo" in holds:
        return None
    private = body.get("private")
    if not isinstance(private, bool):
        return Unreached(Outcome.UNVERIFIED, "doesn't say whether {} is private")
    if not private and (need.access is Level.READ or "public_repo" in holds):
        return None
    scope = "repo" if private else "public_repo"
    verb = "read" if need.access is Level.READ else "push to"
    reason = f"says that this {facts.described} lacks {scope}, without which nobody may {verb} {{}}"
    return Unreached(Outcome.INSUFFICIENT, reason, links.new_classic(question, scope))
