"""One write, parsed once: which rules it matches, which entries it holds, and which of them it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from webhook.credentials.entries import Entry, Undecodable
from webhook.credentials.extract import extract, url_of
from webhook.credentials.masks import DRY_RUN as MASKED
from webhook.credentials.masks import masked_entries, with_masks_malformed
from webhook.credentials.matching import Match, classify
from webhook.credentials.sealed_hosts import opener_for
from webhook.keyring.opener import Opener
from webhook.keyring.ring import KeyRing
from webhook.providers.hosts import Kind
from webhook.providers.requirements import Role
from webhook.review.annotations import keeps_marks
from webhook.settings.model import Settings
from webhook.settings.requirements import RequirementSettings
from webhook.subject import Operation, SecretObject, Subject

_SMALL = 32 * 1024
"""Characters of a Secret that take a few milliseconds at most. A usual one has a few hundred."""
_FEW = 128
"""Keys of a Secret, as above."""


@dataclass(frozen=True, slots=True)
class ParsedWrite:
    """A write, matched, opened and extracted once.

    Attributes:
        match: falsy if the Secret holds no Git credentials.
        before: the match of the stored Secret.
        entries: all entries of the new Secret.
        changed: the entries to judge.
        notes: warnings about entries that are not judged.
        unreadable: why the entries are not known, as a sentence; empty if they are.
    """

    subject: Subject
    match: Match
    before: Match
    opener: Opener | None
    entries: Mapping[str, Entry] = field(default_factory=dict, repr=False)  # a key may be a token by mistake
    changed: Mapping[str, Entry] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    unreadable: str = ""


class WriteParser:
    """Parses writes by one set of settings."""

    def __init__(self, settings: Settings, ring: Callable[[], KeyRing] | None) -> None:
        """
        Args:
            ring: returns the current key ring, which opens sealed values; None if there is none.
        """
        self._ring = ring
        self._rules = settings.all_rules
        self._rules_by_url = any(rule.urls for rule in self._rules)
        self._hosts = settings.hosts()
        self._user_host = settings.defaults.user_host

    def match(self, secret: SecretObject | None) -> Match:
        """Return the rules that a Secret matches."""
        url = url_of(secret) if secret is not None and self._rules_by_url else None
        return classify(secret, self._rules, url)

    def opener(self, stored: SecretObject | None = None) -> Opener | None:
        """Return an opener for the values of one Secret; None without a key ring.

        Args:
            stored: the Secret before the write under review.
        """
        if self._ring is None:
            return None
        return opener_for(stored, self._ring(), self._hosts, self._user_host)

    def parse(self, subject: Subject, secret: SecretObject) -> ParsedWrite:
        """Match, open and extract the new Secret of a write, and find what it changes."""
        match, before, opener = self.match(secret), self.match(subject.old), self.opener(subject.old)
        if not match:
            return ParsedWrite(subject, match, before, opener)
        try:
            entries = extract(secret, match, opener)
        except Undecodable as error:
            return ParsedWrite(subject, match, before, opener, unreadable=f"{error}.")
        changed: Mapping[str, Entry] = entries
        if subject.old is not None and asks_no_more(match, before):
            changed = _changed(entries, subject.old, match, opener)
        masked = masked_entries(secret, changed)
        if masked and subject.dry_run:
            changed = {key: entry for key, entry in changed.items() if key not in masked}
        elif masked:
            changed = with_masks_malformed(changed, masked)
        notes = (MASKED,) if masked and subject.dry_run else ()
        return ParsedWrite(subject, match, before, opener, entries, changed, notes)

    def unparsed(self, subject: Subject, secret: SecretObject, unreadable: str) -> ParsedWrite:
        """Return a write whose entries are not known for the reason `unreadable`, a sentence."""
        return ParsedWrite(subject, self.match(secret), self.match(subject.old), None, unreadable=unreadable)


def _changed(
    entries: Mapping[str, Entry], stored: SecretObject, match: Match, opener: Opener | None
) -> Mapping[str, Entry]:
    """Return the entries that differ from those of the stored Secret, sealed or not."""
    try:
        old = extract(stored, match, opener)
    except Undecodable:
        return entries
    return {key: entry for key, entry in entries.items() if old.get(key) != entry}


def asks_no_more(match: Match, before: Match) -> bool:
    """Return whether every requirement applied before: no new role, and no rule with requirements of its own."""
    asked_before = _asked_by(before)
    return all(asked in asked_before for asked in _asked_by(match))


def _asked_by(match: Match) -> list[tuple[Role, Mapping[Kind, RequirementSettings]]]:
    return [(rule.role, rule.requirements) for rule in match.rules]


def is_stored(subject: Subject) -> bool:
    """Return whether a write stores a new version of the Secret, which a DELETE does not."""
    return subject.operation in (Operation.CREATE, Operation.UPDATE) and subject.object is not None


def only_finishes_deletion(subject: Subject) -> bool:
    """Return whether a write only releases a Secret that was already being deleted, for example its finalizers.

    Only the stored object says that: anyone can write a deletionTimestamp into a new object. The matchConditions
    exclude these writes too, so that they work while the webhook is down.
    """
    secret, old = subject.object, subject.old
    if secret is None or old is None or not old.deleting:
        return False
    return secret.data == old.data and secret.labels == old.labels and keeps_marks(secret, old)


def is_large(subject: Subject) -> bool:
    """Return whether to parse a write outside of the event loop, which would stand still for many milliseconds."""
    return any(version is not None and _is_large(version) for version in (subject.object, subject.old))


def _is_large(secret: SecretObject) -> bool:
    if len(secret.data) > _FEW:
        return True
    return sum(map(len, secret.data.values())) + sum(map(len, secret.annotations.values())) > _SMALL
