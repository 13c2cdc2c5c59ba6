"""The credentials of a GitHub App, for which GitHub lists the permissions of its installation."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from webhook.providers import repositories
from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.concurrency import gather_all, gather_pair
from webhook.providers.evidence import proof_of, proofs_by_list, source, sources_in
from webhook.providers.findings import (
    Answer,
    Facts,
    Finding,
    GitHubAppCredential,
    Outcome,
    Proof,
    Question,
    RepositoryNeed,
    Source,
    same_for_all,
)
from webhook.providers.github import (
    installation_list,
    installations,
    other_repositories,
    prefixes,
    refusals,
    replies,
    repository,
)
from webhook.providers.github.installations import InstallationResponses, lacking, level_of
from webhook.providers.github.keys import load_app_key
from webhook.providers.github.vocabulary import display
from webhook.providers.requirements import Requirement
from webhook.providers.text import plain
from webhook.providers.transport import redirects

_DESCRIBED = "GitHub App"
# GitHub allows ten minutes at most, and a clock of ours that is a minute ahead (GitHub docs: generating a JWT).
_BACKDATED = 60
_LIFETIME = 540

_Others = Sequence[tuple[RepositoryNeed, InstallationResponses | ProviderUnavailable | None]]
"""The replies for the other repositories that a runtime token needs access to; None for an invalid name."""


def sign(credential: GitHubAppCredential, now: datetime) -> str:
    """Return the JWT with which an App signs in.

    Raises:
        ValueError: its key cannot be read.
    """
    key = RSAKey.import_key(load_app_key(credential.private_key))
    at = int(now.timestamp())
    claims = {"iss": credential.app_id, "iat": at - _BACKDATED, "exp": at + _LIFETIME}
    return jwt.encode({"alg": "RS256"}, claims, key)


async def inspect(
    question: Question, credential: GitHubAppCredential, api: Api, headers: Mapping[str, str], now: datetime
) -> Answer:
    """Request the App, its installation, and the repositories that it needs access to, in one round.

    A second round is only for repositories without access, which may be public.
    """
    token = await asyncio.to_thread(sign, credential, now)  # takes milliseconds
    headers = {**headers, "authorization": f"Bearer {token}"}

    def get(path: str) -> Coroutine[Any, Any, Reply]:
        return api.send("GET", path, headers=headers)

    here, rest = other_repositories.split(question)

    async def look(need: RepositoryNeed) -> InstallationResponses | None:
        name = repository.named(need.path)
        return None if name is None else await installations.request(name, need, credential, get)

    wanted = _wanted(question, credential)
    replied, others = await gather_pair(gather_all(*map(get, wanted)), repositories.probe(rest, api, look))
    answers = dict(zip(wanted, replied, strict=True))
    same = [
        (need, InstallationResponses(answers[f"/repos/{repository.named(question.path)}/installation"]))
        for need in here
    ]
    if _may_be_several(question, credential, answers):
        more = [await get(installation_list.FIRST_PAGE)]
    else:
        more = await gather_all(*map(get, installation_list.more_pages(answers.get(installation_list.FIRST_PAGE))))
    return judge(question, credential, answers, [*same, *others], more)


def _wanted(question: Question, credential: GitHubAppCredential) -> list[str]:
    wanted = ["/app"]
    if credential.installation_id is not None:
        wanted.append(f"/app/installations/{credential.installation_id}")
    elif question.path and repository.named((question.path[0], "any")):
        # Argo CD finds it by the owner in the URL.
        wanted += [f"/orgs/{question.path[0]}/installation", f"/users/{question.path[0]}/installation"]
    else:
        wanted.append(installation_list.FIRST_PAGE)
    name = repository.named(question.path)
    return wanted if name is None else [*wanted, f"/repos/{name}/installation"]


def _may_be_several(question: Question, credential: GitHubAppCredential, answers: Mapping[str, Reply]) -> bool:
    """Return whether the URL may name the beginning of owners' names, and no owner with an installation."""
    if not question.open_ended or len(question.path) != 1 or installation_list.FIRST_PAGE in answers:
        return False
    return credential.installation_id is None and _installation(_candidates(credential, answers)) is None


