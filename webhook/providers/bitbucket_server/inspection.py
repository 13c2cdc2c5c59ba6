"""Inspect one token: check the permissions that its roles need where its URL points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from webhook.providers.base import Api, NotTheProvider404
from webhook.providers.bitbucket_server import links, replies, repositories
from webhook.providers.bitbucket_server.probes import API, Prober
from webhook.providers.bitbucket_server.profile import PROJECT, REPOSITORY, display
from webhook.providers.bitbucket_server.proofs import Proofs, is_archived
from webhook.providers.bitbucket_server.refusals import Refusal
from webhook.providers.bitbucket_server.replies import DESCRIBED, Owner
from webhook.providers.bitbucket_server.responses import Responses, first_round, not_found, second_round
from webhook.providers.bitbucket_server.targets import NoTarget, Target, locate, undeclared_context
from webhook.providers.evidence import sources_in
from webhook.providers.findings import (
    Answer,
    AuthScheme,
    Facts,
    Finding,
    GitAuth,
    Outcome,
    Question,
    TokenCredential,
    same_for_all,
)
from webhook.providers.repositories import with_uncertain
from webhook.providers.requirements import Level, Role, union
from webhook.providers.text import plain
from webhook.text import join


async def inspect(question: Question, credential: TokenCredential, api: Api) -> Answer:
    """See `providers.base.Provider`."""
    try:
        target = _locate(question)
        if target.context:
            await _require_nothing_at_root(api)
    except NoTarget as problem:
        finding = Finding(Outcome.UNVERIFIED, reason=str(problem), remedy=problem.remedy)
        return same_for_all(question, finding)
    token = credential.token.get_secret_value()
    prober = Prober(api, token, target.context)
    needed = dict(union(question.requirements.values()).permissions)
    responses = await first_round(question, target, needed, prober, api)
    rounds = 2 if target.context else 1
    if rounds == 1 and question.open_ended and responses.shows_nothing_at(target):
        sought, target = target, target.above
        responses = replace(await first_round(question, target, needed, prober, api, responses), sought=sought)
        rounds = 2
    known = responses.proofs().held
    missing = {resource: level for resource, level in needed.items() if (resource, level) not in known}
    # The lists may prove that the token signed in, if a proxy removes the header with the name.
    if (
        rounds == 1
        and not responses.is_signed_in()
        and any(replies.rows_of(one) for one in chain(*responses.lists.values()))
    ):
        await second_round(target, missing, responses, prober, token)
        rounds = 2
    owner = replies.sign_in(responses.server, responses.replies(), proven=responses.is_signed_in())
    shown = sources_in([responses.server, *responses.replies()])
    if isinstance(owner, Refusal):
        finding = Finding(Outcome.BLOCKED, reason=f"accepts this {DESCRIBED}, but {owner.reason}")
        return same_for_all(question, finding, Facts("user", DESCRIBED), remedy=owner.remedy, sources=shown)
    if isinstance(owner, Finding):
        remedy = links.new_token(question, target)
        return same_for_all(question, owner, Facts("user", DESCRIBED), remedy=remedy, sources=shown)
    if rounds == 1:
        await second_round(target, missing, responses, prober, token)
    return judge(question, credential, target, owner, responses)


def _locate(question: Question) -> Target:
    try:
        return locate(question.path, question.host)
    except NoTarget:
        if not question.open_ended:
            raise
    return locate(question.certain_path, question.host)


async def _require_nothing_at_root(api: Api) -> None:
    """Check without the token that nothing answers at the root of `apiUrl`, which has no context path.

    Raises:
        NoTarget: something answers there, so the URL's context path is wrong.
        ProviderUnavailable: no response.
    """
    try:
        reply = await api.send("GET", f"{API}/application-properties", headers={})
    except NotTheProvider404:
        return
    if reply.status != 404:
        raise undeclared_context()


def judge(
    question: Question, credential: TokenCredential, target: Target, owner: Owner, responses: Responses
) -> Answer:
    """Return the finding for each role, if the token was accepted."""
    proofs = responses.proofs()
    _note_not_found(proofs, target, responses)
    facts = _facts(question, target, owner, proofs, responses, credential.token.get_secret_value())
    findings = {}
    for role, requirement in question.requirements.items():
        needed = requirement.permissions
        if _bound_to_repository(owner, target, role):
            needed = tuple(permission for permission in needed if permission[0] != PROJECT)
        finding = proofs.judge(needed, facts.described, responses.probed())
        findings[role] = replace(finding, proofs=proofs.shown(needed))
    if (auth := credential.git_auth) is not None and Role.RUNTIME in findings:
        if owner.is_service and auth.scheme is AuthScheme.BASIC:
            finding = _sent_as_basic(facts.described)
            findings[Role.RUNTIME] = replace(finding, proofs=findings[Role.RUNTIME].proofs)
        elif owner.name and not _signs_in(auth, owner):
            facts = replace(facts, warnings=(*facts.warnings, _wrong_username(question, facts)))
    lacks = any(finding.outcome is Outcome.INSUFFICIENT for finding in findings.values())
    remedy = links.new_token(question, target) if lacks or not proofs.remedy() else proofs.remedy()
    answer = Answer(findings, facts, remedy)
    return with_uncertain(question, lambda asked: repositories.judge(asked, answer, responses.reached))


def _signs_in(auth: GitAuth, owner: Owner) -> bool:
    """Return whether Git can sign in: with a bearer token, or with the owner's user name in any letter case."""
    return auth.scheme is AuthScheme.BEARER or auth.username.lower() == owner.name.lower()


