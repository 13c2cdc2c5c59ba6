"""Gitea and Forgejo, whole in one file; CONTRIBUTING.md walks through it.

Only the newest tell what a token may do (``GET /token``). All look at a token's scopes first, and only then whether
what it asks for exists and whether a request's content is complete (``tokenRequiresScopes`` and the order of checks in
``routers/api/v1/api.go``, in the source of both). So each scope is asked for where nothing can be, at an account called
``-``, which is no valid name, or without the content that a write needs: 403 names the scope that is missing, 404 and
422 prove that it is there, and nothing is ever changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

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
from webhook.hosts import Host, Kind
from webhook.providers import reach
from webhook.providers.base import Api, NoAnswer, RateLimit, Reply, is_transient
from webhook.providers.profile import Profile
from webhook.providers.reach import Fate, Unreached
from webhook.providers.rounds import Counted, answers_of, both
from webhook.providers.text import plain
from webhook.providers.vocabulary import Vocabulary
from webhook.requirements import Level, Requirement, Role, union
from webhook.wording import join

# What is known without asking.

_API = "/api/v1"
_CATEGORIES = "activitypub admin issue misc notification organization package repository user".split()
# `public-only` is no right but a restriction: no requirement can name it.
_SCOPES = frozenset({"all", *(f"{level}:{category}" for category in _CATEGORIES for level in ("read", "write"))})
# Webhooks and pushing are both part of write:repository; read:user says whose a token is.
_NEEDED = Requirement(scopes=("write:repository", "read:user"))

PROFILE = Profile(
    kind=Kind("gitea"),
    title="Gitea",
    vocabulary=Vocabulary(scopes=_SCOPES),
    defaults={Role.RUNTIME: _NEEDED, Role.USER: _NEEDED},
    api_url=lambda name: f"https://{name}{_API}",
    repository_path=re.compile(r"/repos/[^/?]+/[^/?]+"),
)
"""Tokens are 40 hexadecimal digits, as others' are too, so that only their host says what they are."""

_PROBES = {
    "read:user": ("GET", "/user"),
    "write:user": ("POST", "/user/repos"),
    "read:repository": ("GET", "/repos/-/-"),
    "write:repository": ("POST", "/repos/-/-/hooks"),
    "read:organization": ("GET", "/orgs/-"),
    "read:issue": ("GET", "/repos/-/-/issues"),
    "read:package": ("GET", "/packages/-"),
}
"""Where to ask for a scope. One that isn't here is known only where a token's scopes are told."""

_DESCRIBED = "access token"
_FIRST_WITH_CATEGORIES = (1, 20)  # Gitea's release notes of 1.20: "Redesign Scoped Access Tokens"

Said = Reply | NoAnswer
"""What came of one request; the others speak all the same."""


class Gitea:
    """Asks Gitea or Forgejo about one credential."""

    profile = PROFILE

    async def inspect(self, question: Question, api: Api) -> Answer:
        """See `providers.base.Provider`."""
        credential = question.credential
        if not isinstance(credential, TokenCredential):
            finding = Finding(Outcome.UNSUPPORTED, reason="is a Gitea, which knows nothing of GitHub Apps")
            return same_for_all(question, finding, Facts("app", "GitHub App"))
        secret = credential.token.get_secret_value()
        counted = Counted(api)
        heard = await _ask(question, counted, secret)
        return replace(_judge(question, heard, secret), requests=counted.requests)

    def rate_limit(self, reply: Reply) -> RateLimit | None:
        """Gitea itself limits nothing. What a 429 of a proxy before it means, `providers.http` knows."""
        return None


