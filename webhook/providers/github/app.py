"""A GitHub App's own credentials: what its installation was granted can be asked for, and is told exactly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from joserfc import jwt
from joserfc.jwk import RSAKey

from webhook.findings import Answer, Facts, Finding, GitHubAppCredential, Outcome, Question, same_for_all
from webhook.providers.base import Api, NoAnswer, Reply
from webhook.providers.github import replies, repository
from webhook.providers.github.keys import load_app_key
from webhook.providers.github.vocabulary import display
from webhook.providers.rounds import together
from webhook.providers.text import plain
from webhook.requirements import Level, Requirement

_DESCRIBED = "GitHub App"
# GitHub allows ten minutes at most, and a clock of ours that is a minute ahead (GitHub docs: generating a JWT).
_BACKDATED = 60
_LIFETIME = 540


def sign(credential: GitHubAppCredential, now: datetime) -> str:
    """The JWT by which an App proves itself.

    Raises:
        ValueError: its key can't be read.
    """
    key = RSAKey.import_key(load_app_key(credential.private_key))
    at = int(now.timestamp())
    claims = {"iss": credential.app_id, "iat": at - _BACKDATED, "exp": at + _LIFETIME}
    return jwt.encode({"alg": "RS256"}, claims, key)


async def inspect(
    question: Question, credential: GitHubAppCredential, api: Api, headers: Mapping[str, str], now: datetime
) -> Answer:
    """Ask for the App, its installation, and whether that reaches the repository that the URL names, in one round."""
    token = await asyncio.to_thread(sign, credential, now)  # milliseconds of arithmetic
    headers = {**headers, "authorization": f"Bearer {token}"}
    name = repository.named(question.path)
    wanted = ["/app"]
    if credential.installation_id is not None:
        wanted.append(f"/app/installations/{credential.installation_id}")
    elif question.path and repository.named((question.path[0], "any")):
        # As Argo CD finds it: by the owner in the URL.
        wanted += [f"/orgs/{question.path[0]}/installation", f"/users/{question.path[0]}/installation"]
    if name is not None:
        wanted.append(f"/repos/{name}/installation")
    answers = await together(*(api.send("GET", path, headers=headers) for path in wanted))
    return judge(question, credential, dict(zip(wanted, answers, strict=True)))


def judge(question: Question, credential: GitHubAppCredential, answers: Mapping[str, Reply]) -> Answer:
    """What GitHub's replies mean, by the path that was asked.

    Raises:
        NoAnswer: nothing was learnt.
    """
    secret = credential.private_key.get_secret_value()
    web_url = question.host.web_url
    about = answers["/app"]
    facts = Facts("app", _DESCRIBED)
    if about.status == 401:
        return same_for_all(question, Finding(Outcome.INVALID, reason=_refused_jwt(about)), facts, remedy=_KEY_REMEDY)
    if about.status == 404 and "integration not found" in replies.message_of(about):
        reason = f"knows no {_DESCRIBED} with this ID"
        return same_for_all(question, Finding(Outcome.INVALID, reason=reason), facts, remedy=_KEY_REMEDY)
    if about.status != 200:
        refused = replies.refusal(about, _DESCRIBED, web_url)
        if refused is None:
            raise NoAnswer(f"answers {about.status} when asked for the App, which says nothing of it")
        return same_for_all(question, refused[0], facts, remedy=refused[1])
    slug = plain(replies.login_of(about.body, "slug"), secret=secret)
    facts = Facts("app", _DESCRIBED, slug or None)
    candidates = [
        reply for path, reply in answers.items() if path.endswith("/installation") or "installations/" in path
    ]
    found = next((reply for reply in candidates if reply.status == 200 and isinstance(reply.body, Mapping)), None)
    if found is None:
        return _no_installation(question, credential, facts, [reply.status for reply in candidates])
    if credential.installation_id is not None:
        named = answers[f"/app/installations/{credential.installation_id}"]
        if named.status != 200:
            return _no_installation(question, credential, facts, [named.status])
        found = named
    body = found.body if isinstance(found.body, Mapping) else {}
    account = plain(replies.login_of(body.get("account")), secret=secret)
    shown = f"{slug or 'App'} on {account}" if account else slug or None
    permissions = body.get("permissions")
    granted = permissions if isinstance(permissions, Mapping) else None
    settings = f"{web_url}/apps/{slug}" if slug else f"{web_url}/settings/apps"
    if granted is None:
        raise NoAnswer("did not say what the App's installation was granted")
    needed = [one for requirement in question.requirements.values() for one in requirement.permissions]
    levels = {name: level for name, _ in needed if (level := _level(granted.get(name))) is not None}
    holds = tuple(display(name, level) for name, level in levels.items())
    facts = Facts("app", _DESCRIBED, shown, holds)
    if body.get("suspended_at"):
        reason = f"says that the installation of this {_DESCRIBED} on {account or 'its account'} is suspended"
        return same_for_all(question, Finding(Outcome.BLOCKED, reason=reason), facts, remedy=f"Lift it: {settings}")
    name = repository.named(question.path)
    reach = answers.get(f"/repos/{name}/installation")
    problem = None
    if reach is None or reach.status == 404:  # otherwise GitHub itself says which installation is the right one
        problem = _on_another_account(question, account)
    if problem is None and name is not None:
        problem = _out_of_reach(name, reach, body)
    findings = {}
    for role, requirement in question.requirements.items():
        finding = _granted(requirement, granted)
        findings[role] = problem if problem is not None and finding.outcome is Outcome.SUFFICIENT else finding
    remedy = (
        f"Change the App's permissions or repositories, and have the change accepted where it is installed: {settings}"
    )
    return Answer(findings, facts, remedy)


_KEY_REMEDY = "Check githubAppID, and make a new private key in the App's settings if this one was deleted."


def _refused_jwt(reply: Reply) -> str:
    """Why GitHub doesn't take what the App signed.

    Raises:
        NoAnswer: because of its time, which is our clock's and says nothing of the App.
    """
    text = replies.message_of(reply)
    if "expiration" in text or "issued at" in text or {"exp", "iat"} & set(text.split("'")):
        raise NoAnswer(f"refuses what this {_DESCRIBED} signed because of its time: this machine's clock may be wrong")
    return f"refuses this {_DESCRIBED}: its App ID and private key don't belong together, or the key was deleted"


def _no_installation(question: Question, credential: GitHubAppCredential, facts: Facts, statuses: list[int]) -> Answer:
    if any(status != 404 for status in statuses):
        status = next(status for status in statuses if status != 404)
        raise NoAnswer(f"answers {status} when asked for the App's installation, which says nothing of it")
    if credential.installation_id is not None:
        number = credential.installation_id
        reason = f"knows no installation {number} of this {_DESCRIBED}: it was removed, or is another App's"
        return same_for_all(question, Finding(Outcome.INVALID, reason=reason), facts, remedy=_INSTALL)
    if question.path:
        reason = f"knows no installation of this {_DESCRIBED} for {question.path[0]}"
        return same_for_all(question, Finding(Outcome.INVALID, reason=reason), facts, remedy=_INSTALL)
    reason = f"can't say which installation of this {_DESCRIBED} is meant: the URL names no owner"
    return same_for_all(question, Finding(Outcome.UNVERIFIED, reason=f"{reason} (add githubAppInstallationID)"), facts)


_INSTALL = "Install the App there, and set githubAppInstallationID to that installation's number."


def _on_another_account(question: Question, account: str) -> Finding | None:
    """An installation reaches the repositories of its own account, and of no other."""
    if not question.path or not account or question.path[0].lower() == account.lower():
        return None
    reason = f"says that the installation of this {_DESCRIBED} is on {account}, and not on {question.path[0]}"
    return Finding(Outcome.INSUFFICIENT, reason=reason)


def _out_of_reach(name: str, reply: Reply | None, installation: Mapping[object, object]) -> Finding | None:
    """Whether the installation that will be used reaches the repository."""
    if reply is None:
        return None
    if reply.status == 404:
        if installation.get("repository_selection") == "selected":
            reason = f"says that {name} is not among the repositories that were selected for this {_DESCRIBED}"
            return Finding(Outcome.INSUFFICIENT, reason=f"{reason}, or doesn't exist")
        reason = (
            f"says 404 for the installation of this {_DESCRIBED} at {name}: it may not exist, or be somebody else's"
        )
        return Finding(Outcome.UNVERIFIED, reason=reason)
    if reply.status != 200 or not isinstance(reply.body, Mapping):
        reason = f"answers {reply.status} when asked whether the App reaches {name}"
        return Finding(Outcome.UNVERIFIED, reason=reason)
    if reply.body.get("id") != installation.get("id"):
        return Finding(Outcome.INSUFFICIENT, reason=f"says that another installation of the App is the one for {name}")
    return None


def _granted(needed: Requirement, granted: Mapping[object, object]) -> Finding:
    lacks = []
    for name, level in needed.permissions:
        held = _level(granted.get(name))
        if held is None or not held.includes(level):
            lacks.append(display(name, level))
    return Finding(Outcome.INSUFFICIENT, tuple(lacks)) if lacks else Finding(Outcome.SUFFICIENT)


def _level(told: object) -> Level | None:
    return Level(told) if isinstance(told, str) and told in set(Level) else None
