"""The rows of the console: one for each token entry of a Secret.

The newest source that is about the Secret's present version counts: a check from the console, the report of the
continuous audit, or else the labels and annotations that the webhook wrote.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from webhook.audit.rows import place_of
from webhook.audit.watch.events import MUTED
from webhook.audit.watch.state import Entry as ReportEntry
from webhook.audit.watch.state import Known
from webhook.cluster.listing import Listed
from webhook.names import PREFIX, PROVIDER, VALIDATION
from webhook.providers.findings import Outcome
from webhook.providers.token_shapes import name_holds_token
from webhook.report.advice import link
from webhook.report.model import Row, Severity
from webhook.report.page.entries import EvidenceLine, evidence_lines
from webhook.report.page.figures import left
from webhook.review import messages
from webhook.review.annotations import values_by_entry
from webhook.text import day

_ROLE = PREFIX + "role"
_TOKEN_FIELDS = frozenset({"token", "password", "accessToken", "bearerToken", "githubAppPrivateKey"})
_SEVERITIES = {
    "passed": Severity.NONE,
    "skipped": Severity.NOTE,
    "warned": Severity.WARNING,
    "unverified": Severity.WARNING,
    "unsupported": Severity.WARNING,
}
_RESULTS = {
    "pass": Severity.NONE,
    "skip": Severity.NOTE,
    "warn": Severity.WARNING,
    "error": Severity.WARNING,
    "fail": Severity.ERROR,
}
_ORDER = {severity: number for number, severity in enumerate(Severity)}
_UNCHECKED = "The webhook has never checked it."
_LARGEST_ATTESTATION = 65_536


@dataclass(frozen=True)
class Entry:
    """One token entry.

    Attributes:
        key: the field of `data` that holds it, if known; empty otherwise.
        user: the platform's user, in a Secret that holds a token for each user; empty otherwise.
        state: a word such as ``valid``, ``insufficient`` or ``expired``.
        reason: what is wrong, as whole sentences; empty if nothing is.
        remedy: a link to the page that creates a better token; may be empty.
        source: who found this: ``webhook``, ``continuous audit`` or ``console``.
        muted: whether the continuous audit writes no Events about it.
        dependents: ``NAMESPACE/NAME`` of the Argo CD Applications that sync with it; None while unknown.
        evidence: what the result of a check from the console rests on.
    """

    uid: str
    version: str
    namespace: str
    name: str
    key: str
    user: str
    roles: tuple[str, ...]
    provider: str
    host: str
    account: str
    kind: str
    scopes: str
    state: str
    severity: Severity
    reason: str
    remedy: str
    expires_at: datetime | None
    checked_at: datetime | None
    source: str
    muted: bool
    dependents: tuple[str, ...] | None = None
    evidence: tuple[EvidenceLine, ...] = ()

    @property
    def place(self) -> str:
        """``NAMESPACE/NAME``."""
        return f"{self.namespace}/{self.name}"

    @property
    def is_runtime(self) -> bool:
        """Whether it is a runtime's token."""
        return "runtime" in self.roles

    @property
    def expires(self) -> str:
        """The day of expiry; empty if unknown."""
        return day(self.expires_at) if self.expires_at is not None else ""

    def left(self, now: datetime) -> str:
        """Return the remaining lifetime in words; empty if unknown."""
        return left(self.expires_at, now) if self.expires_at is not None else ""

    @cached_property
    def text(self) -> str:
        """The text that the search looks through."""
        parts = (self.place, self.key, self.user, self.provider, self.host, self.account, self.kind, self.state)
        return "\n".join((*parts, self.reason, self.expires, *(self.dependents or ()))).lower()

    @property
    def rank(self) -> tuple[int, datetime, str, str]:
        """The sort key with the worst first, then the earliest expiry."""
        far = datetime.max.replace(tzinfo=self.expires_at.tzinfo if self.expires_at else None)
        end = self.expires_at or far
        return _ORDER[self.severity], end.replace(tzinfo=None), self.place, self.key


def entries_of(
    listed: Listed,
    roles: Iterable[str],
    known: Known | None,
    rows: Iterable[Row] | None,
    dependents: tuple[str, ...] | None,
) -> list[Entry]:
    """Return the rows of a Secret.

    Args:
        roles: by the rules that match it.
        known: its state by the continuous audit, if there is a report.
        rows: the result of the last check from the console, if there was one of this version.
    """
    secret, place = listed.secret, place_of(listed.secret)
    base = Entry(
        uid=listed.uid,
        version=listed.version,
        namespace=place.namespace,
        name=place.name,
        key="",
        user="",
        roles=tuple(sorted(roles)),
        provider=secret.labels.get(PROVIDER, ""),
        host="",
        account="",
        kind="",
        scopes="",
        state="",
        severity=Severity.NONE,
        reason="",
        remedy="",
        expires_at=None,
        checked_at=None,
        source="webhook",
        muted=listed.notifications == MUTED,
        dependents=dependents,
    )
    if rows is not None:
        return [_from_row(base, row) for row in rows]
    marked = [_from_marks(base, key, one, secret.labels.get(VALIDATION, "")) for key, one in _by_entry(listed.marks)]
    if known is not None and known.version == listed.version:
        scopes = {entry.key: entry.scopes for entry in marked}
        return [_from_report(base, entry, scopes) for entry in known.entries]
    return marked