# One round of requests.


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the round brought.

    Attributes:
        itself: to ``GET /token``.
        version: to ``GET /version``, which is open to all.
        probes: by scope.
        named: about the repository that the URL names; None where it names none.
        others: about those that a runtime token must also reach; None for what is no repository's name.
    """

    itself: Said
    version: Said
    probes: Mapping[str, Said]
    named: Said | None
    others: list[tuple[RepositoryNeed, Said | None]]

    @property
    def about_token(self) -> list[Said]:
        """What is asked of every token, the repository of its URL included."""
        return [*self.probes.values(), self.version, *([] if self.named is None else [self.named])]


async def _ask(question: Question, api: Api, secret: str) -> _Heard:
    headers = {"authorization": f"token {secret}"}

    async def send(method: str, path: str) -> Reply:
        return await api.send(method, path, headers=headers, json={} if method == "POST" else None)

    async def look(need: RepositoryNeed) -> Reply | None:
        name = _repository(need.path, question.host)
        return None if name is None else await send("GET", f"/repos/{name}")

    name = _repository(question.path, question.host)
    probed = [scope for scope in _asked(question) if scope in _PROBES]
    wanted = [("GET", "/token"), ("GET", "/version"), *(_PROBES[scope] for scope in probed)]
    if name is not None:
        wanted.append(("GET", f"/repos/{name}"))
    (itself, version, *rest), others = await both(
        answers_of(*(send(*request) for request in wanted)), reach.look(question, api, look)
    )
    named = None if name is None else rest.pop()
    return _Heard(itself, version, dict(zip(probed, rest, strict=True)), named, others)


def _asked(question: Question) -> list[str]:
    """The scopes that must be known, those that are needed first; ``read:user`` tells whose the token is."""
    needed = union(question.requirements.values()).scopes
    writes = any(need.access is not Level.READ for need in question.repositories)
    return list(dict.fromkeys([*needed, *(["write:repository"] if writes else []), "read:user"]))


# What the replies mean.


def _judge(question: Question, heard: _Heard, secret: str) -> Answer:
    facts = Facts("personal", _DESCRIBED)
    refused = _refusal(heard)
    if refused is not None:
        return same_for_all(question, refused, facts, remedy=_remedy(question, refused.outcome))
    told = _told(heard, secret=secret)
    known = {scope: _has(scope, heard, told) for scope in _asked(question)}
    facts = replace(
        facts,
        account=_account(heard, secret=secret),
        holds=told if told is not None else _proven(known, heard),
    )
    transient = is_transient(*heard.probes.values(), heard.version)
    findings = {role: _by_scopes(needed, known, transient=transient) for role, needed in question.requirements.items()}
    answer = Answer(findings, facts, _remedy(question, Outcome.INSUFFICIENT))
    answer = _at_named(question, answer, heard)
    fates = [(need, _fate(question.host, need, said, facts, known)) for need, said in heard.others]
    answer = reach.add(answer, question, fates)
    if "public-only" in facts.holds or any(map(_is_public_only, heard.about_token)):
        answer = _warned(answer, f"This {_DESCRIBED} is public-only: it reaches no private repository.")
    return answer


def _refusal(heard: _Heard) -> Finding | None:
    """Why the token can't be used at all; None where it was accepted.

    Raises:
        NoAnswer: nothing was learnt.
    """
    replies = [said for said in heard.about_token if isinstance(said, Reply)]
    if not replies:
        raise next(said for said in heard.about_token if isinstance(said, NoAnswer))
    if all(reply.status == 404 and not _is_giteas(reply) for reply in replies):
        raise NoAnswer("answers 404 where its API should be: apiUrl may lack the path that it is installed at")
    messages = [_message(reply) for reply in replies]
    for told, reason in _BLOCKED.items():
        if any(reply.status == 403 and told in text for reply, text in zip(replies, messages, strict=True)):
            return Finding(Outcome.BLOCKED, reason=f"accepts this {_DESCRIBED}, but {reason}")
    if not _NOBODY.isdisjoint(messages):
        raise NoAnswer("saw no credentials; a proxy between may have taken them away")
    if all(reply.status != 401 for reply in replies):
        return None
    if any(reply.status == 200 or _missing(reply) or _passed(reply) for reply in replies):
        raise NoAnswer("refuses this token in one place and answers in another")
    # Bad credentials are refused even where none are needed, so that this is about them and nothing else.
    openly = isinstance(heard.version, Reply) and heard.version.status == 401 and _is_giteas(heard.version)
    if openly or any(text.startswith(_WRONG) for text in messages):
        return Finding(Outcome.INVALID, reason=f"refuses this {_DESCRIBED}: it is wrong or was deleted")
    raise NoAnswer("answers 401 without saying why, which may be a proxy's doing")


# The words of both, and of several versions: `apiAuth`, `verifyAuthWithOptions` and `reqToken` in their source.
_BLOCKED = {
    "prohibited from signing in": "its owner may not sign in",
    "account is not activated": "its owner's account is not activated",
    "You must change your password": "its owner must change the password first",
    "two-factor": "its owner must set up two-factor authentication first",
}
_NOBODY = frozenset({"token is required", "Only signed in user is allowed to call APIs."})
_WRONG = ("invalid username, password or token", "user does not exist", "access token does not exist")
_LACKS = re.compile(
    r"token does not have at least one of required scope\(s\)"
    r"(?:: \[(?P<older>[a-z: ]+)\]|, required=\[(?P<newer>[a-z: ]+)\], token scope=(?P<held>[a-z:,-]*))"
)
_PUBLIC_ONLY = ("token scope is limited to public ", "this endpoint is not available for public-only tokens")


def _message(said: Said) -> str:
    body = said.body if isinstance(said, Reply) else None
    message = body.get("message") if isinstance(body, Mapping) else None
    return message if isinstance(message, str) else ""


def _is_giteas(reply: Reply) -> bool:
    """Whether an error is told as Gitea does it, which a proxy doesn't; the text alone may be in another language."""
    url = reply.body.get("url") if isinstance(reply.body, Mapping) else None
    return isinstance(url, str) and url.endswith("/api/swagger")


