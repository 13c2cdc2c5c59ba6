"""Questions about credentials and the answers of providers, in terms that all providers share.

"Unverified" is an outcome of its own: no provider turns a missing response into a good or a bad finding.
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
    """The result for one credential in one role."""

    SUFFICIENT = "sufficient"
    """The provider accepts it, and it has what its role needs."""
    INSUFFICIENT = "insufficient"
    """The provider accepts it, and something is missing."""
    INVALID = "invalid"
    """The provider rejects it: it is wrong, revoked or expired."""
    BLOCKED = "blocked"
    """It is valid, but something else prevents its use: SSO, a token policy, an IP allow list, a suspension."""
    UNVERIFIED = "unverified"
    """There was no meaningful response."""
    UNSUPPORTED = "unsupported"
    """It is a credential that cannot be checked, such as an SSH key."""
    UNKNOWN_HOST = "unknown-host"
    """Its host is neither built in nor declared, so no request was sent."""
    MALFORMED = "malformed"
    """It cannot be read, so no request was sent."""
    SKIPPED = "skipped"
    """An authorized user or a setting excluded it from the check."""


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
    """A token that is sent over HTTPS, with Basic or Bearer authentication.

    Attributes:
        username: as stored in the Secret.
        git_auth: how Argo CD sends the token to Git; None for a token that Argo CD does not use (a user's).
    """

    token: SecretStr
    username: str | None = field(default=None, repr=False)  # people put tokens there, too
    git_auth: GitAuth | None = None


@dataclass(frozen=True, slots=True)
class GitHubAppCredential:
    """The credentials of a GitHub App.

    Attributes:
        app_id: the App's id, which is the ``iss`` of its JWT.
        installation_id: None if the owner in the URL selects the installation.
        private_key: RSA, PEM.
    """

    app_id: str
    private_key: SecretStr
    installation_id: str | None = None


Credential = TokenCredential | GitHubAppCredential


@dataclass(frozen=True, slots=True)
class RepositoryNeed:
    """A repository that a runtime token must have access to, besides the one that its Secret's URL names.

    Attributes:
        path: the segments of its URL: ``("acme", "apps")``.
        access: read or write.
        certain: False if another credential may be used there, so that a problem is a warning and no denial.
    """

    path: tuple[str, ...]
    access: Level
    certain: bool = True

    @property
    def name(self) -> str:
        """The name for messages."""
        return "/".join(self.path)


@dataclass(frozen=True, slots=True)
class Question:
    """The question whether a credential is sufficient.

    Attributes:
        host: the only host that the credential is sent to.
        path: what its URL names there: ``()`` the host, ``("acme",)`` an owner, ``("acme", "apps")`` a repository.
        requirements: what each role needs.
        repositories: further repositories that a runtime token needs access to.
        open_ended: the last segment of `path` may be the beginning of a name. Argo CD compares the URL of
            ``repo-creds`` as a string, so ``https://github.com/acme/gitops-`` is for ``acme/gitops-prod``.
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
    """What the provider says about the credential itself, apart from any role. All of it may be shown to users.

    Attributes:
        token_type: one word for annotations and logs, for example ``classic`` or ``fine-grained``.
        described: the same for messages, after "this": ``classic token``, ``fine-grained token``, ``GitHub App``.
        account: its account.
        holds: its scopes or permissions, in its own vocabulary, as far as they are listed or proven.
        expires_at: its expiry (UTC), if the provider says it.
        short_lived: it is valid for hours by design, so that its expiry is not reported.
        probed: the repository on which permissions were probed.
        warnings: whole sentences about conditions that cause no denial.
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
    """The finding for one role.

    Attributes:
        lacks: if insufficient, what is missing, in the credential's own vocabulary.
        reason: a clause without full stop that follows the host's name or stands alone; empty for a sufficient finding,
            and for an insufficient one that `lacks` explains.
        transient: if unverified, a retry may pass.
        remedy: if unverified, a whole sentence that says what must change; empty if that is not known.
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
    """One request to a provider with its response, as far as it may be shown.

    Attributes:
        path: the path below the API's URL, or from its root.
        status: None if there was no meaningful response.
        headers: the headers of the response that providers evaluate.
        body: the fields of the response that providers evaluate.
        moved: the path that answered instead, after a redirect.
        failure: why there was no response, as a clause that follows the host's name.
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
    """The result of one inspection.

    Attributes:
        findings: one for each role of the question.
        remedy: a whole sentence that says what to do, with a link where the provider has one; it fits
            insufficient, invalid and blocked findings alike.
        requests: the number of HTTP requests.
        complete: False if there was not enough time for some requests, so that the next inspection sends them again.
        unseen: repositories of the question that the provider does not show (404). Whether they exist or not, Git
            cannot read them with this credential.
        evidence: the requests in the order in which they were sent; empty unless evidence was requested.
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
