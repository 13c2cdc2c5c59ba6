"""Tokens with permissions: fine-grained ones, and those that a GitHub App got. GitHub doesn't tell what they hold,
so each permission is proven on one repository, by requests that change nothing.

What a probe rests on. Reads: a private repository's own content is shown only to who may read it; on a public one it
proves nothing. Writes: a request without the content that it needs is refused with 422 if the token may write and 403
if it may not. That permission is looked at before content is documented by no one, and no recording of it is known to
us; trufflehog relies on it. Where a write probe can be backed by a read that only the same permission opens (webhooks,
deploy keys, a private repository's content), both must agree, so that a token without the permission is never called
good. Should GitHub look at content first after all, there is a second write probe, with content that is in order and
for something that doesn't exist: a 403 there for want of the permission outweighs the 422. What remains assumed is that
GitHub doesn't both look at content and look up what is addressed before it looks at permission; if it did, a token that
may only read would pass for one that may write (tests: test_a_github_that_validates_first).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from webhook.findings import Answer, Facts, Finding, Outcome, Question, TokenCredential, same_for_all
from webhook.providers.base import Api, NoAnswer, Reply
from webhook.providers.github import links, replies, repository
from webhook.providers.github.vocabulary import display
from webhook.providers.rounds import together
from webhook.providers.text import plain
from webhook.requirements import Level, Requirement, union

_CANDIDATES = 3
"""Repositories that are probed at once where the URL names none: whether the list that GitHub gives is limited to those
that the token was given is documented nowhere, so the first of it may be out of reach."""
_NOWHERE = 4294967289  # far beyond any id that was given out, so that nothing can be hit

_FINE_GRAINED, _APP_USER, _INSTALLATION = "fine-grained", "app-user", "app-installation"
_KINDS = {
    "github_pat_": (_FINE_GRAINED, "fine-grained token"),
    "ghu_": (_APP_USER, "App user token"),
    "ghs_": (_INSTALLATION, "App installation token"),
}
_SHORT_LIVED = (
    "This {} lives for hours only; store the App's own credentials (githubAppID, githubAppPrivateKey) instead."
)

# What is asked for each permission: to read, to write what can't be written, to change what doesn't exist. Which
# permission each endpoint needs: GitHub docs, permissions required for fine-grained personal access tokens.
_READS = {
    "contents": ("GET", "/commits?per_page=1"),
    "repository_hooks": ("GET", "/hooks?per_page=1"),
    "administration": ("GET", "/keys?per_page=1"),
}
_WRITES = {
    "contents": ("PUT", "/contents/git-token-webhook-{random}"),
    "repository_hooks": ("POST", "/hooks"),
    "administration": ("POST", "/keys"),
}
_ABSENT = {
    "contents": ("PATCH", f"/releases/{_NOWHERE}"),
    "repository_hooks": ("PATCH", f"/hooks/{_NOWHERE}"),
    "administration": ("PATCH", f"/invitations/{_NOWHERE}"),
}
# Nothing that GitHub could act on. A hook is refused twice over: for its name, which can only be "web", and for having
# no URL.
_BODIES: dict[str, dict[str, object]] = {"/hooks": {"name": "none", "config": {}}}
_META = "metadata"


@dataclass(frozen=True, slots=True)
class Probes:
    """The replies for one repository: to itself, by permission and level, and to what changes what doesn't exist.

    A str is why there is none.
    """

    name: str
    found: Reply | str
    replies: Mapping[tuple[str, Level], Reply | str] = field(default_factory=dict)
    absent: Mapping[str, Reply | str] = field(default_factory=dict)


async def inspect(question: Question, credential: TokenCredential, api: Api, headers: dict[str, str]) -> Answer:
    """Prove the permissions that the roles need, on the repository that the URL names or one that the token reaches."""
    token = credential.token.get_secret_value()
    installation = token.startswith("ghs_")
    needed = union(question.requirements.values())
    name = repository.named(question.path)
    # GitHub refuses /user to installation tokens.
    whose = "/installation/repositories?per_page=100" if installation else "/user"
    if name is not None:
        probing = asyncio.create_task(_probe(name, needed, api, headers))
        try:
            identity = await api.send("GET", whose, headers=headers)
        finally:
            probes = await probing  # which raises nothing, and mustn't go on behind our back
        return judge(question, credential, identity, [probes])
    if installation:
        identity = listing = await api.send("GET", whose, headers=headers)
    else:
        query = "/user/repos?visibility=private&sort=pushed&per_page=100"
        identity, listing = await together(
            api.send("GET", whose, headers=headers), api.send("GET", query, headers=headers)
        )
    names = _candidates(listing, question.path[0] if question.path else None, token) if listing.status == 200 else []
    probed = await asyncio.gather(*(_probe(candidate, needed, api, headers) for candidate in names))
    return judge(question, credential, identity, list(probed))


def _candidates(listing: Reply, owner: str | None, token: str) -> list[str]:
    """Private repositories of `owner` that a list names, the most recently used first."""
    body = listing.body
    rows = body.get("repositories") if isinstance(body, Mapping) else body
    names: list[str] = []
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, Mapping) or not row.get("private") or row.get("archived") or row.get("disabled"):
            continue
        full_name = plain(row.get("full_name"), secret=token, limit=201)
        name = repository.named(tuple(full_name.split("/")))
        if name is not None and (owner is None or name.partition("/")[0].lower() == owner.lower()):
            names.append(name)
    return names[:_CANDIDATES]


async def _probe(name: str, needed: Requirement, api: Api, headers: dict[str, str]) -> Probes:
    async def ask(method: str, path: str) -> Reply | str:
        body = None if method == "GET" else _BODIES.get(path, {})
        try:
            return await api.send(method, f"/repos/{name}{path}", headers=headers, json=body)
        except NoAnswer as error:
            return str(error)

    wanted: dict[tuple[str, Level], tuple[str, str]] = {}
    absent: dict[str, tuple[str, str]] = {}
    for permission, level in needed.permissions:
        if permission in _READS:
            wanted[permission, Level.READ] = _READS[permission]
            if level is not Level.READ:
                method, path = _WRITES[permission]
                wanted[permission, Level.WRITE] = (method, path.format(random=secrets.token_hex(8)))
                absent[permission] = _ABSENT[permission]
    asked = [("GET", ""), *wanted.values(), *absent.values()]
    found, *answers = await asyncio.gather(*(ask(*request) for request in asked))
    first, second = answers[: len(wanted)], answers[len(wanted) :]
    return Probes(name, found, dict(zip(wanted, first, strict=True)), dict(zip(absent, second, strict=True)))


def judge(question: Question, credential: TokenCredential, identity: Reply, probed: list[Probes]) -> Answer:
    """What GitHub's replies mean.

    Raises:
        NoAnswer: nothing was learnt.
    """
    token = credential.token.get_secret_value()
    token_type, described = next(kind for prefix, kind in _KINDS.items() if token.startswith(prefix))
    short_lived = token_type != _FINE_GRAINED
    facts = Facts(
        token_type,
        described,
        expires_at=replies.expiry_of(identity),
        short_lived=short_lived,
        warnings=(_SHORT_LIVED.format(described),) if short_lived else (),
    )
    if (refused := replies.refusal(identity, described, question.host.web_url, secret=token)) is not None:
        finding, remedy = refused
        return same_for_all(question, finding, facts, remedy=remedy or _remedy(question, token_type, renew=True))
    if identity.status != 200:
        raise NoAnswer(f"answers {identity.status} when asked whose token this is, which says nothing of it")
    account = plain(_account(identity, token_type), secret=token) or None
    facts = replace(facts, account=account)
    reached = next((one for one in probed if isinstance(one.found, Reply) and one.found.status == 200), None)
    for one in [reached] if reached else probed:
        for reply in (one.found, *one.replies.values(), *one.absent.values()):
            if isinstance(reply, Reply) and reply.status == 403:
                refused = replies.refusal(reply, described, question.host.web_url, secret=token)
                if refused is not None:
                    return same_for_all(question, refused[0], facts, remedy=refused[1])
    if reached is None:
        finding = Finding(Outcome.UNVERIFIED, reason=_unreached(question, described, account, probed))
        return same_for_all(question, finding, facts)
    proofs = prove(reached, installation=token_type == _INSTALLATION)
    needed = union(question.requirements.values())
    holds = tuple(display(name, level) for name, level in _highest(proofs.held, needed))
    facts = replace(facts, holds=holds, probed=reached.name)
    findings = {role: _finding(proofs, needed, facts) for role, needed in question.requirements.items()}
    remedy = _remedy(question, token_type)
    bad = [finding for finding in findings.values() if finding.outcome is Outcome.INSUFFICIENT]
    if bad and not any(finding.lacks for finding in bad):
        remedy = repository.raise_role(question, reached.name, account or "its account")
    return Answer(findings, facts, remedy)


def _account(identity: Reply, token_type: str) -> str | None:
    if token_type != _INSTALLATION:
        return replies.login_of(identity.body)
    body = identity.body
    rows = body.get("repositories") if isinstance(body, Mapping) else None
    first = rows[0] if isinstance(rows, list) and rows else None
    return replies.login_of(first.get("owner")) if isinstance(first, Mapping) else None


def _unreached(question: Question, described: str, account: str | None, probed: list[Probes]) -> str:
    named = repository.named(question.path)
    if named is not None and probed:
        found = probed[0].found
        if isinstance(found, str):
            return f"{found} when asked for {named}"
        if found.status == 404:
            return f"says 404 for {named}: either there is no such repository, or this {described} may not see it"
        return f"answers {found.status} when asked for {named}, which says nothing of the token"
    where = f" of {question.path[0]}" if question.path else ""
    return f"shows this {described} no private repository{where} on which its permissions could be proven"


@dataclass(slots=True)
class Proofs:
    """What the probes showed.

    Attributes:
        held: proven, by permission and level.
        absent: proven not to be there.
        open: not provable, and why.
        may_push, may_administer: the account's own role there allows it; where not, the token isn't to blame.
    """

    held: set[tuple[str, Level]] = field(default_factory=set)
    absent: set[tuple[str, Level]] = field(default_factory=set)
    open: dict[tuple[str, Level], str] = field(default_factory=dict)
    may_push: bool = True
    may_administer: bool = True
    name: str = ""


def prove(probes: Probes, *, installation: bool) -> Proofs:
    """Read the replies of one repository that the token reaches."""
    body = probes.found.body if isinstance(probes.found, Reply) else None
    details = body if isinstance(body, Mapping) else {}
    private = details.get("private") is True
    proofs = Proofs(name=probes.name)
    if not installation:  # for which all of `permissions` is false, whatever it may do (recorded responses)
        proofs.may_push, proofs.may_administer = repository.rights(details)
    for (permission, level), reply in probes.replies.items():
        key = (permission, level)
        if isinstance(reply, str):
            proofs.open[key] = f"GitHub {reply}"
            continue
        read = (permission, Level.READ)
        second = probes.absent.get(permission) if level is not Level.READ else None
        if isinstance(second, Reply) and second.status == 403 and _forbidden(permission, second) is False:
            proofs.absent.add(key)
            continue
        match _meaning(permission, level, reply, private=private, read_held=read in proofs.held):
            case True:
                proofs.held |= {key, read}
                proofs.open.pop(read, None)
            case False:
                proofs.absent.add(key)
            case str(why):
                proofs.open[key] = why
    if private or proofs.held:
        proofs.held.add((_META, Level.READ))  # comes with any permission for a repository (GitHub docs)
    else:
        proofs.open[_META, Level.READ] = "the repository is public, so that anybody may read it"
    return proofs


def _meaning(permission: str, level: Level, reply: Reply, *, private: bool, read_held: bool) -> bool | str:
    """True: proven. False: proven absent. Otherwise why it is neither."""
    status = reply.status
    if status == 403:
        return _forbidden(permission, reply)
    if level is Level.READ:
        if status == 200 or (permission == "contents" and status == 409):  # 409: the repository is empty
            if permission == "contents" and not private:
                return "the repository is public, so that anybody may read it"
            return True
        return f"GitHub answers {status}"
    if not read_held and (private or permission != "contents"):
        return "reading isn't proven either"
    return True if status in (400, 422) else f"GitHub answers {status}"


def _forbidden(permission: str, reply: Reply) -> bool | str:
    text = replies.message_of(reply)
    if "must have" in text:  # "… admin rights to Repository.", "… push access …": the account's role
        return "the account's own role there is too low"
    if "archived" in text:
        return "the repository is archived"
    # The header says what the endpoint needs, whatever the refusal is about.
    accepted = replies.accepted_permissions(reply)
    if accepted and permission not in accepted:
        return "GitHub refuses for want of another permission"
    if "not accessible by" in text or permission in accepted:
        return False
    return "GitHub refuses without saying why"


def _highest(held: set[tuple[str, Level]], needed: Requirement) -> list[tuple[str, Level]]:
    return [
        (name, Level.WRITE if (name, Level.WRITE) in held else Level.READ)
        for name, _ in needed.permissions
        if (name, Level.READ) in held
    ]


def _finding(proofs: Proofs, needed: Requirement, facts: Facts) -> Finding:
    # What is proven is proven: an organisation's custom role can allow webhooks to who is no administrator.
    unmet = [one for one in needed.permissions if one not in proofs.held]
    account = facts.account or "its account"
    rights = (proofs.may_push, proofs.may_administer)
    lacks: list[str] = []
    unproven: list[str] = []
    low: Finding | None = None
    for name, level in unmet:
        # GitHub refuses who may not do it whatever the token holds, so that nothing is known of that.
        needs = repository.rights_for_permissions([(name, level)])
        if (found := repository.too_low(proofs.name, account, needs, rights)) is not None:
            low = low or found
        elif {(name, level), (name, Level.READ)} & proofs.absent:
            lacks.append(display(name, level))
        else:
            why = proofs.open.get((name, level)) or "there is no request that proves it and changes nothing"
            unproven.append(f"{display(name, level)} ({why})")
    if lacks:
        return Finding(Outcome.INSUFFICIENT, tuple(lacks))
    if low is not None:
        return low
    if unproven:
        reason = f"leaves open on {proofs.name} whether this {facts.described} has {', '.join(unproven)}"
        return Finding(Outcome.UNVERIFIED, reason=reason)
    return Finding(Outcome.SUFFICIENT)


def _remedy(question: Question, token_type: str, *, renew: bool = False) -> str:
    if token_type != _FINE_GRAINED and renew:
        return "Store the App's own credentials (githubAppID, githubAppPrivateKey) instead of a token that it made."
    if token_type != _FINE_GRAINED:
        return "Give the App these permissions, and store its own credentials instead of a token that it made."
    return links.new_token(question, fine_grained=True) if renew else links.new_fine_grained(question)