def _sent_as_basic(described: str) -> Finding:
    """Return the finding on a token of a project or repository that Argo CD sends with Basic authentication.

    Bitbucket accepts those as bearer tokens only (Atlassian: HTTP access tokens, since 7.17).
    """
    reason = (
        f"is an {described}, which Bitbucket accepts as a bearer token only; Argo CD sends password with Basic "
        "authentication, so store the token under bearerToken instead, without a password"
    )
    return Finding(Outcome.MALFORMED, reason=reason)


def _wrong_username(question: Question, facts: Facts) -> str:
    owner = f"the user name of its owner, {facts.account}" if facts.account else "the user name of its owner"
    return (
        f"Argo CD sends password with Basic authentication, for which {question.host.name} accepts this "
        f"{facts.described} only together with {owner}; store that as username, or store the token under bearerToken "
        "instead."
    )


def _note_not_found(proofs: Proofs, target: Target, responses: Responses) -> None:
    where = f" in {target.project}" if target.project else ""
    if not responses.projects:
        proofs.note(PROJECT, Level.READ, not_found(responses, PROJECT, ""), sources_in(responses.lists.get(PROJECT)))
    if not responses.repositories:
        listed = sources_in(responses.lists.get(REPOSITORY))
        proofs.note(REPOSITORY, Level.READ, not_found(responses, REPOSITORY, where), listed)
    for repository in responses.repositories:
        for level in Level:  # a permission missing on a repository is also missing on its project
            if (REPOSITORY, level) in proofs.absent and repository.target.project in {
                one.key for one in responses.projects
            }:
                proofs.note(PROJECT, level, False, proofs.sources.get((REPOSITORY, level), ()))


def _bound_to_repository(owner: Owner, target: Target, role: Role) -> bool:
    """Return whether the check leaves out permissions for projects, which a repository's token cannot hold.

    A runtime token for more than one repository needs them, so it is insufficient.
    """
    return owner.of_repository and (target.repository is not None or role is Role.USER)


def _facts(question: Question, target: Target, owner: Owner, proofs: Proofs, responses: Responses, token: str) -> Facts:
    facts = Facts(
        "user", DESCRIBED, plain(owner.name, secret=token) or None, proofs.highest(), probed=responses.probed() or None
    )
    warnings = list(_about_address(question, target, responses))
    if owner.of_repository:
        facts = replace(facts, token_type="repository", described=f"{DESCRIBED} of one repository")  # noqa: S106
        facts = replace(facts, holds=tuple(name for name in facts.holds if name.startswith("REPO")))
        unasked = [
            display(*permission)
            for role, requirement in question.requirements.items()
            if _bound_to_repository(owner, target, role)
            for permission in requirement.permissions
            if permission[0] == PROJECT
        ]
        also = f"; it cannot hold {join(dict.fromkeys(unasked))}, so the check left that out" if unasked else ""
        warnings.append(f"This {facts.described} reaches no other{also}.")
    elif owner.of_project:
        facts = replace(facts, token_type="project", described=f"{DESCRIBED} of one project")  # noqa: S106
        if target.project is None:
            warnings.append(f"This {facts.described} reaches no other.")
    elif owner.is_service:
        facts = replace(facts, token_type="service", described=f"{DESCRIBED} of a service user")  # noqa: S106
    if target.repository is not None and any(is_archived(one) for one in responses.repositories):
        warnings.append(f"{target.name} is archived on {question.host.name}: no one can push to it.")
    return replace(facts, warnings=tuple(warnings))


def _about_address(question: Question, target: Target, responses: Responses) -> Iterator[str]:
    """Yield warnings about a URL or an apiUrl that should be corrected."""
    host = question.host
    if target.context:
        yield (
            f"Bitbucket answers below {target.context} on {host.name}, which its apiUrl does not have; set apiUrl to "
            f"{host.api_url}{target.context}."
        )
    if responses.sought is not None:
        yield (
            f"{host.name} shows no {responses.sought.name}; the URL is taken as a prefix, and the token is judged for "
            f"{target.name or 'the whole server'}."
        )
    if target.repository is not None and responses.repositories:
        warning = repositories.moved(host, target.name, responses.repositories[0])
        if warning:
            yield warning
