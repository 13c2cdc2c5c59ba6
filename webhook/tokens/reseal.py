"""Seal and sign again with the active key, so that older keys can be retired, and bind values to their hosts.

These writes go through the webhook, which asks no provider, because the tokens do not change. Values that are bound and
sealed by the active key are skipped, so the command can be interrupted and run again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from webhook.cluster.secrets import FIELD_MANAGER, ApiError, Conflict, Stored, StoredSecrets
from webhook.credentials.entries import Undecodable
from webhook.credentials.extract import extract
from webhook.credentials.matching import Match
from webhook.credentials.sealed_hosts import hosts_of
from webhook.keyring.jwe import Closed, Place, TooLong, is_bound, open_value, seal, sealing_key
from webhook.keyring.key import Key
from webhook.keyring.opener import Opener
from webhook.keyring.ring import KeyRing
from webhook.names import ATTESTATION, ENCRYPTION, ENCRYPTION_KEY_ID, HOST, LAST_APPLIED
from webhook.review.annotations import values_by_entry
from webhook.review.attestation import Untrusted, attest, verify
from webhook.settings.model import Settings
from webhook.settings.rules import Rule
from webhook.subject import SecretObject
from webhook.tokens.unseal import sealed_keys

_MOST_TRIES = 5
_OTHER_HOST = "by the webhook's configuration its tokens are for another host; give the same one with --config"


class KeyNotThere(ApiError):
    """The webhook does not have the active key, so it could not open the values. The text is a sentence."""

    def __init__(self, key: Key) -> None:
        super().__init__(
            f"the webhook does not have the key {key.kid} ({key.name}), so it could not open values of this key. "
            "Add its file to the Secret that the servers mount, and run the command again when they have loaded it."
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes of one Secret.

    Attributes:
        data: sealed values in base64, by key.
        annotations: the annotations that change with them.
        left: why values are not sealed again, as clauses that follow "a value".
    """

    data: Mapping[str, str] = field(default_factory=dict, repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict, repr=False)
    left: tuple[str, ...] = ()

    @property
    def change(self) -> dict[str, Any]:
        """The changes as a merge patch; empty without changes."""
        change: dict[str, Any] = {"data": dict(self.data)} if self.data else {}
        return change | ({"metadata": {"annotations": dict(self.annotations)}} if self.annotations else {})


@dataclass(frozen=True, slots=True)
class Moved:
    """The result for one Secret.

    Attributes:
        values: the number of values that were sealed again, or would be without `dry_run`.
        signed: whether its attestation was signed again.
        left: see `Plan`.
        failed: why the write failed, as a clause; empty if it did not.
    """

    place: str
    values: int = 0
    signed: bool = False
    left: tuple[str, ...] = ()
    failed: str = ""


def plan(secret: SecretObject, ring: KeyRing, now: datetime, settings: Settings | None = None) -> Plan:
    """Return the changes that move a Secret to the active key and bind its values to their hosts. Pure: no I/O.

    Args:
        settings: the webhook's settings, which may declare hosts.
    """
    settings = settings or Settings()
    opener = Opener(ring, settings.hosts(), settings.defaults.user_host)
    active = ring.active(now)
    older = {key.kid for key in ring.keys if key.name < active.name}
    sealed, left = sealed_keys(secret), list[str]()
    renewed: dict[str, str] = {}
    for key, text in sealed.items():
        if not _moves(text, ring, active):
            continue
        try:
            opened = open_value(text, Place(secret.namespace, key), ring)
            host = opened.host if opened.host is not None else _host_to_bind(secret, key, opener)
            renewed[key] = seal(opened.plaintext, Place(secret.namespace, key, host=host), active)
        except (Closed, TooLong, _HostUncertain) as error:
            left.append(str(error))
    if secret.immutable:
        if renewed:
            left.append("cannot be changed, because its Secret is immutable: delete the Secret, and create it again")
        renewed = {}
    annotations = _renamed(secret, renewed, active) | _rewritten(secret, sealed, renewed)
    attestation = _signed_anew(secret, opener, now, older)
    if attestation is not None:
        annotations[ATTESTATION] = attestation
    data = {key: _encoded(text) for key, text in renewed.items()}
    return Plan(data, annotations, tuple(left))


def _moves(text: str, ring: KeyRing, active: Key) -> bool:
    """Return whether to seal a value again: an older or missing key sealed it, or it is bound to no host."""
    key = ring.find(sealing_key(text) or "")
    if key is None or key.name < active.name:
        return True
    return key is active and not is_bound(text)


class _HostUncertain(ValueError):
    """A value can't be bound to a host; the text is a clause that stands after "a value"."""


def _host_to_bind(secret: SecretObject, key: str, opener: Opener) -> str:
    """
    Raises:
        _HostUncertain: the settings don't tell, or the webhook's own annotation names another.
    """
    try:
        host = hosts_of(secret, opener)[key]
    except Undecodable:
        host = ""
    if not host:
        raise _HostUncertain("can't be bound to a host, because its Secret doesn't name one; add its url")
    found = _by_entry(secret, HOST).get(key, host)
    if found != host:
        raise _HostUncertain(
            f"is for {host} by the configuration of this command, and the webhook has found another host; "
            "give the webhook's with --config"
        )
    return host


