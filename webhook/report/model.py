"""A report: one row for each token entry that was looked at, and what was not looked at and why.

Frozen values without I/O. Nothing here holds a token, a part of one, or a digest of one: whatever stands in these
fields may be printed, written to a file, or put on a page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from webhook.providers.findings import Outcome


class Severity(StrEnum):
    """How bad a row is, the worst first; in SARIF's words."""

    ERROR = "error"
    """The webhook would refuse it: insufficient, invalid, blocked, malformed, or unverified where that is denied."""
    WARNING = "warning"
    """It is let in with something to say: expires soon, unverified or unsupported where that is allowed, …"""
    NOTE = "note"
    """Not judged, and that on purpose: skipped."""
    NONE = "none"
    """All is well."""


class Attested(StrEnum):
    """What the Secret's own attestation says of an entry (DESIGN.md, "Attestation")."""

    YES = "attested"
    """The webhook has checked this entry as it is now."""
    NEVER = "never"
    """There is none: the Secret was written without the webhook."""
    CHANGED = "changed"
    """There is one, and the entry isn't what it speaks of: it was changed behind the webhook's back."""
    UNTRUSTED = "untrusted"
    """There is one that no key of ours has signed, or that was signed for another Secret."""
    UNKNOWN = ""
    """Not looked at: there is no key ring, or it is a manifest."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands.

    Attributes:
        cluster: the kubeconfig's context, where a report is about several; else empty.
        namespace: empty in a manifest that names none.
        name: of the Secret, or its ``generateName`` with a star after it.
        field: of the entry: ``data.password``; ``data`` where it is about the Secret as a whole.
        file: of a manifest as it was given; ``-`` for standard input; empty in a cluster.
        line: of the entry in `file`, counted from 1; None in a cluster.
    """

    namespace: str
    name: str
    field: str = "data"
    cluster: str = ""
    file: str = ""
    line: int | None = None

    @property
    def secret(self) -> str:
        """``NAMESPACE/NAME``, after the cluster where there are several."""
        return "/".join(part for part in (self.cluster, self.namespace, self.name) if part)


@dataclass(frozen=True, slots=True)
class Row:
    """One entry and what is known of it.

    Attributes:
        roles: `runtime`, `user`, or both.
        rules: the names of those that match the Secret.
        user: the platform's user that a user token belongs to, where that is known; empty for runtime tokens.
        outcome: the worst of all roles.
        outcomes: by role.
        message: what is wrong, and where the provider says so what to do, whole sentences without the field before
            them; empty where nothing is.
        todo: those sentences at the end of `message` that say what to do; empty where there are none.
        warnings: whole sentences about what stops nothing.
        remedy: a link where a better token is made; empty where there is none.
        provider: the kind of host; empty where it isn't known.
        short_lived: it lives for hours by nature, so that its end is no news.
        token: which of the report's distinct tokens it is, ``1`` for the first; by it rows with the same token are
            seen to belong together. None where no token could be read. It means nothing outside of this report.
        validated_at: when the provider was really asked; None where nobody was.
        applications: ``NAMESPACE/NAME`` of Argo CD Applications that sync with this credential, where they were read.
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

    @property
    def finding(self) -> str:
        """What is wrong, for whoever says apart from it what to do."""
        return self.message.removesuffix(self.todo).rstrip()


@dataclass(frozen=True, slots=True)
class NotLookedAt:
    """Something that may hold tokens and couldn't be judged: a SealedSecret, a SOPS file, a Secret we may not read.

    Attributes:
        why: a whole sentence.
    """

    place: Place
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """An Argo CD Application or ApplicationSet and one repository that it syncs from.

    Attributes:
        kind: `Application` or `ApplicationSet`.
        credential: the place of the credential that Argo CD uses for it; None where it has none.
        would_sync: None where that isn't known.
        message: why it would not, or isn't known: a whole sentence; empty where it would.
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
    """All of one run.

    Attributes:
        command: `check` or `audit`.
        sources: what was looked at: contexts or files.
        secrets: how many credential Secrets were judged.
        passed_over: what was there and is none of ours, by what it is: ``{"Secret": 12, "Deployment": 3}``.
        tokens: how many distinct ones there are.
        asked: how many questions went to providers: one for each distinct token, host and requirement.
        problems: why the run isn't complete: whole sentences; empty where it is.
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
        """Everything that was to be looked at was."""
        return not self.problems