def judge(
    question: Question,
    credential: GitHubAppCredential,
    answers: Mapping[str, Reply],
    others: _Others = (),
    more: Sequence[Reply] = (),
) -> Answer:
    """Return the answer from GitHub's replies.

    Args:
        answers: by the path of the request.
        others: see `_Others`.
        more: further pages of the App's installations, or the first one if it was requested later.

    Raises:
        ProviderUnavailable: the replies say nothing about the credential.
    """
    about = answers["/app"]
    if about.status != 200:
        return _not_accepted(question, about)
    slug = plain(replies.login_of(about.body, "slug"), secret=credential.private_key.get_secret_value())
    app = _App(
        question,
        credential,
        f"{_DESCRIBED} {slug}" if slug else _DESCRIBED,
        f"{question.host.web_url}/apps/{slug}" if slug else f"{question.host.web_url}/settings/apps",
    )
    first = answers.get(installation_list.FIRST_PAGE)
    pages = [*more] if first is None else [first, *more]
    if pages and pages[0].status == 200 and isinstance(pages[0].body, list):
        begins = question.path[0] if question.path else ""
        listed = installation_list.read(pages, begins, secret=credential.private_key.get_secret_value())
        if len(listed.rows) > 1 or (listed.rows and begins) or not listed.complete:
            return app.judge_all(listed, others, sources_in(pages))
    installation = _installation(_candidates(credential, answers))
    if installation is None:
        return _no_installation(question, credential, Facts("app", app.described), answers)
    return app.judge_one(installation, answers, others)


def _not_accepted(question: Question, about: Reply) -> Answer:
    """Return the answer if the request for the App itself fails.

    Raises:
        ProviderUnavailable: the reply says nothing about the App.
    """
    facts = Facts("app", _DESCRIBED)
    if about.status == 401:
        replies.refuse_foreign(about)
        finding = Finding(Outcome.INVALID, reason=_refused_jwt(about))
        return same_for_all(question, finding, facts, remedy=_KEY_REMEDY, sources=source(about))
    if about.status == 404 and "integration not found" in replies.message_of(about):
        reason = f"has no {_DESCRIBED} with this ID"
        finding = Finding(Outcome.INVALID, reason=reason)
        return same_for_all(question, finding, facts, remedy=_KEY_REMEDY, sources=source(about))
    refused = refusals.refusal(about, _DESCRIBED, question.host.web_url)
    if refused is None:
        clause = f"answers {about.status} to the request for the App, which says nothing about it"
        raise ProviderUnavailable(clause)
    return same_for_all(question, refused[0], facts, remedy=refused[1], sources=source(about))


