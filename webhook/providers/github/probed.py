"""Tokens with permissions: fine-grained ones, and those that a GitHub App received.

GitHub does not list their permissions, so each is proven on one repository (`probes`, `proofs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from webhook.providers import repositories
from webhook.providers.base import Api, DeadlineExceeded, ProviderUnavailable, Reply
from webhook.providers.concurrency import gather_all, gather_pair, outcome_of
from webhook.providers.evidence import source, sources_in
from webhook.providers.findings import (
    Answer,
    Conclusion,
    Facts,
    Finding,
    Outcome,
    Proof,
    Question,
    RepositoryNeed,
    TokenCredential,
    same_for_all,
)
from webhook.providers.github import links, other_repositories, prefixes, refusals, replies, repository
from webhook.providers.github.probes import Probes, probe
from webhook.providers.github.proofs import Proofs, prove
from webhook.providers.github.vocabulary import display
from webhook.providers.repositories import Access, NoAccess
from webhook.providers.requirements import Level, Requirement, union
from webhook.providers.text import plain

_CANDIDATES = 3
"""Repositories that are probed at once if the URL names none. It is not documented whether GitHub lists only those that
the token has access to, so the first one may be inaccessible."""
_PRIVATE = f"{prefixes.LISTING}&visibility=private"
_FINE_GRAINED, _APP_USER, _INSTALLATION = "fine-grained", "app-user", "app-installation"
_KINDS = {
    "github_pat_": (_FINE_GRAINED, "fine-grained token"),
    "ghu_": (_APP_USER, "App user token"),
    "ghs_": (_INSTALLATION, "App installation token"),
}
_SHORT_LIVED = (
    "This {} is valid for only a few hours; store the App's own credentials (githubAppID, githubAppPrivateKey) instead."
)

_Others = Sequence[tuple[RepositoryNeed, Probes | ProviderUnavailable | None]]
"""The replies for the other repositories that a runtime token needs access to; None for an invalid name."""


async def inspect(question: Question, credential: TokenCredential, api: Api, headers: dict[str, str]) -> Answer:
    """Prove the permissions that the roles need, on the repository that the URL names or one that the token can access.

    The other repositories of a runtime token are probed at the same time.
    """
    here, rest = other_repositories.split(question)

    async def request(need: RepositoryNeed) -> Probes | None:
        name = repository.named(need.path)
        return None if name is None else await probe(name, _contents([need]), api, headers)

    own = _ask(question, credential, _contents(here), api, headers)
    (identity, probed), others = await gather_pair(own, repositories.probe(rest, api, request))
    return judge(question, credential, identity, probed, [*((need, probed[0]) for need in here), *others])


def _contents(needs: Iterable[RepositoryNeed]) -> Requirement:
    """Return the permissions for this access to repositories."""
    return union(Requirement(permissions=(("contents", need.access),)) for need in needs)


async def _ask(
    question: Question, credential: TokenCredential, also: Requirement, api: Api, headers: dict[str, str]
) -> tuple[Reply, list[Probes]]:
    """Return the reply about the token's account, and the probes."""
    token = credential.token.get_secret_value()
    installation = token.startswith("ghs_")
    needed = union((*question.requirements.values(), also))
    name = repository.named(question.path)
    # GitHub rejects /user for installation tokens.
    account = "/installation/repositories?per_page=100" if installation else "/user"

    async def probe_named() -> list[Probes]:
        return [] if name is None else [await probe(name, needed, api, headers)]

    async def list_repositories() -> Reply | ProviderUnavailable | None:
        if installation or (name is not None and not prefixes.may_end_inside(question)):
            return None
        return await outcome_of(api.send("GET", _PRIVATE, headers=headers))

    identity, (probed, listing) = await gather_pair(
        api.send("GET", account, headers=headers), gather_pair(probe_named(), list_repositories())
    )
    if probed and not (repository.is_missing(probed[0].found) and prefixes.may_end_inside(question)):
        return identity, probed
    if isinstance(listing, ProviderUnavailable) and not probed:
        raise listing
    # Archived, disabled and public repositories prove nothing.
    listed = prefixes.names_in(identity if installation else listing, question, secret=token)
    names = [one for one, private in listed if private][:_CANDIDATES]
    others = await gather_all(*(probe(candidate, needed, api, headers) for candidate in names))
    return identity, [*probed, *others]


