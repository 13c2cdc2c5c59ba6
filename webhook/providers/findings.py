"""What a provider told us about a credential, in words that every provider shares.

`Question` goes in, `Answer` comes out. "We could not tell" is an outcome of its own: no provider ever
turns a missing answer into a good or a bad one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from pydantic import SecretStr

from webhook.providers.hosts import Host
from webhook.providers.requirements import Level, Requirement, Role


class Outcome(StrEnum):
    """What is known about one credential in one role."""

    SUFFICIENT = "sufficient"
    """The provider accepts it, and it can do what its role needs."""
    INSUFFICIENT = "insufficient"
    """The provider accepts it, and it lacks something."""
    INVALID = "invalid"
    """The provider refuses it: wrong, revoked or expired."""
    BLOCKED = "blocked"
    """It is valid, but something else stops it: SSO, a token policy, an IP allow list, a suspension."""
    UNVERIFIED = "unverified"
    """There was no answer that means anything."""
    UNSUPPORTED = "unsupported"
    """There is nothing about it that could be checked."""
    UNKNOWN_HOST = "unknown-host"
    """Its host is neither built in nor declared, so nobody was asked."""
    MALFORMED = "malformed"
    """It can't be read, so there is nobody to ask and nothing to ask about."""
    SKIPPED = "skipped"
    """Somebody who may do so has said that it shall not be checked."""


class AuthScheme(StrEnum):
    """The HTTP authentication scheme by which Git sends a token."""

    BASIC = "basic"
    BEARER = "bearer"


@dataclass(frozen=True, slots=True)
class GitAuth:
    """How Argo CD authenticates to the Git server with a token (Argo CD: util/git/creds.go, HTTPSCreds).

    Attributes:
        scheme: Basic for ``password``, Bearer for ``bearerToken``.
        username: what Basic authentication sends before the colon: the Secret's ``username``, ``x-access-token`` where
            it has none, and nothing where it has none and ``forceHttpBasicAuth`` is set. Empty for Bearer.
    """

    scheme: AuthScheme
    username: str = field(default="", repr=False)  # people put tokens there, too


@dataclass(frozen=True, slots=True)
class TokenCredential:
    """A token that goes over HTTPS, as password or as bearer.

    Attributes:
        username: the Secret's own, as it is stored.
        git_auth: how Argo CD sends the token to Git; None for a token that Argo CD does not use (a user's).
    """

    token: SecretStr
    username: str | None = field(default=None, repr=False)  # people put tokens there, too
    git_auth: GitAuth | None = None


@dataclass(frozen=True, slots=True)
class GitHubAppCredential:
    """A GitHub App's own credentials, from which Git access is made.

    Attributes:
        app_id: the App's id or client id, which is the ``iss`` of its JWT.
        installation_id: absent where it is to be found by the owner that the URL names.
        private_key: RSA, PEM.
    """

    app_id: str
    private_key: SecretStr
    installation_id: str | None = None


Credential = TokenCredential | GitHubAppCredential


@dataclass(frozen=True, slots=True)
class RepositoryNeed:
    """A repository that a runtime token must reach, besides the one that its Secret's URL names.

    Attributes:
        path: as in its URL: ``("acme", "apps")``.
        access: to read, or to write.
        certain: False where perhaps another credential is used there, so that it is worth a warning and no denial.
    """

    path: tuple[str, ...]
    access: Level
    certain: bool = True

    @property
    def name(self) -> str:
        """For people."""
        return "/".join(self.path)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one credential.

    Attributes:
        host: where it is sent, and nowhere else.
        path: what its URL names there: ``()`` the host, ``("acme",)`` an owner, ``("acme", "apps")`` a repository.
        requirements: what each of its roles needs.
        repositories: what it must also reach in its runtime role; empty without one.
        open_ended: the last segment of `path` may be the beginning of a name. Argo CD compares the URL of
            ``repo-creds`` as a string, so that ``https://github.com/acme/gitops-`` is for ``acme/gitops-prod``.
    """

    credential: Credential
    host: Host
    path: tuple[str, ...]
    requirements: Mapping[Role, Requirement]
    repositories: tuple[RepositoryNeed, ...] = ()
    open_ended: bool = False

    @property
    def certain_path(self) -> tuple[str, ...]:
        """The part of `path` up to its last segment that is certainly a whole name."""
        return self.path[:-1] if self.open_ended else self.path


@dataclass(frozen=True, slots=True)
class Facts:
    """What the provider said of the credential itself, apart from any role. All of it may be shown to people.

    Attributes:
        token_type: one word for annotations and logs, for example ``classic`` or ``fine-grained``.
        described: the same for people, after "this": ``classic token``, ``fine-grained token``, ``GitHub App``.
        account: whose it is.
        holds: what it can do, in its own vocabulary, as far as the provider tells or probes proved.
        expires_at: when it ends (UTC), where the provider tells.
        short_lived: it lives for hours by nature, so that its end is no news.
        probed: the repository on which permissions were probed.
        warnings: whole sentences about things that stop nothing.
        expiry_sources: the response that tells `expires_at`.
    """

    token_type: str = ""
    described: str = "token"
    account: str | None = None
    holds: tuple[str, ...] = ()
    expires_at: datetime | None = None
    short_lived: bool = False
    probed: str | None = None
    warnings: tuple[str, ...] = ()
    expiry_sources: tuple[Source, ...] = field(default=(), compare=False)


class Conclusion(StrEnum):
    """What the responses prove about one requirement."""

    PROVEN = "proven"
    """The token meets it."""
    MISSING = "missing"
    """The token does not meet it."""
    BLOCKED = "blocked"
    """A policy or the state of an account keeps the token from it."""
    OPEN = "open"
    """No response shows whether the token meets it."""


@dataclass(frozen=True, slots=True)
class Source:
    """The part of a response that counted.

    Attributes:
        request: the number of the request in `Answer.evidence`, from 0.
        part: ``status``, the name of a header in lower case, or the name of a field of the body.
    """

    request: int
    part: str = "status"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the responses prove about one requirement.

    Attributes:
        requirement: a scope, a permission or the access to a repository, in the words of the credential.
        sources: the parts of responses that it rests on; empty where no response says anything about it.
        why: a clause that says why it is not proven; empty where the conclusion says it all.
    """

    requirement: str
    conclusion: Conclusion
    sources: tuple[Source, ...] = ()
    why: str = ""


