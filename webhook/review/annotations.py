"""The labels and annotations that say what was found: true when written, idempotent, and nobody else's; and with
them the values that are sealed.

A user who sends them gets ours. What the UPDATE left unchecked keeps what was last found, as the stored Secret
has it, and not as the request has it.
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

# Annotations under our prefix that users write and we only read.
_THEIRS = frozenset({SKIP_VALIDATION, NOTIFICATIONS})
# The platform's own labels of a user's Secret.
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
    """The patch that makes the Secret say what was found.

    Args:
        subject: without an old object unless that was a credential Secret already. The marks of any other Secret may
            be anybody's, since the API server doesn't call for it.
        attestation: of what was judged now. Where nothing was and there is none, the stored one goes on being true.
        verdicts: by key, of the entries that were judged now.
        entries: by key, all that the Secret has; those without a verdict are as they were.
        hosts: by which the provider of an entry is known that wasn't judged.
        sealed: the values that are sealed by this patch.
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
    """The patch that takes our marks off a Secret that is no credential Secret any more: nobody keeps them true.

    Args:
        entries: what the Secret held when it was one. Of those that are sealed it goes on being said which key opens
            them: they stay sealed, and whoever uses them has to know.
    """
    secret = subject.object
    if secret is None:
        return ()
    old = subject.old
    if old is not None and old.data == secret.data and "sealed" in old.annotations.get(ENCRYPTION, ""):
        # Also where the key has gone meanwhile, and nothing can be opened.
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
    """Return the patch for a Secret of which no entry was judged.

    Args:
        message: why, a whole sentence.
        entries: what it holds. Of these only how they are stored is said, if any is sealed.
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
    """Return the patch that gives a Secret the marks that the stored one has."""
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
    """What the stored Secret says of the entries that weren't judged now."""

    def __init__(self, old: SecretObject | None, keys: list[str]) -> None:
        self.keys = keys
        self._labels = old.labels if old else {}
        self._annotations = old.annotations if old else {}
        # Each read once: there may be a thousand entries, and nobody else is served meanwhile.
        ours = {name: value for name, value in self._annotations.items() if name.startswith(PREFIX)}
        self._by_entry = {name: values_by_entry(value) for name, value in ours.items()}

    def mark(self, name: str, key: str) -> str | None:
        """An annotation of one entry. A plain value is of the only entry there was: of several, nobody knows whose."""
        by_entry = self._by_entry.get(PREFIX + name)
        if by_entry is not None:
            return by_entry.get(key)
        return self._annotations.get(PREFIX + name) if len(self.keys) == 1 else None

    def validation(self, key: str) -> Validation:
        """What was last found of an entry; where nothing was, nobody has verified it."""
        value = self.mark("validation", key)
        if len(self.keys) == 1 and VALIDATION not in self._annotations:
            value = self._labels.get(VALIDATION)
        return Validation(value) if value in set(Validation) else Validation.UNVERIFIED

    def kinds(self, hosts: Hosts) -> set[str]:
        """The kinds of the providers of these entries."""
        kinds: set[str] = set()
        for key in self.keys:
            name = self.mark("host", key)
            host = hosts.find(name) if name is not None else None
            if host is not None:
                kinds.add(str(host.kind))
            elif name is not None and name == self._annotations[HOST]:  # the only one, once declared
                kinds |= set(filter(None, self._labels.get(PROVIDER, "").split(".")))
        return kinds


def _marks(
    roles: frozenset[Role],
    verdicts: Mapping[str, Verdict],
    entries: Mapping[str, Entry],
    before: _Before,
    hosts: Hosts,
) -> tuple[_Marks, _Marks]:
    """The labels and the annotations, without prefix."""
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
"""Bytes that all annotations of an object may have together (Kubernetes: TotalAnnotationSizeLimitB)."""
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
    """As many of our annotations as there is room for, so that a Secret with thousands of users can be stored."""
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


# What `_found` may say.
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
"""Characters: a sentence with its link."""


def _found(verdict: Verdict) -> _Marks:
    """What is written about one entry; what isn't known has no annotation."""
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
    """How each value is stored, and which key opens it.

    Args:
        kids: by key, of the values that are sealed, also those that nobody can judge because something else is wrong.
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
    """What to set, and which of our names to take away."""
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
