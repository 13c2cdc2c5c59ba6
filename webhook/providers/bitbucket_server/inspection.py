"""One token: what its roles need, proven where its URL points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from webhook.providers.base import Api, NotTheProvider404
from webhook.providers.bitbucket_server import links, replies, repositories
from webhook.providers.bitbucket_server.probes import API, Asking
from webhook.providers.bitbucket_server.profile import PROJECT, REPOSITORY, display
from webhook.providers.bitbucket_server.proofs import Proofs, is_archived
from webhook.providers.bitbucket_server.refusals import Refusal
from webhook.providers.bitbucket_server.replies import DESCRIBED, Owner
from webhook.providers.bitbucket_server.responses import Seen, first_round, not_found, second_round
from webhook.providers.bitbucket_server.targets import NoPlace, Place, locate, undeclared_context
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
        place = _locate(question)
        if place.context:
            await _require_nothing_at_root(api)
    except NoPlace as problem:
        finding = Finding(Outcome.UNVERIFIED, reason=str(problem), remedy=problem.remedy)
        return same_for_all(question, finding)
    token = credential.token.get_secret_value()
    asking = Asking(api, token, place.context)
    needed = dict(union(question.requirements.values()).permissions)
    seen = await first_round(question, place, needed, asking, api)
    rounds = 2 if place.context else 1
    if rounds == 1 and question.open_ended and seen.shows_nothing_at(place):
        sought, place = place, place.above
        seen = replace(await first_round(question, place, needed, asking, api, seen), sought=sought)
        rounds = 2
    known = seen.proofs().held
    missing = {resource: level for resource, level in needed.items() if (resource, level) not in known}
    # What is listed may prove that the token signed in, where a proxy takes the name away.
    if rounds == 1 and not seen.is_signed_in() and any(replies.rows_of(one) for one in chain(*seen.lists.values())):
        await second_round(place, missing, seen, asking, token)
        rounds = 2
    owner = replies.sign_in(seen.server, seen.replies(), proven=seen.is_signed_in())
    if isinstance(owner, Refusal):
        finding = Finding(Outcome.BLOCKED, reason=f"accepts this {DESCRIBED}, but {owner.reason}")
        return same_for_all(question, finding, Facts("user", DESCRIBED), remedy=owner.remedy)
    if isinstance(owner, Finding):
        return same_for_all(question, owner, Facts("user", DESCRIBED), remedy=links.new_token(question, place))
    if rounds == 1:
        await second_round(place, missing, seen, asking, token)
    return judge(question, credential, place, owner, seen)


def _locate(question: Question) -> Place:
    try:
        return locate(question.path, question.host)
    except NoPlace:
        if not question.open_ended:
            raise
    return locate(question.certain_path, question.host)


async def _require_nothing_at_root(api: Api) -> None:
    """Ask without the token whether a Bitbucket is where `apiUrl` says, so that the URL's context path is wrong.

    Raises:
        NoPlace: there is something.
        ProviderUnavailable: nobody knows.
    """
    try:
        reply = await api.send("GET", f"{API}/application-properties", headers={})
    except NotTheProvider404:
        return
    if reply.status != 404:
        raise undeclared_context()


def judge(question: Question, credential: TokenCredential, place: Place, owner: Owner, seen: Seen) -> Answer:
    """What the replies mean for each role, where the token was accepted."""
    proofs = seen.proofs()
    _note_what_was_not_found(proofs, place, seen)
    facts = _facts(question, place, owner, proofs, seen, credential.token.get_secret_value())
    findings = {}
    for role, requirement in question.requirements.items():
        needed = requirement.permissions
        if _bound_to_repository(owner, place, role):
            needed = tuple(permission for permission in needed if permission[0] != PROJECT)
        findings[role] = proofs.judge(needed, facts.described, seen.probed())
    if (auth := credential.git_auth) is not None and Role.RUNTIME in findings:
        if owner.is_service and auth.scheme is AuthScheme.BASIC:
            findings[Role.RUNTIME] = _sent_as_basic(facts.described)
        elif owner.name and not _signs_in(auth, owner):
            facts = replace(facts, warnings=(*facts.warnings, _other_username(question, facts)))
    lacks = any(finding.outcome is Outcome.INSUFFICIENT for finding in findings.values())
    remedy = links.new_token(question, place) if lacks or not proofs.remedy() else proofs.remedy()
    answer = Answer(findings, facts, remedy)
    return with_uncertain(question, lambda asked: repositories.judge(asked, answer, seen.reached))


def _signs_in(auth: GitAuth, owner: Owner) -> bool:
    """Whether Git signs in: as bearer, or with the owner's user name beside the token, in any letter case."""
    return auth.scheme is AuthScheme.BEARER or auth.username.lower() == owner.name.lower()