def judge(
    question: Question, credential: TokenCredential, identity: Reply, probed: list[Probes], others: _Others = ()
) -> Answer:
    """Return the answer from GitHub's replies.

    Args:
        identity: the reply about the token's account.
        probed: the probes on the repository that the URL names, or on some that the token may have access to.
        others: see `_Others`.

    Raises:
        ProviderUnavailable: the replies say nothing about the credential.
    """
    token = credential.token.get_secret_value()
    token_type, described = next(kind for prefix, kind in _KINDS.items() if token.startswith(prefix))
    short_lived = token_type != _FINE_GRAINED
    facts = Facts(
        token_type,
        described,
        expires_at=replies.expiry_of(identity),
        expiry_sources=source(identity, replies.EXPIRY),
        short_lived=short_lived,
        warnings=(_SHORT_LIVED.format(described),) if short_lived else (),
    )
    if (refused := refusals.refusal(identity, described, question.host.web_url, secret=token)) is not None:
        finding, remedy = refused[0], refused[1] or _remedy(question, token_type, renew=True)
        return same_for_all(question, finding, facts, remedy=remedy, sources=source(identity))
    if identity.status != 200:
        clause = f"answers {identity.status} when asked whose token this is, which says nothing about it"
        raise ProviderUnavailable(clause)
    account = plain(_account(identity, token_type), secret=token) or None
    facts = replace(facts, account=account)

    def with_others(answer: Answer) -> Answer:
        return other_repositories.with_accesses(
            answer,
            question,
            others,
            lambda need, probes: _access(question, need, probes, answer.facts, token),
            lambda need, probes: repository.unexpected(question, need.name, probes.found, secret=token),
        )

    reached = next((one for one in probed if repository.is_shown(one.found)), None)
    for one in [reached] if reached else probed:
        for reply in one.all:
            if isinstance(reply, Reply) and reply.status != 401:
                refused = refusals.refusal(reply, described, question.host.web_url, secret=token)
                if refused is not None:
                    shown = source(reply)
                    return with_others(same_for_all(question, refused[0], facts, remedy=refused[1], sources=shown))

    if reached is None:
        shown = sources_in([one.found for one in probed]) or source(identity)
        return with_others(same_for_all(question, _unreached(question, described, probed), facts, sources=shown))
    return with_others(_proven(question, reached, facts, prefix=reached is not probed[0], secret=token))


def _proven(question: Question, reached: Probes, facts: Facts, *, prefix: bool, secret: str) -> Answer:
    """Return the answer from the probes on a repository that the token has access to.

    Args:
        prefix: it is not the repository that the URL names, but one with that prefix.
    """
    proofs = prove(reached, installation=facts.token_type == _INSTALLATION)
    needed = union(question.requirements.values())
    holds = tuple(display(name, level) for name, level in _highest(proofs.held, needed))
    name = repository.current_name(reached.name, reached.found, secret=secret)
    facts = replace(facts, holds=holds, probed=name)
    if repository.named(question.path) is not None:
        notes = repository.notes(question, reached.name, reached.found, secret=secret)
        facts = repository.warned(facts, [prefixes.taken_as_prefix_of(question, name)] if prefix else notes)
    findings = {
        role: replace(_finding(proofs, needed, facts), proofs=_shown(needed, proofs, reached, facts))
        for role, needed in question.requirements.items()
    }
    remedy = _remedy(question, facts.token_type)
    bad = [finding for finding in findings.values() if finding.outcome is Outcome.INSUFFICIENT]
    if bad and not any(finding.lacks for finding in bad):
        remedy = repository.raise_role(question, name, facts.account or "its account")
    return Answer(findings, facts, remedy)


def _account(identity: Reply, token_type: str) -> str | None:
    if token_type != _INSTALLATION:
        return replies.login_of(identity.body)
    body = identity.body
    rows = body.get("repositories") if isinstance(body, Mapping) else None
    first = rows[0] if isinstance(rows, list) and rows else None
    return replies.login_of(first.get("owner")) if isinstance(first, Mapping) else None


def _unreached(question: Question, described: str, probed: list[Probes]) -> Finding:
    """Return why no permission could be proven."""
    named = repository.named(question.path)
    if named is None or not probed:
        where = f" of {question.path[0]}" if question.path else ""
        reason = f"shows this {described} no private repository{where} on which its permissions could be proven"
        return Finding(Outcome.UNVERIFIED, reason=reason)
    found = probed[0].found
    if isinstance(found, ProviderUnavailable):
        reason = f"{found} when asked for {named}"
        return Finding(Outcome.UNVERIFIED, reason=reason, transient=found.transient, remedy=found.remedy)
    if repository.is_missing(found):
        reason = f"answers 404 for {named}: either there is no such repository, or it is {_hidden(described)}"
        return Finding(Outcome.UNVERIFIED, reason=reason)
    return Finding(Outcome.UNVERIFIED, reason=repository.unclear(found).format(named))


def _highest(held: set[tuple[str, Level]], needed: Requirement) -> list[tuple[str, Level]]:
    return [
        (name, Level.WRITE if (name, Level.WRITE) in held else Level.READ)
        for name, _ in needed.permissions
        if (name, Level.READ) in held
    ]


def _hidden(described: str) -> str:
    """Return why an existing repository may be hidden."""
    if described == _KINDS["github_pat_"][1]:
        return f"not selected for this {described}, or not yet approved for it by its organisation"
    return f"not visible to this {described}"