async def reseal(
    secrets: StoredSecrets,
    stored: Stored,
    ring: KeyRing,
    now: datetime,
    *,
    dry_run: bool = False,
    settings: Settings | None = None,
) -> Moved:
    """Move one Secret to the active key. After a conflict, it is read again.

    Raises:
        KeyNotThere: the webhook does not have the active key. The Secret is unchanged.
    """
    for _ in range(_MOST_TRIES):
        planned = plan(stored.secret, ring, now, settings)
        signs = ATTESTATION in planned.annotations
        if not planned.change or dry_run:
            return Moved(stored.place, len(planned.data), signs, planned.left)
        try:
            if planned.data:
                closed = _closed(stored, await secrets.change(stored, planned.change, dry_run=True), planned)
                if "external" in closed:
                    raise KeyNotThere(ring.active(now))
                if closed:
                    return Moved(stored.place, left=planned.left, failed=_OTHER_HOST)
            written = await secrets.change(stored, planned.change)
        except KeyNotThere:
            raise
        except Conflict:
            again = await secrets.read(stored.secret.namespace, stored.secret.name)
            if again is None:
                return Moved(stored.place)
            stored = again
            continue
        except ApiError as error:
            gone = error.status == 404
            return Moved(stored.place) if gone else Moved(stored.place, left=planned.left, failed=str(error))
        # The webhook decides about attestations: it may keep the stored one, or sign a new one.
        signed = signs and attesting_key(written.secret, ring, now) == ring.active(now).kid
        failed = await _give_back(secrets, stored, written)
        return Moved(stored.place, len(planned.data), signed, planned.left, failed)
    return Moved(stored.place, failed="other programs keep changing it")


async def reseal_all(
    secrets: StoredSecrets,
    namespace: str | None,
    ring: KeyRing,
    now: datetime,
    *,
    dry_run: bool = False,
    settings: Settings | None = None,
) -> AsyncIterator[tuple[Moved, int]]:
    """Move all Secrets of a namespace or of the cluster. Yield each result with the number of Secrets after it.

    Some Secrets can repeat.

    Raises:
        KeyNotThere: see `reseal`.
        ApiError: the Secrets cannot be listed.
    """
    async for page in secrets.pages(namespace):
        after = page.remaining + len(page.secrets)
        for stored in page.secrets:
            after -= 1
            try:
                yield await reseal(secrets, stored, ring, now, dry_run=dry_run, settings=settings), after
            except KeyNotThere:
                raise
            except ApiError as error:
                yield Moved(stored.place, failed=str(error)), after


def _closed(before: Stored, rehearsed: Stored, planned: Plan) -> set[str]:
    """Return how the webhook marks new values that it cannot open, although it could open the old ones.

    `external`: it does not have the key. `none`: it finds that the value is for another host.
    """
    was, becomes = _by_entry(before.secret, ENCRYPTION), _by_entry(rehearsed.secret, ENCRYPTION)
    changed = {becomes[key] for key in planned.data if key in becomes and becomes[key] != was.get(key)}
    return changed - {"sealed"}


def _by_entry(secret: SecretObject, name: str) -> dict[str, str]:
    """Return the value of an annotation for each key. A plain value is that of all keys."""
    text = secret.annotations.get(name, "{}")
    if text.startswith("{"):
        return values_by_entry(text) or {}
    return dict.fromkeys(secret.data, text)


async def _give_back(secrets: StoredSecrets, before: Stored, written: Stored) -> str:
    """Restore the field managers, so that the next server-side apply of their owners is no conflict.

    Return what to report if that fails, as a clause; otherwise an empty string.
    """
    if not any(entry.get("operation") == "Apply" for entry in before.managed):
        return ""
    try:
        await secrets.change(written, {"metadata": {"managedFields": [dict(entry) for entry in before.managed]}})
    except ApiError:
        return f"is changed, but its next server-side apply conflicts with {FIELD_MANAGER} and must be forced"
    return ""


def _renamed(secret: SecretObject, renewed: Mapping[str, str], active: Key) -> dict[str, str]:
    """Return the annotation with the ids of the keys: the id for a single entry, or a JSON object by entry."""
    value = secret.annotations.get(ENCRYPTION_KEY_ID)
    if value is None or not renewed:
        return {}
    if not value.startswith("{"):
        return {ENCRYPTION_KEY_ID: active.kid}
    try:
        kids = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(kids, dict):
        return {}
    kids |= dict.fromkeys(kids.keys() & renewed.keys(), active.kid)
    return {ENCRYPTION_KEY_ID: json.dumps(kids, separators=(",", ":"), sort_keys=True)}


def _rewritten(secret: SecretObject, sealed: Mapping[str, str], renewed: Mapping[str, str]) -> dict[str, str]:
    """Return kubectl's annotation with the new values in place of the old ones.

    A sealed value contains nothing that JSON escapes, and cannot occur by chance.
    """
    text = before = secret.annotations.get(LAST_APPLIED, "")
    for key, new in renewed.items():
        text = text.replace(sealed[key], new).replace(_encoded(sealed[key]), _encoded(new))
    return {LAST_APPLIED: text} if text != before else {}


def attesting_key(secret: SecretObject, ring: KeyRing, now: datetime) -> str | None:
    """Return the id of the key that signed the attestation; None without a valid one."""
    try:
        return verify(secret.annotations.get(ATTESTATION, ""), secret, (), ring, now, max_age=None).key.kid
    except Untrusted:
        return None


def _signed_anew(secret: SecretObject, opener: Opener, now: datetime, older: set[str]) -> str | None:
    """Return the attestation with a signature of the active key; None if no older key signed it."""
    ring = opener.ring
    text = secret.annotations.get(ATTESTATION)
    if text is None:
        return None
    try:
        before = verify(text, secret, (), ring, now, max_age=None)
        if before.key.kid not in older:
            return None
        roles = before.claims.roles
        # The roles are all that is read of a match.
        match = Match(tuple(Rule(name=role, role=role, names=("*",)) for role in roles))
        entries = extract(secret, match, opener)
    except (Untrusted, Undecodable):
        return None
    return attest(secret, roles, (), ring, now, before=before, unchanged=entries.values())


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