def _sent_as_basic(described: str) -> Finding:
    """The finding on a token of a project or repository that Argo CD sends as Basic.

    Bitbucket takes those as Bearer only (Atlassian: HTTP access tokens, since 7.17).
    """
    reason = (
        f"is an {described}, which Bitbucket accepts as a bearer token only; Argo CD sends password with Basic "
        "authentication, so store the token under bearerToken instead, without a password"
    )
    return Finding(Outcome.MALFORMED, reason=reason)


def _other_username(question: Question, facts: Facts) -> str:
    owner = f"the user name of its owner, {facts.account}" if facts.account else "the user name of its owner"
    return (
        f"Argo CD sends password with Basic authentication, for which {question.host.name} takes this "
        f"{facts.described} only together with {owner}; store that as username, or store the token under bearerToken "
        "instead."
    )


def _note_what_was_not_found(proofs: Proofs, place: Place, seen: Seen) -> None:
    where = f" in {place.project}" if place.project else ""
    if not seen.projects:
        proofs.note(PROJECT, Level.READ, not_found(seen, PROJECT, ""))
    if not seen.repositories:
        proofs.note(REPOSITORY, Level.READ, not_found(seen, REPOSITORY, where))
    for repository in seen.repositories:
        for level in Level:  # what isn't held on a repository isn't held on the project that it is in
            if (REPOSITORY, level) in proofs.absent and repository.place.project in {one.key for one in seen.projects}:
                proofs.note(PROJECT, level, False)


def _bound_to_repository(owner: Owner, place: Place, role: Role) -> bool:
    """Whether a token is judged without permissions for projects, which a repository's token can't hold by nature.

    Where the platform is to use it for more than one repository, it is judged by them, and falls short.
    """
    return owner.of_repository and (place.repository is not None or role is Role.USER)


def _facts(question: Question, place: Place, owner: Owner, proofs: Proofs, seen: Seen, token: str) -> Facts:
    facts = Facts(
        "user", DESCRIBED, plain(owner.name, secret=token) or None, proofs.highest(), probed=seen.probed() or None
    )
    warnings = list(_about_address(question, place, seen))
    if owner.of_repository:
        facts = replace(facts, token_type="repository", described=f"{DESCRIBED} of one repository")  # noqa: S106
        facts = replace(facts, holds=tuple(name for name in facts.holds if name.startswith("REPO")))
        unasked = [
            display(*permission)
            for role, requirement in question.requirements.items()
            if _bound_to_repository(owner, place, role)
            for permission in requirement.permissions
            if permission[0] == PROJECT
        ]
        also = f"; it can't hold {join(dict.fromkeys(unasked))}, and is judged without" if unasked else ""
        warnings.append(f"This {facts.described} reaches no other{also}.")
    elif owner.of_project:
        facts = replace(facts, token_type="project", described=f"{DESCRIBED} of one project")  # noqa: S106
        if place.project is None:
            warnings.append(f"This {facts.described} reaches no other.")
    elif owner.is_service:
        facts = replace(facts, token_type="service", described=f"{DESCRIBED} of a service user")  # noqa: S106
    if place.repository is not None and any(is_archived(one) for one in seen.repositories):
        warnings.append(f"{place.name} is archived on {question.host.name}: nobody can push to it.")
    return replace(facts, warnings=tuple(warnings))


def _about_address(question: Question, place: Place, seen: Seen) -> Iterator[str]:
    """Warnings that the URL, or the configuration, should name another address."""
    host = question.host
    if place.context:
        yield (
            f"Bitbucket answers below {place.context} on {host.name}, which its apiUrl does not have; set apiUrl to "
            f"{host.api_url}{place.context}."
        )
    if seen.sought is not None:
        yield (
            f"{host.name} shows no {seen.sought.name}; the URL is taken as a prefix, and the token is judged for "
            f"{place.name or 'the whole server'}."
        )
    if place.repository is not None and seen.repositories:
        warning = repositories.moved(host, place.name, seen.repositories[0])
        if warning:
            yield warning
