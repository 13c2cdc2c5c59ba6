"""The labels and annotations that say what was found: true when written, idempotent, and nobody else's.

A user who sends them gets ours. What the UPDATE left unchecked keeps what was last found, as the stored Secret
has it, and not as the request has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from webhook.admission.jsonpatch import patch_metadata
from webhook.decision import PatchOperation
from webhook.exemptions import ANNOTATION as SKIP_ANNOTATION
from webhook.findings import Outcome
from webhook.policy import Judged, Validation, Verdict, worst
from webhook.requirements import Role
from webhook.subject import Operation, SecretObject, Subject

PREFIX = "git-token-webhook/"
# Annotations under our prefix that users write and we only read.
_THEIRS = frozenset({SKIP_ANNOTATION, PREFIX + "notifications"})
# The platform's own labels of a user's Secret, filled in where absent at CREATE.
_PLATFORM_LABELS = {"io.codefresh.integration-type": "git", "io.codefresh.integration-name": "default"}
_PLATFORM_NAME = "git-default-"

_Marks = dict[str, str]


def patch_for(
    subject: Subject, roles: frozenset[Role], verdicts: Mapping[str, Verdict], unchecked: Iterable[str]
) -> tuple[PatchOperation, ...]:
    """The patch that makes the Secret say what was found.

    Args:
        verdicts: by entry, what was judged now.
        unchecked: the entries that are as they were.
    """
    secret = subject.object
    if secret is None:
        return ()
    if not verdicts and subject.old is not None:
        labels, annotations = _ours(subject.old.labels), _ours(subject.old.annotations)
        if frozenset(labels.get("role", "").split(".")) != roles:  # a role was dropped; what was found stays true
            labels = {**labels, "role": _role_label(roles)} if labels else {}
        # Values of entries that are gone go with them.
        kept = set(unchecked)
        annotations = {name: text for name, value in annotations.items() if (text := _only(value, kept))}
    else:
        labels, annotations = _marks(subject, roles, verdicts, list(unchecked))
    wanted_labels = _changes(secret.labels, labels)
    wanted_annotations = _changes(secret.annotations, annotations)
    if subject.operation is Operation.CREATE and (secret.name or secret.generate_name).startswith(_PLATFORM_NAME):
        wanted_labels |= {key: value for key, value in _PLATFORM_LABELS.items() if key not in secret.labels}
    return patch_metadata(secret.labels, wanted_labels, secret.annotations, wanted_annotations)


def removal_for(subject: Subject) -> tuple[PatchOperation, ...]:
    """The patch that takes our marks off a Secret that is no credential Secret any more: nobody keeps them true."""
    secret = subject.object
    if secret is None:
        return ()
    return patch_metadata(
        secret.labels, _changes(secret.labels, {}), secret.annotations, _changes(secret.annotations, {})
    )


def _marks(
    subject: Subject, roles: frozenset[Role], verdicts: Mapping[str, Verdict], unchecked: list[str]
) -> tuple[_Marks, _Marks]:
    before = subject.old.annotations if subject.old else {}
    before_labels = subject.old.labels if subject.old else {}
    keys = sorted({*verdicts, *unchecked})
    found = {key: _found(verdict) for key, verdict in verdicts.items()}
    names = {name for marks in found.values() for name in marks}
    if unchecked:
        names |= _ours(before).keys() - {"validation"}
    several = len(keys) > 1
    annotations: _Marks = {}
    for name in sorted(names):
        by_entry = {
            key: value
            for key in keys
            if (value := found[key].get(name) if key in found else _before(before, name, key))
        }
        if not by_entry:
            continue
        annotations[name] = _compact(by_entry) if several else next(iter(by_entry.values()))
    validations = {
        key: verdicts[key].validation if key in verdicts else _validation_before(before, before_labels, key)
        for key in keys
    }
    if several:
        annotations["validation"] = _compact({key: str(value) for key, value in validations.items()})
    labels = {"role": _role_label(roles), "validation": str(worst(validations.values()))}
    kinds = {str(v.judged.host.kind) for v in verdicts.values() if v.judged.host is not None}
    if unchecked and (kept := before_labels.get(PREFIX + "provider")):
        kinds |= set(kept.split("."))
    if kinds:
        labels["provider"] = ".".join(sorted(kinds))
    return labels, annotations


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
        "encryption": "external" if judged.external else "none",
    }
    return {name: value for name, value in marks.items() if value}


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


def _by_entry(value: str) -> dict[str, str] | None:
    """The JSON object of several entries, or None for the plain value of one."""
    if not value.startswith("{"):
        return None
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return {k: v for k, v in document.items() if isinstance(v, str)} if isinstance(document, dict) else None


def _before(before: Mapping[str, str], name: str, key: str) -> str | None:
    value = before.get(PREFIX + name)
    if value is None:
        return None
    by_entry = _by_entry(value)
    return value if by_entry is None else by_entry.get(key)


def _validation_before(before: Mapping[str, str], labels: Mapping[str, str], key: str) -> Validation:
    """What was last found of an entry; where nothing was, nobody has verified it."""
    value = _before(before, "validation", key) or labels.get(PREFIX + "validation", "")
    return Validation(value) if value in set(Validation) else Validation.UNVERIFIED


def _only(value: str, keys: set[str]) -> str:
    by_entry = _by_entry(value)
    if by_entry is None:
        return value
    return _compact({key: text for key, text in by_entry.items() if key in keys})