def _finding(proofs: Proofs, needed: Requirement, facts: Facts) -> Finding:
    # A proof counts whatever the role: a custom role can allow webhooks without administration.
    unmet = [one for one in needed.permissions if one not in proofs.held]
    lacks: list[str] = []
    unproven: list[str] = []
    low: list[str] = []
    for name, level in unmet:
        keys = {(name, level), (name, Level.READ)}
        # GitHub rejects an account without the right, so nothing is known about the token's permission.
        if keys & proofs.refused and (right := _too_low(proofs.role, name, level)):
            low.append(right)
        elif keys & proofs.absent:
            lacks.append(display(name, level))
        else:
            why = proofs.open.get((name, level)) or "no request proves it without changing something"
            unproven.append(f"{display(name, level)} ({why})")
    if lacks:
        return Finding(Outcome.INSUFFICIENT, tuple(lacks))
    if low:
        account = facts.account or "its account"
        return Finding(
            Outcome.INSUFFICIENT, reason=f"says that {account} {low[0].format(facts.probed)}{repository.REQUIRED}"
        )
    if unproven:
        reason = f"does not show on {facts.probed} whether this {facts.described} has {', '.join(unproven)}"
        return Finding(Outcome.UNVERIFIED, reason=reason, transient=proofs.transient)
    return Finding(Outcome.SUFFICIENT)


def _shown(needed: Requirement, proofs: Proofs, probes: Probes, facts: Facts) -> tuple[Proof, ...]:
    """Return what the probes prove about each permission."""
    shown = []
    for name, level in needed.permissions:
        keys, label = ((name, level), (name, Level.READ)), display(name, level)
        sources = sources_in([probes.replies.get(keys[1]) or probes.found, probes.replies.get(keys[0])])
        if level is not Level.READ:
            sources += sources_in(probes.absent.get(name))
        sources = tuple(dict.fromkeys(sources))
        low = _too_low(proofs.role, name, level) if proofs.refused.intersection(keys) else ""
        if keys[0] in proofs.held:
            shown.append(Proof(label, Conclusion.PROVEN, sources))
        elif low or proofs.absent.intersection(keys):
            why = f"says that {facts.account or 'its account'} {low.format(facts.probed)}" if low else ""
            shown.append(Proof(label, Conclusion.MISSING, sources, why))
        else:
            why = proofs.open.get(keys[0]) or "no request proves it without changing something"
            shown.append(Proof(label, Conclusion.OPEN, sources, why))
    return tuple(shown)


def _too_low(role: repository.Role, name: str, level: Level) -> str:
    """Return why the account's role does not allow a permission; empty if it does."""
    needs = repository.rights_for_permissions([(name, level)])
    if needs.administer and role.administer is False:
        return "is not an administrator of {}"
    return "cannot push to {}" if needs.push and role.push is False else ""


def _access(question: Question, need: RepositoryNeed, probes: Probes, facts: Facts, secret: str) -> Access:
    """Return the access to another repository, by the probes on it."""
    failed = next((reply for reply in probes.all if isinstance(reply, DeadlineExceeded)), probes.found)
    if isinstance(failed, ProviderUnavailable):
        return failed
    hidden = other_repositories.out_of_sight(question, failed, facts, _hidden(facts.described), secret=secret)
    if hidden is not None or not isinstance(failed.body, Mapping):
        return hidden
    for reply in probes.all:
        if isinstance(reply, Reply) and (problem := other_repositories.blocked(question, reply, facts, secret=secret)):
            return problem
    return other_repositories.read_only(question, need, failed.body) or _unproven(
        question, need, probes, failed.body, facts
    )


def _unproven(
    question: Question, need: RepositoryNeed, probes: Probes, body: Mapping[object, object], facts: Facts
) -> NoAccess | None:
    """Return why the access to a visible repository is not proven; None if it is."""
    proofs = prove(probes, installation=facts.token_type == _INSTALLATION)
    permission = ("contents", need.access)
    if permission in proofs.held or (need.access is Level.READ and repository.is_private(body) is False):
        return None  # anyone can read a public repository
    account = facts.account or "its account"
    if permission in proofs.refused and (low := _too_low(proofs.role, *permission)):
        remedy = repository.raise_role(question, need.name, account)
        return NoAccess(Outcome.INSUFFICIENT, f"says that {account} {low}", remedy)
    whose = f"this {facts.described}" + (f" of {facts.account}" if facts.account else "")
    what = display(*permission)
    if {permission, ("contents", Level.READ)} & proofs.absent:
        reason = f"says that {whose} lacks {what} for {{}}"
        return NoAccess(Outcome.INSUFFICIENT, reason, _remedy(question, facts.token_type))
    reason = f"does not show whether {whose} has {what} for {{}} ({proofs.open.get(permission, 'no request was sent')})"
    transient = permission in proofs.open and proofs.transient
    return NoAccess(Outcome.UNVERIFIED, reason, transient=transient)


def _remedy(question: Question, token_type: str, *, renew: bool = False) -> str:
    if token_type != _FINE_GRAINED and renew:
        return "Store the App's own credentials (githubAppID, githubAppPrivateKey) instead of a token that it issued."
    if token_type != _FINE_GRAINED:
        return "Give the App these permissions, and store its own credentials instead of a token that it issued."
    return links.new_token(question, fine_grained=True) if renew else links.new_fine_grained(question)