@dataclass(frozen=True, slots=True)
class _App:
    """An App that GitHub knows, with the question about it.

    Attributes:
        described: its name for messages.
        settings: the URL of its page.
    """

    question: Question
    credential: GitHubAppCredential
    described: str
    settings: str

    @property
    def _remedy(self) -> str:
        return (
            "Change the App's permissions or repositories, and accept the change in the account where it is installed: "
            f"{self.settings}"
        )

    def judge_one(self, installation: Mapping[object, object], answers: Mapping[str, Reply], others: _Others) -> Answer:
        """Return the answer if one installation is used."""
        question = self.question
        secret = self.credential.private_key.get_secret_value()
        account = plain(replies.login_of(installation.get("account")), secret=secret)
        granted = installation.get("permissions")
        if not isinstance(granted, Mapping):
            raise ProviderUnavailable("did not return the permissions of the App's installation")
        name = repository.named(question.path)
        reply = answers.get(f"/repos/{name}/installation")
        warnings = redirects.warnings(question.host, name or "", reply)
        facts = Facts("app", self.described, account or None, _held(question, granted), warnings=warnings)
        shown = sources_in(_candidates(self.credential, answers))
        if installation.get("suspended_at"):
            reason = f"says that the installation of this {_DESCRIBED} on {account or 'its account'} is suspended"
            finding, remedy = Finding(Outcome.BLOCKED, reason=reason), f"Lift the suspension: {self.settings}"
            return same_for_all(question, finding, facts, remedy=remedy, sources=shown)
        problem = None
        if reply is None or reply.status == 404:  # otherwise GitHub itself says which installation is the right one
            problem = _on_another_account(question, account)
        if problem is None and name is not None:
            prefix = ""
            if reply is not None and repository.is_missing(reply) and prefixes.may_end_inside(question):
                prefix = prefixes.taken_as_prefix(question, None, secret=secret)
                facts = repository.warned(facts, [prefix] if prefix else [])
            problem = None if prefix else _out_of_reach(question, name, reply, installation)
        findings = {}
        for role, requirement in question.requirements.items():
            lacks = lacking(requirement, granted)
            finding = Finding(Outcome.INSUFFICIENT, lacks) if lacks else Finding(Outcome.SUFFICIENT)
            proofs = _proofs(requirement, lacks, [replace(one, part="permissions") for one in shown])
            if name is not None:
                proofs += (proof_of(f"installed for {name}", problem, source(reply) or shown),)
            kept = problem if problem is not None and finding.outcome is Outcome.SUFFICIENT else finding
            findings[role] = replace(kept, proofs=proofs)
        return self._with(Answer(findings, facts, self._remedy), others, installation, account)

    def judge_all(self, listed: installation_list.Listed, others: _Others, shown: tuple[Source, ...]) -> Answer:
        """Return the answer for several installations, of which Argo CD picks one by a repository's owner."""
        question = self.question
        findings = {
            role: replace(
                found := installation_list.judge(listed, requirement, _DESCRIBED),
                proofs=(proof_of("permissions of every installation", _unless_sufficient(found), shown),),
            )
            for role, requirement in question.requirements.items()
        }
        common = listed.common_permissions
        facts = Facts("app", self.described, holds=_held(question, common))
        return self._with(Answer(findings, facts, self._remedy), others, {}, "")

    def _with(self, answer: Answer, others: _Others, installation: Mapping[object, object], account: str) -> Answer:
        question, secret = self.question, self.credential.private_key.get_secret_value()
        used = installations.Used(self.credential, installation, account, self.described, self._remedy)

        def notes(need: RepositoryNeed, responses: InstallationResponses) -> tuple[str, ...]:
            itself = responses.itself if isinstance(responses.itself, Reply) else responses.installation
            new = repository.current_name(need.name, itself, secret=secret)
            return redirects.warnings(question.host, need.name, responses.installation, new if new != need.name else "")

        return other_repositories.with_accesses(answer, question, others, used.access_to, notes)


def _proofs(requirement: Requirement, lacks: Collection[str], sources: Iterable[Source]) -> tuple[Proof, ...]:
    """Return what the installation's permissions prove about the required ones."""
    needed = [display(*one) for one in requirement.permissions]
    return proofs_by_list(needed, set(needed) - set(lacks), tuple(sources))


def _unless_sufficient(finding: Finding) -> Finding | None:
    return None if finding.outcome is Outcome.SUFFICIENT else finding


def _held(question: Question, granted: Mapping[object, object]) -> tuple[str, ...]:
    """Return the needed permissions that are granted, with their level."""
    needed = [one for requirement in question.requirements.values() for one in requirement.permissions]
    levels = {name: level for name, _ in needed if (level := level_of(granted.get(name))) is not None}
    return tuple(display(name, level) for name, level in levels.items())


_KEY_REMEDY = "Check githubAppID, and create a new private key in the App's settings if this one was deleted."


def _refused_jwt(reply: Reply) -> str:
    """Return why GitHub rejects the JWT.

    Raises:
        ProviderUnavailable: because of its timestamps, which are those of the local clock.
    """
    text = replies.message_of(reply)
    if "expiration" in text or "issued at" in text or {"exp", "iat"} & set(text.split("'")):
        raise ProviderUnavailable(
            f"rejects the JWT of this {_DESCRIBED} because of its timestamps: the clock here may be wrong"
        )
    return f"rejects this {_DESCRIBED}: its App ID and private key do not match, or the key was deleted"