def _is_public_only(said: Said) -> bool:
    return isinstance(said, Reply) and said.status == 403 and _message(said).startswith(_PUBLIC_ONLY)


def _refused(said: Said) -> re.Match[str] | None:
    """A refusal for want of scopes, which only a token gets that is accepted as such."""
    return _LACKS.fullmatch(_message(said)) if isinstance(said, Reply) and said.status == 403 else None


def _missing(said: Said) -> str:
    """The scopes that a refusal names: all that are needed, so that only one that stands alone is surely missing."""
    refused = _refused(said)
    return "" if refused is None else refused["older"] or refused["newer"]


def _told(heard: _Heard, *, secret: str) -> tuple[str, ...] | None:
    """All scopes of the token, where any reply tells them: Gitea since 2026 by itself, since 1.23 in each refusal."""
    listed = _itself(heard)[0]
    if listed is None:
        refusals = (refused["held"] for said in heard.about_token if (refused := _refused(said)) is not None)
        held = next((held for held in refusals if held is not None), None)
        listed = None if held is None else held.split(",")
    return None if listed is None else tuple(scope for scope in listed if plain(scope, secret=secret))


def _account(heard: _Heard, *, secret: str) -> str | None:
    names = (_itself(heard)[1], _login(heard.probes.get("read:user")))
    return next(filter(None, (plain(name, secret=secret) for name in names)), None)


def _itself(heard: _Heard) -> tuple[list[str], str] | tuple[None, None]:
    """The token's scopes and its owner, by ``GET /token``; neither where the reply isn't whole."""
    body = heard.itself.body if isinstance(heard.itself, Reply) and heard.itself.status == 200 else None
    scopes, person = (body.get("scopes"), body.get("user")) if isinstance(body, Mapping) else (None, None)
    login = person.get("login") if isinstance(person, Mapping) else None
    if not isinstance(login, str) or not isinstance(scopes, list) or not all(isinstance(one, str) for one in scopes):
        return None, None
    return scopes, login


def _login(said: Said | None) -> str | None:
    """Whose the token is, by ``GET /user``."""
    body = said.body if isinstance(said, Reply) and said.status == 200 else None
    login = body.get("login") if isinstance(body, Mapping) else None
    return login if isinstance(login, str) else None


def _has(scope: str, heard: _Heard, told: tuple[str, ...] | None) -> bool | str:
    """Whether the token has a scope, or a clause that says why that isn't known."""
    if told is not None:
        return not {"all", scope, scope.replace("read:", "write:", 1)}.isdisjoint(told)
    said = heard.probes.get(scope)
    if said is None:
        return f"does not tell whether this {_DESCRIBED} has {scope}"
    if isinstance(said, NoAnswer):
        return f"{said} when asked about {scope}"
    if _missing(said) == scope:
        return False
    return _with_categories(heard.version) if _passed(said) else f"answers {said.status} when asked about {scope}"


