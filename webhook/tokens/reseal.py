"""Move what older keys have sealed and signed to the one that seals now, so that they can go; and bind what was sealed
before values were bound to hosts.

The tokens don't change, so that the webhook, through which these writes go as any others, asks nobody. What is bound
and sealed by the active key already is passed over: stopped at any time and run again, it goes on where it was.
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
    """The webhook doesn't have the key that values would be moved to, so that they would be lost to it and to all who
    have the same ring; the text is for people."""

    def __init__(self, key: Key) -> None:
        super().__init__(
            f"the webhook doesn't have the key {key.kid} ({key.name}), and could open nothing that it has sealed. "
            "Bring its file to the Secret that the servers mount, and run this again when they have it."
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done about one Secret.

    Attributes:
        data: base64 text by key, sealed anew.
        annotations: those that have to change with it.
        left: why a value stays as it is that the active key hasn't sealed: clauses that stand after "a value".
    """

    data: Mapping[str, str] = field(default_factory=dict, repr=False)
    annotations: Mapping[str, str] = field(default_factory=dict, repr=False)
    left: tuple[str, ...] = ()

    @property
    def change(self) -> dict[str, Any]:
        """As a merge patch; empty where nothing is to be done."""
        change: dict[str, Any] = {"data": dict(self.data)} if self.data else {}
        return change | ({"metadata": {"annotations": dict(self.annotations)}} if self.annotations else {})


@dataclass(frozen=True, slots=True)
class Moved:
    """What has become of one Secret.

    Attributes:
        values: how many are, or without `dry_run` would not be, sealed by the active key now and weren't before.
        signed: its attestation is signed by the active key now, and wasn't before.
        left: as in `Plan`.
        failed: what went wrong when it was written: a clause. Empty where nothing did.
    """

    place: str
    values: int = 0
    signed: bool = False
    left: tuple[str, ...] = ()
    failed: str = ""


def plan(secret: SecretObject, ring: KeyRing, now: datetime, settings: Settings | None = None) -> Plan:
    """What moves a Secret to the active key, and binds its values to the host that they are for. Without I/O.

    Args:
        settings: of the webhook, which may declare hosts; the defaults without them.
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
            left.append("can't be changed, because its Secret is immutable: delete that, and create it again")
        renewed = {}
    annotations = _renamed(secret, renewed, active) | _rewritten(secret, sealed, renewed)
    attestation = _signed_anew(secret, opener, now, older)
    if attestation is not None:
        annotations[ATTESTATION] = attestation
    data = {key: _encoded(text) for key, text in renewed.items()}
    return Plan(data, annotations, tuple(left))


def _moves(text: str, ring: KeyRing, active: Key) -> bool:
    """Whether a sealed value has to be sealed again: by an older key or a missing one, or for no host yet."""
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
    """Move one Secret. Where somebody else changes it meanwhile, it is read again.

    Raises:
        KeyNotThere: the webhook doesn't have the active key. The Secret stays as it is.
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
        # The webhook has the last word about attestations: it may keep the stored one, or sign it itself.
        signed = signs and attesting_key(written.secret, ring, now) == ring.active(now).kid
        failed = await _give_back(secrets, stored, written)
        return Moved(stored.place, len(planned.data), signed, planned.left, failed)
    return Moved(stored.place, failed="others change it all the time")


async def reseal_all(
    secrets: StoredSecrets,
    namespace: str | None,
    ring: KeyRing,
    now: datetime,
    *,
    dry_run: bool = False,
    settings: Settings | None = None,
) -> AsyncIterator[tuple[Moved, int]]:
    """Move all Secrets of a namespace or of the cluster: what has become of each, and how many come after it.
    Some may come twice.

    Raises:
        KeyNotThere: as `reseal`.
        ApiError: they can't be listed.
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
    """What the webhook calls the new values that it can't open, although it could open those before: `external` if
    their key is missing there, `none` if it finds that they are for another host."""
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
    """Leave the fields to those who have applied them on the server's side: their next apply would be a conflict with
    us, who want nothing of them. Where that fails, what to say of it."""
    if not any(entry.get("operation") == "Apply" for entry in before.managed):
        return ""
    try:
        await secrets.change(written, {"metadata": {"managedFields": [dict(entry) for entry in before.managed]}})
    except ApiError:
        return f"is moved; the next server-side apply of it conflicts with {FIELD_MANAGER}, and has to be forced"
    return ""


def _renamed(secret: SecretObject, renewed: Mapping[str, str], active: Key) -> dict[str, str]:
    """The annotation that says which key opens what: the kid of the only entry, or a JSON object by entry."""
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
    """kubectl's annotation with the new values in place of the old ones, in whichever form it has them. A sealed value
    has nothing in it that JSON would escape, and stands nowhere by chance."""
    text = before = secret.annotations.get(LAST_APPLIED, "")
    for key, new in renewed.items():
        text = text.replace(sealed[key], new).replace(_encoded(sealed[key]), _encoded(new))
    return {LAST_APPLIED: text} if text != before else {}


def attesting_key(secret: SecretObject, ring: KeyRing, now: datetime) -> str | None:
    """The kid of the key that has signed the attestation; None where there is none, or it proves nothing."""
    try:
        return verify(secret.annotations.get(ATTESTATION, ""), secret, (), ring, now, max_age=None).key.kid
    except Untrusted:
        return None


def _signed_anew(secret: SecretObject, opener: Opener, now: datetime, older: set[str]) -> str | None:
    """The attestation, signed by the active key, where an older one has signed it: it says what it said."""
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
