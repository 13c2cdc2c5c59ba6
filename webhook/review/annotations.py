"""Patch the labels and annotations that report the result of a check, and the values that are sealed.

Values that a requester sends under our prefix are replaced. Entries that an UPDATE does not change keep the values of
the stored Secret, whatever the request contains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from webhook.credentials.entries import Entry, External
from webhook.decision import PatchOperation
from webhook.keyring.jwe import ALGORITHM
from webhook.names import (
    ATTESTATION,
    ENCRYPTION,
    HOST,
    INTEGRATION_NAME,
    INTEGRATION_TYPE,
    NOTIFICATIONS,
    PREFIX,
    PROVIDER,
    SKIP_VALIDATION,
    VALIDATION,
)
from webhook.providers.findings import Outcome
from webhook.providers.known_hosts import Hosts
from webhook.providers.requirements import Role
from webhook.review.jsonpatch import data_patch, metadata_patch
from webhook.review.policy import Judged, Validation, Verdict, worst
from webhook.review.sealing import Sealed
from webhook.subject import SecretObject, Subject

# Annotations under our prefix that users set.
_THEIRS = frozenset({SKIP_VALIDATION, NOTIFICATIONS})
# The labels of the platform on a user's Secret.
_PLATFORM_LABELS = {INTEGRATION_TYPE: "git", INTEGRATION_NAME: "default"}
_PLATFORM_NAME = "git-default-"
_ENCRYPTION = frozenset({"encryption", "encryption-algorithm", "encryption-key-id", "encrypted-keys"})

_Marks = dict[str, str]


def patch_for(
    subject: Subject,
    roles: frozenset[Role],
    verdicts: Mapping[str, Verdict],
    entries: Mapping[str, Entry],
    hosts: Hosts,
    attestation: str | None = None,
    sealed: Sealed | None = None,
) -> tuple[PatchOperation, ...]:
    """Return the patch that reports the result of a check on a Secret.

    Args:
        subject: with the old object only if that was a credential Secret. Any user may have set our labels on another
            Secret, because the API server does not call the webhook for it.
        attestation: of the verdicts. Without it and without verdicts, the stored attestation is kept.
        verdicts: by key, on the entries that were judged.
        entries: by key, all entries; those without a verdict are unchanged.
        hosts: find the provider of an entry that was not judged.
        sealed: the values that this patch seals.
    """
    secret, old = subject.object, subject.old
    if secret is None:
        return ()
    sealed = sealed or Sealed()
    kids = {key: entry.kid for key, entry in entries.items() if entry.kid} | dict(sealed.kids)
    never_checked = not verdicts and old is not None and VALIDATION not in old.labels
    if never_checked:
        labels, annotations = _Marks(), _encryption(entries, kids) if kids else _Marks()
    else:
        before = _Before(old, [key for key in entries if key not in verdicts])
        labels, annotations = _marks(roles, verdicts, entries, before, hosts)
        if attestation is None and not verdicts and old is not None:
            attestation = old.annotations.get(ATTESTATION)
        annotations |= _encryption(entries, kids)
        if attestation is not None:
            annotations["attestation"] = attestation
    annotations = _fitting(annotations, {**secret.annotations, **sealed.last_applied})
    label_changes = _changes(secret.labels, labels)
    label_changes |= _platform_labels(secret, subject.old)
    return _patch(secret, label_changes, _changes(secret.annotations, annotations), sealed)


def _platform_labels(secret: SecretObject, old: SecretObject | None) -> _Marks:
    """Return the platform's labels to add.

    A CREATE gets those that are absent. Controllers that replace all labels, as Sealed Secrets does, remove ours with
    their next write, so an UPDATE that removes both gets both.
    """
    if not (secret.name or secret.generate_name).startswith(_PLATFORM_NAME):
        return {}
    absent = {key: value for key, value in _PLATFORM_LABELS.items() if key not in secret.labels}
    if old is None:
        return absent
    return absent if absent == _PLATFORM_LABELS and _PLATFORM_LABELS.items() <= old.labels.items() else {}


def removal_for(subject: Subject, entries: Mapping[str, Entry] | None = None) -> tuple[PatchOperation, ...]:
    """Return the patch that removes our labels and annotations from a Secret that is no longer a credential Secret.

    Args:
        entries: the entries that it held before. Sealed values remain sealed, so the annotations that name their keys
            are kept.
    """
    secret = subject.object
    if secret is None:
        return ()
    old = subject.old
    if old is not None and old.data == secret.data and "sealed" in old.annotations.get(ENCRYPTION, ""):
        # Also if the key was retired, and nothing can be opened.
        annotations = {name: value for name, value in _ours(old.annotations).items() if name in _ENCRYPTION}
    else:
        sealed = {key: entry for key, entry in (entries or {}).items() if entry.kid}
        annotations = _encryption(sealed, {key: entry.kid for key, entry in sealed.items()}) if sealed else _Marks()
    return _patch(secret, _changes(secret.labels, {}), _changes(secret.annotations, annotations))


def unjudged_patch(
    subject: Subject,
    roles: frozenset[Role],
    validation: Validation,
    message: str,
    entries: Mapping[str, Entry] | None = None,
    sealed: Sealed | None = None,
) -> tuple[PatchOperation, ...]:
    """Return the patch for a Secret none of whose entries was judged.

    Args:
        message: why, as a sentence.
        entries: its entries. If any is sealed, the annotations say how they are stored.
    """
    secret = subject.object
    if secret is None:
        return ()
    entries, sealed = entries or {}, sealed or Sealed()
    kids = {key: entry.kid for key, entry in entries.items() if entry.kid} | dict(sealed.kids)
    annotations = {"message": _bounded(message)} | (_encryption(entries, kids) if kids else {})
    annotations = _fitting(annotations, {**secret.annotations, **sealed.last_applied})
    labels = {"role": _role_label(roles), "validation": str(validation)}
    return _patch(secret, _changes(secret.labels, labels), _changes(secret.annotations, annotations), sealed)


def restoring_patch(secret: SecretObject, stored: SecretObject) -> tuple[PatchOperation, ...]:
    """Return the patch that restores our labels and annotations from the stored Secret."""
    labels, annotations = _ours(stored.labels), _ours(stored.annotations)
    return _patch(secret, _changes(secret.labels, labels), _changes(secret.annotations, annotations))


def keeps_marks(secret: SecretObject, old: SecretObject) -> bool:
    """Return whether nothing under our prefix differs, the skip annotation included."""
    prefixed = [{k: v for k, v in one.annotations.items() if k.startswith(PREFIX)} for one in (secret, old)]
    return prefixed[0] == prefixed[1]


def _patch(
    secret: SecretObject,
    label_changes: Mapping[str, str | None],
    annotation_changes: Mapping[str, str | None],
    sealed: Sealed | None = None,
) -> tuple[PatchOperation, ...]:
    sealed = sealed or Sealed()
    metadata = metadata_patch(
        labels=secret.labels,
        annotations=secret.annotations,
        label_changes=label_changes,
        annotation_changes={**annotation_changes, **sealed.last_applied},
    )
    return (*metadata, *data_patch(sealed.values, secret.in_string_data))


class _Before:
    """Labels and annotations of the stored Secret about entries that were not judged now."""

    def __init__(self, old: SecretObject | None, keys: list[str]) -> None:
        self.keys = keys
        self._labels = old.labels if old else {}
        self._annotations = old.annotations if old else {}
        # Each is parsed once, because there can be a thousand entries.
        ours = {name: value for name, value in self._annotations.items() if name.startswith(PREFIX)}
        self._by_entry = {name: values_by_entry(value) for name, value in ours.items()}

    def mark(self, name: str, key: str) -> str | None:
        """Return an annotation of one entry. A plain value counts only if there is one entry."""
        by_entry = self._by_entry.get(PREFIX + name)
        if by_entry is not None:
            return by_entry.get(key)
        return self._annotations.get(PREFIX + name) if len(self.keys) == 1 else None

    def validation(self, key: str) -> Validation:
        """Return the last validation of an entry; `UNVERIFIED` if there is none."""
        value = self.mark("validation", key)
        if len(self.keys) == 1 and VALIDATION not in self._annotations:
            value = self._labels.get(VALIDATION)
        return Validation(value) if value in set(Validation) else Validation.UNVERIFIED

    def kinds(self, hosts: Hosts) -> set[str]:
        """Return the kinds of the providers of these entries."""
        kinds: set[str] = set()
        for key in self.keys:
            name = self.mark("host", key)
            host = hosts.find(name) if name is not None else None
            if host is not None:
                kinds.add(str(host.kind))
            elif name is not None and name == self._annotations[HOST]:  # a single host that is no longer declared
                kinds |= set(filter(None, self._labels.get(PROVIDER, "").split(".")))
        return kinds


def _marks(
    roles: frozenset[Role],
    verdicts: Mapping[str, Verdict],
    entries: Mapping[str, Entry],
    before: _Before,
    hosts: Hosts,
) -> tuple[_Marks, _Marks]:
    """Return the labels and the annotations, without the prefix."""
    marks = {key: _found(verdict) for key, verdict in verdicts.items()}
    marks |= {key: {name: v for name in _NAMES if (v := before.mark(name, key)) is not None} for key in before.keys}
    validations = {key: verdict.validation for key, verdict in verdicts.items()}
    validations |= {key: before.validation(key) for key in before.keys}
    annotations: _Marks = {}
    if len(entries) == 1:
        annotations = dict(*marks.values())
    elif entries:
        shown = {key for key, entry in entries.items() if not entry.hidden}
        for name in _NAMES:
            by_entry = {key: found[name] for key, found in marks.items() if name in found and key in shown}
            if by_entry:
                annotations[name] = _compact(by_entry)
        annotations["validation"] = _compact({key: str(value) for key, value in validations.items() if key in shown})
    labels = {"role": _role_label(roles), "validation": str(worst(validations.values()))}
    kinds = {str(v.judged.host.kind) for v in verdicts.values() if v.judged.host is not None} | before.kinds(hosts)
    if kinds:
        labels["provider"] = ".".join(sorted(kinds))
    return labels, annotations


_MOST = 256 * 1024
"""Bytes that all annotations of an object may have (Kubernetes: TotalAnnotationSizeLimitB)."""
_LEAST_MISSED = (
    "message",
    "token-type",
    "probed",
    "scopes",
    "account",
    "expires-at",
    "skip-reason",
    "validated-at",
    "attestation",
    "host",
    "validation",
    "encryption-algorithm",
    "encryption",
    "encryption-key-id",
    "encrypted-keys",
)


def _fitting(ours: _Marks, current: Mapping[str, str | None]) -> _Marks:
    """Return as many of our annotations as fit, so that a Secret with thousands of users can be stored."""
    theirs = {name: value for name, value in current.items() if not name.startswith(PREFIX) or name in _THEIRS}
    room = _MOST - sum(_size(name, value) for name, value in theirs.items() if value is not None)
    fitting = dict(ours)
    for name in _LEAST_MISSED:
        if sum(_size(PREFIX + one, value) for one, value in fitting.items()) <= room:
            break
        fitting.pop(name, None)
    return fitting


def _size(name: str, value: str) -> int:
    return sum(len(text.encode(errors="surrogatepass")) for text in (name, value))


# The names that `_found` returns.
_NAMES = (
    "host",
    "account",
    "token-type",
    "scopes",
    "expires-at",
    "probed",
    "validated-at",
    "skip-reason",
    "message",
)
WRITTEN = ("attestation", "validation", "role", "provider", *_NAMES, *sorted(_ENCRYPTION))
"""The names of all labels and annotations that this webhook writes, without the prefix."""
_LONGEST_MESSAGE = 1024
"""Characters: enough for a sentence with a link."""


def _found(verdict: Verdict) -> _Marks:
    """Return the annotations of one entry. Unknown values are left out."""
    judged = verdict.judged
    facts = judged.facts
    marks = {
        "host": judged.host_name,
        "account": facts.account or "",
        "token-type": facts.token_type,
        "scopes": ",".join(facts.holds),
        "expires-at": _rfc3339(facts.expires_at),
        "probed": facts.probed or "",
        "validated-at": _rfc3339(judged.checked_at) if _was_asked(judged) else "",
        "skip-reason": "; ".join(sorted({skip.reason for skip in judged.skips.values()})),
        "message": _message(verdict),
    }
    return {name: value for name, value in marks.items() if value}


def _message(verdict: Verdict) -> str:
    """Return the would-be denial or else the last warning, for those whose tools show no warnings."""
    if verdict.cause is not None:
        return _bounded(verdict.cause.message)
    return _bounded(verdict.warnings[-1].removeprefix(f"{verdict.judged.entry.field}: ")) if verdict.warnings else ""


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 1]}…"


def _encryption(entries: Mapping[str, Entry], kids: Mapping[str, str]) -> _Marks:
    """Return the annotations that say how each value is stored, and which key opens it.

    Args:
        kids: the ids of the keys of sealed values, by key, also of values that cannot be judged.
    """
    stored = {key: "external" if isinstance(entry.content, External) else "none" for key, entry in entries.items()}
    stored |= dict.fromkeys(kids, "sealed")
    marks = {
        "encryption": stored,
        "encryption-algorithm": dict.fromkeys(kids, ALGORITHM),
        "encryption-key-id": kids,
    }
    hidden = {key for key, entry in entries.items() if entry.hidden}
    if len(stored) == 1:
        found = {name: value for name, by_key in marks.items() for value in by_key.values()}
    else:
        by_name = {name: {k: v for k, v in by_key.items() if k not in hidden} for name, by_key in marks.items()}
        found = {name: _compact(by_key) for name, by_key in by_name.items() if by_key}
    keys = ",".join(sorted(kids.keys() - hidden))
    return found | ({"encrypted-keys": keys} if keys else {})


def _was_asked(judged: Judged) -> bool:
    unasked = (Outcome.SKIPPED, Outcome.UNVERIFIED, Outcome.UNSUPPORTED, Outcome.UNKNOWN_HOST, Outcome.MALFORMED)
    return any(finding.outcome not in unasked for finding in judged.findings.values())


def _rfc3339(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else ""


def _role_label(roles: frozenset[Role]) -> str:
    return ".".join(role for role in Role if role in roles)


def _ours(marks: Mapping[str, str]) -> _Marks:
    return {k.removeprefix(PREFIX): v for k, v in marks.items() if k.startswith(PREFIX) and k not in _THEIRS}


def _changes(current: Mapping[str, str], ours: _Marks) -> dict[str, str | None]:
    """Return the new values of our names; None for those to remove."""
    wanted: dict[str, str | None] = {PREFIX + name: None for name in _ours(current) if name not in ours}
    return wanted | {PREFIX + name: value for name, value in ours.items()}


def _compact(by_entry: Mapping[str, str]) -> str:
    return json.dumps(by_entry, separators=(",", ":"), sort_keys=True)


def values_by_entry(value: str) -> dict[str, str] | None:
    """Return the values in an annotation by the key of their entry; None for the plain value of a single entry."""
    if not value.startswith("{"):
        return None
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return {k: v for k, v in document.items() if isinstance(v, str)} if isinstance(document, dict) else None