def _passed(reply: Reply) -> bool:
    """Whether a probe came as far as only a token with its scope does."""
    return _login(reply) is not None or _is_public_only(reply) or (reply.status in (404, 422) and _is_giteas(reply))


def _with_categories(version: Said) -> bool | str:
    """Whether this is a version whose endpoints look at these scopes first, or a clause that says why it isn't known.

    Gitea 1.19 had scopes of other names, and looked at them later; before there were none.
    """
    if isinstance(version, NoAnswer):
        return f"{version} when asked for its version"
    shown = version.body.get("version") if isinstance(version.body, Mapping) else None
    number = re.match(r"v?(\d{1,4})\.(\d{1,4})", shown) if isinstance(shown, str) and version.status == 200 else None
    if number is None:
        return "does not say which version it is"
    if (int(number[1]), int(number[2])) < _FIRST_WITH_CATEGORIES:
        return f"is version {number[0]}, whose tokens have other scopes: these came with 1.20"
    return True


def _proven(known: Mapping[str, bool | str], heard: _Heard) -> tuple[str, ...]:
    """What probes showed that the token has; who is shown a repository has ``read:repository`` at least."""
    proven = [scope for scope, has in known.items() if has is True]
    sees = isinstance(heard.named, Reply) and heard.named.status == 200
    if sees and _with_categories(heard.version) is True and not {"write:repository", "read:repository"} & {*proven}:
        proven.append("read:repository")
    return tuple(proven)


def _by_scopes(needed: Requirement, known: Mapping[str, bool | str], *, transient: bool) -> Finding:
    lacks = tuple(scope for scope in needed.scopes if known[scope] is False)
    if lacks:
        return Finding(Outcome.INSUFFICIENT, lacks)
    open_questions = dict.fromkeys(clause for scope in needed.scopes if isinstance(clause := known[scope], str))
    if not open_questions:
        return Finding(Outcome.SUFFICIENT)
    return Finding(Outcome.UNVERIFIED, reason=join(open_questions), transient=transient)


# Repositories.


def _repository(path: tuple[str, ...], host: Host) -> str | None:
    """``owner/name`` of the repository that a URL's path names; None where it names only an owner or a host."""
    root = tuple(segment for segment in _root(host).split("/") if segment)
    path = path[len(root) :] if path[: len(root)] == root else path
    if len(path) < 2 or not all(_NAME.match(segment) for segment in path[:2]):
        return None
    return f"{path[0]}/{path[1]}"


_NAME = re.compile(r"(?!\.{1,2}\Z)\w[\w.-]{0,99}\Z", re.ASCII)


def _at_named(question: Question, answer: Answer, heard: _Heard) -> Answer:
    """The answer with what the repository that the URL names means for each role whose scopes suffice."""
    name, host = _repository(question.path, question.host), question.host
    if name is None or heard.named is None:
        return answer
    findings, remedy = dict(answer.findings), answer.remedy
    for role, needed in question.requirements.items():
        access = _access(needed)
        if access is None or findings[role].outcome is not Outcome.SUFFICIENT:
            continue
        problem = _at(host, name, access, heard.named, answer.facts)
        if isinstance(problem, NoAnswer):
            problem = reach.unanswered(problem)
        if problem is not None:
            reason = problem.reason.replace("{}", name)
            findings[role] = Finding(problem.outcome, reason=reason, transient=problem.transient)
            remedy = problem.remedy or remedy
    if not any(finding.lacks for finding in findings.values()):  # which a better token mends
        answer = replace(answer, remedy=remedy)
    answer = replace(answer, findings=findings)
    shown = _shown(name, heard.named)
    if shown is None:
        return answer
    if shown.get("archived") is True:
        answer = _warned(answer, f"{name} is archived on {host.name}: nobody can push to it.")
    manages = _access(question.requirements.get(Role.RUNTIME, Requirement())) is Level.WRITE
    if manages and _may(shown, "push") and _may(shown, "admin") is False:
        who = answer.facts.account or "This token's account"
        no_hooks = f"{who} is no administrator of {name} on {host.name}, so that it can't manage webhooks there."
        answer = _warned(answer, no_hooks)
    return answer


def _access(needed: Requirement) -> Level | None:
    """What a requirement means for a repository."""
    if not {"all", "write:repository"}.isdisjoint(needed.scopes):
        return Level.WRITE
    return Level.READ if "read:repository" in needed.scopes else None