def _candidates(credential: GitHubAppCredential, answers: Mapping[str, Reply]) -> list[Reply]:
    """Return the replies that may show the installation."""
    if credential.installation_id is not None:
        return [answers[f"/app/installations/{credential.installation_id}"]]
    # If a repository was moved to another owner, Argo CD still uses the installation of the owner in the URL.
    return [
        reply
        for path, reply in answers.items()
        if path == installation_list.FIRST_PAGE or (path.endswith("/installation") and not reply.moved)
    ]


def _installation(candidates: list[Reply]) -> Mapping[object, object] | None:
    """Return the installation that the Secret names, or the only one; None if there is none."""
    for reply in candidates:
        found = reply.body
        if isinstance(found, list):
            found = found[0] if len(found) == 1 else None
        if reply.status == 200 and isinstance(found, Mapping):
            return found
    return None


def _no_installation(
    question: Question, credential: GitHubAppCredential, facts: Facts, answers: Mapping[str, Reply]
) -> Answer:
    """Return the answer if there is no installation.

    Raises:
        ProviderUnavailable: the replies do not show whether there is one.
    """
    listing = answers.get(installation_list.FIRST_PAGE)
    listed = listing.body if listing is not None and listing.status == 200 else None
    found = _candidates(credential, answers)
    odd = [one.status for one in found if one.status != 404 or one is listing or not replies.is_own(one)]
    if odd and listed != []:
        clause = f"answers {odd[0]} to the request for the App's installation, which says nothing about it"
        raise ProviderUnavailable(clause)
    number = credential.installation_id
    remedy = "Install the App there."
    if number is not None:
        remedy = "Install the App there, and set githubAppInstallationID to the ID of that installation."
        reason = f"has no installation {number} of this {_DESCRIBED}: it was removed, or belongs to another App"
    else:
        where = f" for {question.path[0]}" if listing is None else ""
        reason = f"has no installation of this {_DESCRIBED}{where}"
    finding = Finding(Outcome.INVALID, reason=reason)
    return same_for_all(question, finding, facts, remedy=remedy, sources=sources_in(found))


def _on_another_account(question: Question, account: str) -> Finding | None:
    """Return the finding if the installation is on another account than the repository."""
    if not question.path or not account or question.path[0].lower() == account.lower():
        return None
    if question.open_ended and len(question.path) == 1 and account.lower().startswith(question.path[0].lower()):
        return None
    reason = f"says that the installation of this {_DESCRIBED} is on {account}, not on {question.path[0]}"
    return Finding(Outcome.INSUFFICIENT, reason=reason)


def _out_of_reach(
    question: Question, name: str, reply: Reply | None, installation: Mapping[object, object]
) -> Finding | None:
    """Return why the installation has no access to the repository; None if it has."""
    if reply is None:
        return None
    if reply.status == 404 and replies.is_own(reply):
        if installation.get("repository_selection") == "selected" and not question.open_ended:
            reason = f"says that {name} is not among the repositories that were selected for this {_DESCRIBED}"
            return Finding(Outcome.INSUFFICIENT, reason=f"{reason}, or does not exist")
        selected = installation.get("repository_selection") == "selected"
        other = "may not be selected for the App, or may belong" if selected else "or may belong"
        reason = (
            f"answers 404 for the installation of this {_DESCRIBED} at {name}: the repository may not exist, {other} "
            "to another account"
        )
        return Finding(Outcome.UNVERIFIED, reason=reason)
    number = installations.number_in(reply)
    if number is None:
        reason = f"answers {reply.status} when asked whether the App reaches {name}, which says nothing about it"
        return Finding(Outcome.UNVERIFIED, reason=reason)
    if number != installation.get("id"):
        return Finding(Outcome.INSUFFICIENT, reason=f"says that {name} belongs to another installation of the App")
    return None