def _from_row(base: Entry, row: Row) -> Entry:
    key = row.place.field.removeprefix("data.").removeprefix("data")
    state = "valid" if row.outcome is Outcome.SUFFICIENT else str(row.outcome)
    return replace(
        base,
        key=key,
        user=row.user,
        provider=row.provider,
        host=row.host,
        account=row.account,
        kind=row.token_type,
        scopes=", ".join(row.scopes),
        state=state,
        severity=row.severity,
        reason=_without(" ".join((row.message, *row.warnings)).strip(), row.remedy) or row.skip_reason,
        remedy=link(row.remedy),
        expires_at=None if row.short_lived else row.expires_at,
        checked_at=row.validated_at,
        source="console",
        evidence=tuple(evidence_lines(row.evidence)),
    )


def _from_report(base: Entry, found: ReportEntry, scopes: Mapping[str, str]) -> Entry:
    key = found.field.removeprefix("data.").removeprefix("data")
    return replace(
        base,
        key=key,
        user=_user(base.roles, key),
        provider=found.provider,
        host=found.host,
        account=found.account,
        kind=found.token_type,
        scopes=scopes.get(key, ""),
        state="valid" if found.state == "sufficient" else str(found.state),
        severity=_RESULTS[found.result],
        reason=_without(found.message, messages.link_in(found.message)),
        remedy=link(messages.link_in(found.message)),
        expires_at=None if found.short_lived else found.expires_at,
        checked_at=found.since,
        source="continuous audit",
    )


def _from_marks(base: Entry, key: str, marks: Mapping[str, str], label: str) -> Entry:
    validation = marks.get("validation") or label
    message = marks.get("message", "")
    unchecked = "" if validation else _UNCHECKED
    state = {"passed": "valid", "warned": "allowed with a warning", "": "not checked"}.get(validation, validation)
    return replace(
        base,
        key=key,
        user=_user(base.roles, key),
        host=marks.get("host", ""),
        account=marks.get("account", ""),
        kind=marks.get("token-type", ""),
        scopes=marks.get("scopes", "").replace(",", ", "),
        state=state,
        severity=_SEVERITIES.get(validation, Severity.WARNING),
        reason=_without(message, messages.link_in(message)) or marks.get("skip-reason") or unchecked,
        remedy=link(messages.link_in(message)),
        expires_at=_moment(marks.get("expires-at", "")),
        checked_at=_moment(marks.get("validated-at", "")),
    )


def aged(entry: Entry, now: datetime, warn_within: timedelta) -> Entry:
    """Return the entry as it is now: a token that was valid when it was checked may have expired since."""
    end = entry.expires_at
    if end is None or entry.severity is Severity.ERROR:
        return entry
    if end <= now:
        reason = f"It expired on {day(end)}. {messages.replacement(entry.remedy)}"
        return replace(entry, state="expired", severity=Severity.ERROR, reason=reason)
    if end <= now + warn_within and entry.state == "valid":
        reason = entry.reason or f"It expires {left(end, now)}. Replace it before then."
        return replace(entry, state="expires soon", severity=Severity.WARNING, reason=reason)
    return entry


def _user(roles: tuple[str, ...], key: str) -> str:
    return key if "user" in roles and key not in _TOKEN_FIELDS else ""


def _by_entry(marks: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    """Return the annotations of each entry by its key; the key is empty if the annotations do not name it."""
    objects = {name: found for name, value in marks.items() if (found := values_by_entry(value)) is not None}
    keys = dict.fromkeys(key for found in objects.values() for key in found if not name_holds_token(key))
    if keys:
        return [(key, {name: found[key] for name, found in objects.items() if key in found}) for key in keys]
    plain = {name: value for name, value in marks.items() if name != "attestation"}
    return [(_attested_key(marks.get("attestation", "")), plain)]


def _attested_key(attestation: str) -> str:
    """Return the key of the only entry that an attestation is about, to name it; nothing else relies on it here."""
    parts = attestation.split(".")
    if len(parts) != 3 or len(attestation) > _LARGEST_ATTESTATION:
        return ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        keys = list(claims["entries"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return keys[0] if len(keys) == 1 and isinstance(keys[0], str) and not name_holds_token(keys[0]) else ""


def _without(text: str, address: str) -> str:
    """Return the reason without the address of a link that follows it."""
    return text.replace(f": {address}", ".") if link(address) else text


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
