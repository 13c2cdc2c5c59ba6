"""Seal users' tokens in `/mutate`, and check in `/validate` that they are sealed.

Sealing is randomized, so a token must not be sealed twice: a value that the Secret already has, or that is sealed in
the request, stays byte for byte. An immutable Secret stays as it is, because the API server would reject the write.

``kubectl apply`` stores the manifest with its tokens in an annotation. The sealed value replaces the token there, too.
kubectl only compares the annotation's keys, so its next apply changes nothing (KUBERNETES.md §1.8).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from webhook.credentials.entries import Entry, Undecodable
from webhook.credentials.extract import UserValue, user_values
from webhook.credentials.matching import Match
from webhook.credentials.sealed_hosts import opened_data
from webhook.credentials.secret_search import SecretSearch
from webhook.decision import Cause
from webhook.keyring.jwe import LONGEST, Opened, Place, TooLong, seal, seal_or_keep, sealed_length, sealing_key
from webhook.keyring.opener import Opener
from webhook.names import LAST_APPLIED
from webhook.providers.token_shapes import name_holds_token
from webhook.review.last_applied import LONGEST_LAST_APPLIED, LastApplied, Unreadable, unwrapped
from webhook.subject import SecretObject, Subject

MOST_DATA = 1024 * 1024
"""Bytes that the values of a Secret may have together (Kubernetes: MaxSecretSize)."""
MOST_ANNOTATIONS = 256 * 1024
"""Bytes that all annotations of an object may have together (Kubernetes: TotalAnnotationSizeLimitB)."""

_MISSED = (
    "This token is in plain text, but only sealed tokens are allowed: the mutating webhook was not called, or another "
    "webhook changed this value after it. Write it again; if that does not help, check that the "
    "MutatingWebhookConfiguration is installed."
)
_FROZEN = "This token stays in plain text, because its Secret is immutable: create the Secret again with a new token."
_IMMUTABLE = (
    "This Secret is immutable, and the API server denies every change of its tokens: delete it, and create it again "
    "with the new token."
)
_REMOVED = (
    f"The annotation {LAST_APPLIED} would have kept a token in plain text, so it was removed: the next kubectl apply "
    "warns that it is missing, and does not delete keys that were removed from the manifest."
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """The changes that seal a write.

    Attributes:
        values: the new text of a value by its key, sealed.
        kids: the key that each of them is sealed by.
        last_applied: the annotation as it shall be; None where it shall not be there. Without a change, absent.
        warnings: whole sentences.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    kids: Mapping[str, str] = field(default_factory=dict)
    last_applied: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()


def seal_values(subject: Subject, match: Match, opener: Opener, now: datetime) -> Sealed:
    """Return the changes that seal all users' tokens of a write; `unsealed_causes` names those that stay unsealed."""
    secret = subject.object
    if secret is None:
        return Sealed()
    sealer = _Sealer(subject.old, secret.namespace, opener, now)
    users = user_values(secret, match, opener)
    if _sealed_size(secret, users) > MOST_DATA:
        return Sealed()  # `unsealed_causes` reports it; the API server's message would not name the cause
    texts = {key: sealer.sealed(value) for key, value in users.items() if not value.kid}
    values = {key: text for key, text in texts.items() if text is not None}
    kids = {key: kid for key, text in values.items() if (kid := sealing_key(text)) is not None}
    written = {key: values.get(key) or _text(secret, key) for key in users if key in values or users[key].kid}
    search = SecretSearch(form for key in written for form in _forms(users[key]))
    last_applied, warnings = _without_tokens(secret, match, sealer, users, written, search)
    stays = [key for key in users if key not in written and _is_frozen(subject.old) and not _is_changed(subject, key)]
    frozen = [f"{users[key].field}: {_FROZEN}" for key in stays]
    return Sealed(values, kids, last_applied, (*warnings, *frozen, *_shown_elsewhere(secret, search)))


def immutable_warnings(subject: Subject, entries: Iterable[Entry]) -> list[str]:
    """Return warnings about entries that change although the stored Secret is immutable.

    The API server denies such a write, but names neither the entry nor what to do.
    """
    if not _is_frozen(subject.old):
        return []
    return [f"{entry.field}: {_IMMUTABLE}" for entry in entries if _is_changed(subject, entry.key)]


def _is_changed(subject: Subject, key: str) -> bool:
    secret, old = subject.object, subject.old
    return secret is not None and old is not None and secret.data.get(key) != old.data.get(key)


def unsealed_causes(subject: Subject, match: Match, opener: Opener) -> list[Cause]:
    """Return the causes for denying a write that `seal_values` would have changed."""
    secret = subject.object
    if secret is None or _is_frozen(subject.old):
        return []
    users = user_values(secret, match, opener)
    size = _sealed_size(secret, users)
    return [Cause(value.field, _why_unsealed(value, size)) for value in users.values() if not value.kid]


def _sealed_size(secret: SecretObject, users: Mapping[str, UserValue]) -> int:
    """Return the bytes of the Secret's data with sealed tokens, as Kubernetes counts them."""
    size = 0
    for key, text in secret.data.items():
        value = users.get(key)
        if value is None or value.kid:
            size += len(text) // 4 * 3 - text[-2:].count("=")
        else:
            length = len(value.plaintext.get_secret_value().encode())
            size += sealed_length(length, Place(secret.namespace, key, host=value.host))
    return size


