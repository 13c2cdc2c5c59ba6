"""One token: what its roles need, proven where its URL points."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from webhook.findings import Answer, Facts, Finding, Outcome, Question, TokenCredential, same_for_all
from webhook.providers.base import Api
from webhook.providers.bitbucket_server import links, reach, replies
from webhook.providers.bitbucket_server.evidence import Seen, first_round, not_found, second_round
from webhook.providers.bitbucket_server.looks import Asking
from webhook.providers.bitbucket_server.places import Place, locate
from webhook.providers.bitbucket_server.profile import PROJECT, REPOSITORY, display
from webhook.providers.bitbucket_server.proofs import Proofs, is_archived
from webhook.providers.bitbucket_server.replies import DESCRIBED, Owner
from webhook.providers.reach import doubting
from webhook.providers.text import plain
from webhook.requirements import Level, Role, union
from webhook.wording import join

_LICENCE = "Have an administrator of Bitbucket let its owner in again, or use another account's token."


async def inspect(question: Question, credential: TokenCredential, api: Api) -> Answer:
    """See `providers.base.Provider`."""
    place = locate(question.path, question.host)
    if place is None:
        reason = "can't be asked about this URL, which names none of its projects (…/scm/PROJECT/REPOSITORY)"
        return same_for_all(question, Finding(Outcome.UNVERIFIED, reason=reason))
    token = credential.token.get_secret_value()
    asking = Asking(api, token, place.context)
    needed = dict(union(question.requirements.values()).permissions)
    seen = await first_round(question, place, needed, asking, api, token)
    known = seen.proofs().held
    missing = {resource: level for resource, level in needed.items() if (resource, level) not in known}
    # What is listed may prove that somebody signed in, where a proxy takes their name away.
    looks_first = not seen.is_signed_in() and any(replies.rows_of(one) for one in chain(*seen.lists.values()))
    if looks_first:
        await second_round(place, missing, seen, asking, token)
    owner = replies.sign_in(seen.server, seen.replies(), proven=seen.is_signed_in())
    if isinstance(owner, Finding):
        remedy = _LICENCE if owner.outcome is Outcome.BLOCKED else links.new_token(question, place)
        return same_for_all(question, owner, Facts("user", DESCRIBED), remedy=remedy)
    if not looks_first:
        await second_round(place, missing, seen, asking, token)
    return judge(question, place, owner, seen, token)


def judge(question: Question, place: Place, owner: Owner, seen: Seen, token: str) -> Answer:
    """What the replies mean for each role, where the token was accepted."""
    proofs = seen.proofs()
    _note_what_was_not_found(proofs, place, seen)
    facts = _facts(question, place, owner, proofs, seen, token)
    findings = {}
    for role, requirement in question.requirements.items():
        needed = requirement.permissions
        if _bound_to_repository(owner, place, role):
            needed = tuple(permission for permission in needed if permission[0] != PROJECT)
        findings[role] = proofs.judge(needed, facts.described, seen.probed())
    answer = Answer(findings, facts, links.new_token(question, place))
    return doubting(question, lambda asked: reach.judge(asked, answer, seen.reached))


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
    warnings: list[str] = []
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
    if place.repository is not None and any(is_archived(one) for one in seen.repositories):
        warnings.append(f"{place.name} is archived on {question.host.name}: nobody can push to it.")
    return replace(facts, warnings=tuple(warnings))