VALID = "valid token"
"""The requirement that the provider accepts the token at all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the answer means for one role.

    Attributes:
        lacks: where insufficient, what is missing, in the credential's own vocabulary.
        reason: a clause that stands after "HOST" or on its own, without full stop, for every outcome but
            sufficient and an insufficient one that is told by `lacks`.
        transient: where unverified, waiting can help: a retry may pass.
        remedy: where unverified, a whole sentence that says what must change; empty where that isn't known.
        proofs: what the responses prove about each requirement of the role.
    """

    outcome: Outcome
    lacks: tuple[str, ...] = ()
    reason: str = ""
    transient: bool = False
    remedy: str = ""
    proofs: tuple[Proof, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to a provider and what came of it, as far as it may be shown.

    Attributes:
        path: below the API's URL, or from its root.
        status: None where there was no answer that means anything.
        headers: those of the response that count.
        body: the fields of the response that count.
        moved: the path that answered instead, after a redirect.
        failure: why there was no answer, a clause that stands after the host's name.
        transient: waiting can help.
    """

    method: str
    path: str
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: object = None
    moved: str = ""
    failure: str = ""
    transient: bool = False

    def part(self, name: str) -> str | None:
        """Return the value of the status, a header or a field of the response (see `Source.part`); None without one."""
        if name == "status":
            return None if self.status is None else str(self.status)
        value: object = dict(self.headers).get(name)
        if value is None and isinstance(self.body, Mapping):
            value = self.body.get(name)
        match value:
            case None:
                return None
            case str():
                return value
            case bool() | int() | float():
                return str(value).lower()
            case _:
                return _brief(value)


def _brief(value: object) -> str:
    """Return a list or an object of a response on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_brief(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_brief, value))
    return str(value)


@dataclass(frozen=True, slots=True)
class Answer:
    """All that one inspection brought.

    Attributes:
        findings: one for each role of the question.
        remedy: a whole sentence that says what to do, with a link where the provider has one; it fits
            insufficient, invalid and blocked findings alike.
        requests: how many HTTP requests it took.
        complete: False where something that time didn't suffice for is left out, so that the next one asks again.
        unseen: repositories of the question that the provider shows nothing of (404): whether they are there or not,
            Git would read nothing there with this credential.
        evidence: the requests that were sent, in their order; empty unless it was asked for.
    """

    findings: Mapping[Role, Finding]
    facts: Facts = field(default_factory=Facts)
    remedy: str = ""
    requests: int = 0
    complete: bool = True
    unseen: tuple[str, ...] = ()
    evidence: tuple[Exchange, ...] = field(default=(), repr=False)


def conclusion_of(outcome: Outcome) -> Conclusion:
    """Return what a finding with this outcome says about a requirement."""
    return _CONCLUSIONS.get(outcome, Conclusion.OPEN)


_CONCLUSIONS = {
    Outcome.SUFFICIENT: Conclusion.PROVEN,
    Outcome.INSUFFICIENT: Conclusion.MISSING,
    Outcome.INVALID: Conclusion.MISSING,
    Outcome.BLOCKED: Conclusion.BLOCKED,
}


def same_for_all(
    question: Question,
    finding: Finding,
    facts: Facts | None = None,
    *,
    remedy: str = "",
    sources: tuple[Source, ...] = (),
) -> Answer:
    """Return an answer with the same finding for every role of `question`.

    Args:
        sources: what shows it; the finding then says whether the token is valid.
    """
    if not finding.proofs:
        proof = Proof(VALID, conclusion_of(finding.outcome), sources, finding.reason)
        finding = replace(finding, proofs=(proof,))
    return Answer(dict.fromkeys(question.requirements, finding), facts or Facts(), remedy)