def _why_unsealed(value: UserValue, size: int) -> str:
    if len(value.plaintext.get_secret_value().encode()) > LONGEST:
        return f"This value is longer than {LONGEST} bytes, which is too long to seal; write only the token."
    if size > MOST_DATA:
        return (
            f"Sealed, the data of this Secret has {size} bytes, more than the {MOST_DATA} that Kubernetes allows; "
            "split it into several Secrets."
        )
    return _MISSED


def _is_frozen(old: SecretObject | None) -> bool:
    return old is not None and old.immutable


def _text(secret: SecretObject, key: str) -> str:
    return base64.b64decode(secret.data[key]).decode()


class _Sealer:
    """Seals the values of one write."""

    def __init__(self, old: SecretObject | None, namespace: str, opener: Opener, now: datetime) -> None:
        self._old = old
        self._opened = _opened_of(old, opener)
        self._frozen = _is_frozen(old)
        self._namespace = namespace
        self.opener = opener
        self._now = now

    def sealed(self, value: UserValue) -> str | None:
        """Return the sealed text to store; None if the plain text must stay."""
        place, ring = Place(self._namespace, value.key, host=value.host), self.opener.ring
        stored = self._stored(value)
        try:
            text = seal_or_keep(value.plaintext, stored, place, ring, self._now)
        except TooLong:
            return None
        return None if self._frozen and text != stored else text

    def sealed_aside(self, value: UserValue) -> str:
        """Return the sealed text for a key that the Secret no longer has; None if the value is too long."""
        try:
            place = Place(self._namespace, value.key, host=value.host)
            return seal(value.plaintext, place, self.opener.ring.active(self._now))
        except TooLong:
            return ""

    def _stored(self, value: UserValue) -> str | None:
        """Return the sealed text of the stored Secret for a value, if it opens there and for the same host."""
        opened = self._opened.get(value.key)
        if self._old is None or opened is None:
            return None
        if self.opener.closed_for(self._old, value.key, opened, value.host) is not None:
            return None
        return _text(self._old, value.key)


def _opened_of(secret: SecretObject | None, opener: Opener) -> Mapping[str, Opened]:
    if secret is None:
        return {}
    try:
        return opened_data(secret, opener).opened
    except Undecodable:  # the annotation is removed
        return {}


def _shown_elsewhere(secret: SecretObject, search: SecretSearch) -> list[str]:
    """Return warnings about labels and annotations that contain a token that is sealed.

    Some tools keep whole manifests there. They belong to other programs, so they are not changed.
    """
    warnings: list[str] = []
    for what, marks in (("label", secret.labels), ("annotation", secret.annotations)):
        for name, value in marks.items():
            if name == LAST_APPLIED or not (search.is_shown_in(unwrapped(value)) or search.is_shown_in(name)):
                continue
            hidden = search.is_shown_in(name) or name_holds_token(name)
            warnings.append(
                f"The {what} {'whose name is one' if hidden else name} holds a token in plain text, "
                "although the value is sealed: remove it, and replace the token."
            )
    return warnings


# The annotation of kubectl.


def _without_tokens(
    secret: SecretObject,
    match: Match,
    sealer: _Sealer,
    users: Mapping[str, UserValue],
    written: Mapping[str, str],
    search: SecretSearch,
) -> tuple[dict[str, str | None], tuple[str, ...]]:
    """Return kubectl's annotation if it must change, and warnings about it.

    Args:
        written: the sealed text of each value of the Secret, except of those that stay plain.
        search: for what they hold.
    """
    text = changed = secret.annotations.get(LAST_APPLIED)
    if text is None or changed is None:
        return {}, ()
    try:
        applied = LastApplied(text, secret)
        values = user_values(applied.secret, match, sealer.opener)
    except (Unreadable, Undecodable):
        shown = [text]
    else:
        for key in applied.secret.data:
            value = values.get(key)
            if value is not None and value.kid:
                continue  # sealed already
            if key in written:
                applied.put(key, written[key])
            elif value is not None and key not in users:  # or it is in plain text in the Secret itself
                applied.put(key, sealer.sealed_aside(value))
        changed = applied.text()
        shown = applied.texts()
    shows_one = any(search.is_shown_in(unwrapped(one)) for one in shown)
    if changed == text and not shows_one:
        return {}, ()
    if shows_one or len(changed) > LONGEST_LAST_APPLIED or _annotations_size(secret, changed) > MOST_ANNOTATIONS:
        return {LAST_APPLIED: None}, (_REMOVED,)
    return {LAST_APPLIED: changed}, ()


def _annotations_size(secret: SecretObject, last_applied: str) -> int:
    """Return the bytes of all annotations, as Kubernetes counts them, with a new text of kubectl's annotation."""
    annotations = {**secret.annotations, LAST_APPLIED: last_applied}
    texts = (text for name, value in annotations.items() for text in (name, value))
    return sum(len(text.encode(errors="surrogatepass")) for text in texts)


def _forms(value: UserValue) -> list[str]:
    """Yield the forms of a value and its tokens in a manifest, without line breaks: plain, escaped and in base64."""
    texts = {value.plaintext.get_secret_value(), *value.tokens}
    forms = [form for text in texts for form in (text, json.dumps(text)[1:-1])]
    forms += [base64.b64encode(text.encode(errors="replace")).decode().rstrip("=") for text in texts]
    return [unwrapped(form) for form in forms]
