"""The report model, with a row for each token entry and a list of what could not be checked.

Frozen values without I/O. No field holds a token, a part of one, or a digest of one, so that every field may be printed
or written to a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from webhook.providers.findings import Outcome
from webhook.report.evidence import Evidence


class Severity(StrEnum):
    """The severity of a row in SARIF's terms, the worst first."""

    ERROR = "error"
    """The webhook would deny it: insufficient, invalid, blocked, malformed, or unverified if that is denied."""
    WARNING = "warning"
    """The webhook would allow it with a warning: it expires soon, is unverified or unsupported, …"""
    NOTE = "note"
    """It is not checked, on purpose: skipped."""
    NONE = "none"
    """It is valid and sufficient."""


class Attested(StrEnum):
    """What the Secret's attestation says about an entry (docs/explanation/attestation.md)."""

    YES = "attested"
    """The webhook checked this entry as it is now."""
    NEVER = "never"
    """The Secret has no attestation: it was written without the webhook."""
    CHANGED = "changed"
    """The entry differs from the attested one: it was changed without the webhook."""
    UNTRUSTED = "untrusted"
    """No key of the key ring signed the attestation, or it is for another Secret."""
    UNKNOWN = ""
    """Not verified: there is no key ring, or the entry is in a manifest."""


@dataclass(frozen=True, slots=True)
class Place:
    """The location of an entry.

    Attributes:
        cluster: the kubeconfig's context if the report covers several clusters; else empty.
        namespace: empty in a manifest without a namespace.
        name: the name of the Secret, or its ``generateName`` followed by a star.
        field: the field of the entry, such as ``data.password``; ``data`` for the Secret as a whole.
        file: the path of the manifest as given; ``<stdin>`` for standard input; empty in a cluster.
        line: the line of the entry in `file`, counted from 1; None in a cluster.
    """

    namespace: str
    name: str
    field: str = "data"
    cluster: str = ""
    file: str = ""
    line: int | None = None

    @property
    def secret(self) -> str:
        """``NAMESPACE/NAME``, with the cluster before it if the report covers several."""
        return "/".join(part for part in (self.cluster, self.namespace, self.name) if part)


@dataclass(frozen=True, slots=True)
class Row:
    """One entry with its result.

    Attributes:
        roles: `runtime`, `user`, or both.
        rules: the names of the rules that match the Secret.
        user: the platform's user that a user token belongs to, if known; empty for runtime tokens.
        outcome: the worst outcome of all roles.
        outcomes: the outcomes by role.
        message: what is wrong and what to do, as whole sentences without the field; empty if nothing is wrong.
        todo: the sentences at the end of `message` that say what to do; may be empty.
        warnings: whole sentences that cause no denial.
        remedy: a link to the page that creates a better token; may be empty.
        provider: the kind of host; empty if unknown.
        short_lived: the token lives for hours by design, so its expiry is not reported.
        token: the number of the token among the report's distinct tokens, from 1; rows with the same token have the
            same number. None if no token could be read. Numbers have no meaning outside the report.
        validated_at: when the provider was asked; None if it was not asked.
        applications: ``NAMESPACE/NAME`` of Argo CD Applications that sync with this credential, if they were read.
        evidence: what the result rests on; None if no provider was asked.
    """

    place: Place
    roles: tuple[str, ...]
    outcome: Outcome
    severity: Severity
    rules: tuple[str, ...] = ()
    user: str = ""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    message: str = ""
    warnings: tuple[str, ...] = ()
    remedy: str = ""
    todo: str = ""
    provider: str = ""
    host: str = ""
    url: str = ""
    account: str = ""
    token_type: str = ""
    scopes: tuple[str, ...] = ()
    expires_at: datetime | None = None
    short_lived: bool = False
    skip_reason: str = ""
    attested: Attested = Attested.UNKNOWN
    token: int | None = None
    validated_at: datetime | None = None
    applications: tuple[str, ...] = ()
    evidence: Evidence | None = None

    @property
    def finding(self) -> str:
        """`message` without `todo`."""
        return self.message.removesuffix(self.todo).rstrip()


@dataclass(frozen=True, slots=True)
class NotLookedAt:
    """Something that may hold tokens but could not be checked: a SealedSecret, a SOPS file, an unreadable Secret.

    Attributes:
        why: a whole sentence.
    """

    place: Place
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """An Argo CD Application or ApplicationSet with one repository that it syncs from.

    Attributes:
        kind: `Application` or `ApplicationSet`.
        credential: the location of the credential that Argo CD uses for it; None if it has none.
        would_sync: None if unknown.
        message: why it would not sync or why that is unknown, as a whole sentence; empty if it would.
    """

    kind: str
    namespace: str
    name: str
    repository: str
    cluster: str = ""
    credential: Place | None = None
    would_sync: bool | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one run.

    Attributes:
        command: `check` or `audit`.
        sources: the contexts or files that were checked.
        secrets: the number of checked credential Secrets.
        passed_over: the number of ignored objects by kind: ``{"Secret": 12, "Deployment": 3}``.
        tokens: the number of distinct tokens.
        asked: the number of checks at providers, one for each distinct token, host and requirement.
        problems: why the run is not complete, as whole sentences; empty if it is complete.
    """

    command: str
    started_at: datetime
    finished_at: datetime
    sources: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    not_looked_at: tuple[NotLookedAt, ...] = ()
    applications: tuple[ApplicationRow, ...] = ()
    secrets: int = 0
    passed_over: Mapping[str, int] = field(default_factory=dict)
    tokens: int = 0
    asked: int = 0
    problems: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything in scope was checked."""
        return not self.problems