def _fate(host: Host, need: RepositoryNeed, said: Said | None, facts: Facts, known: Mapping[str, bool | str]) -> Fate:
    """What is known of a repository that a runtime token must also reach."""
    name = _repository(need.path, host)
    if name is None or said is None:
        return Unreached(Outcome.UNVERIFIED, "can't be asked for {}, which is no repository's name there")
    problem = _at(host, name, need.access, said, facts)
    writes = True if need.access is Level.READ else known["write:repository"]
    if problem is not None or writes is True:
        return problem
    if isinstance(writes, str):
        return Unreached(Outcome.UNVERIFIED, writes)
    return _lacks_for_all("write:repository", "push to", host)


def _at(host: Host, name: str, access: Level, said: Said, facts: Facts) -> Fate:
    """What a reply for a repository means, whose ``permissions`` tell of the person whatever the token holds."""
    if isinstance(said, NoAnswer):
        return said
    if _missing(said) == "read:repository":
        return _lacks_for_all("read:repository", "see", host)
    if _is_public_only(said):
        reason = f"says that this {_DESCRIBED} reaches only what is public, which {{}} is not"
        remedy = f"Make one with access to private repositories, too: {_tokens_page(host)}"
        return Unreached(Outcome.INSUFFICIENT, reason, remedy)
    who = facts.account or "its account"
    if said.status == 404:
        reason = f"says 404 for {{}}: either not there, or not to be seen by {who}"
        return Unreached(Outcome.UNVERIFIED, reason, unseen=True)
    shown = _shown(name, said)
    if shown is None:
        reason = f"answers {said.status} when asked for {{}}, which says nothing of the token"
        return Unreached(Outcome.UNVERIFIED, reason)
    right, verb = ("pull", "read") if access is Level.READ else ("push", "push to")
    may = _may(shown, right)
    if may is None:
        return Unreached(Outcome.UNVERIFIED, f"does not tell whether {who} may {verb} {{}}")
    if may:
        return None
    remedy = f"Give {who} that right: {_web_url(host)}/{name}/settings/collaboration"
    return Unreached(Outcome.INSUFFICIENT, f"says that {who} may not {verb} {{}}, as is needed", remedy)


def _lacks_for_all(scope: str, verb: str, host: Host) -> Unreached:
    reason = f"says that this {_DESCRIBED} lacks {scope}, without which nobody may {verb} {{}}"
    return Unreached(Outcome.INSUFFICIENT, reason, _new_token(host, scope))


def _shown(name: str, said: Said) -> Mapping[object, object] | None:
    """A repository's document; None where the reply is no such, or another's."""
    body = said.body if isinstance(said, Reply) and said.status == 200 else None
    told = body.get("full_name") if isinstance(body, Mapping) else None
    return body if isinstance(body, Mapping) and isinstance(told, str) and told.lower() == name.lower() else None


def _may(repository: Mapping[object, object], right: str) -> bool | None:
    permissions = repository.get("permissions")
    told = permissions.get(right) if isinstance(permissions, Mapping) else None
    return told if isinstance(told, bool) else None


# What people are told.


def _warned(answer: Answer, warning: str) -> Answer:
    return replace(answer, facts=replace(answer.facts, warnings=(*answer.facts.warnings, warning)))


def _remedy(question: Question, outcome: Outcome) -> str:
    if outcome is Outcome.BLOCKED:
        return f"Have an administrator of {question.host.name} let its owner in again, or use another account's token."
    return _new_token(question.host, *union(question.requirements.values()).scopes)


def _new_token(host: Host, *scopes: str) -> str:
    """A sentence with the page of a person's own tokens, whose boxes no link ticks."""
    return f"Make one with {join(scopes)} under Settings > Applications: {_tokens_page(host)}"


def _tokens_page(host: Host) -> str:
    return f"{_web_url(host)}/user/settings/applications"


def _web_url(host: Host) -> str:
    return f"{host.web_url}{_root(host)}"


def _root(host: Host) -> str:
    """The path that a Gitea is installed at, `""` for the usual one."""
    return urlsplit(host.api_url).path.rstrip("/").removesuffix(_API)
