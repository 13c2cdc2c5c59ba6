"""Check whether a key can be retired: it must not be in use, and no stored value may need it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webhook.cluster.secrets import StoredSecrets
from webhook.errors import ConfigurationError
from webhook.keyring.jwe import sealing_key
from webhook.keyring.key import Key
from webhook.keyring.opener import stored_text
from webhook.keyring.ring import KeyRing
from webhook.subject import SecretObject
from webhook.tokens.reseal import attesting_key


def key_to_retire(ring: KeyRing, name: str, now: datetime, *, settled: bool) -> Key:
    """Return the key of this name, if no server seals with it.

    Args:
        settled: no server has started within the activation time, and none will before the key is removed.

    Raises:
        ConfigurationError: there is no such key, or it is in use.
    """
    key = next((key for key in ring.keys if key.name == name), None)
    if key is None:
        raise ConfigurationError(f"there is no key {name!r} in this ring: {', '.join(key.name for key in ring.keys)}")
    match ring.state(key, now):
        case "active":
            raise ConfigurationError(f"{name} seals and signs; add another key first: git-token-webhook keys rotate")
        case "waiting":
            raise ConfigurationError(f"{name} is the newest key, which will seal and sign")
        case _:
            pass
    if key is ring.keys[-2] and not settled:
        minutes = f"{ring.activation.total_seconds() / 60:g} minutes"
        raise ConfigurationError(
            f"{name} is the last key but one, with which a server seals for its first {minutes}. When no server has "
            "been started for that long, and none will be before the key is removed, pass --settled"
        )
    return key


def needs(secret: SecretObject, kid: str) -> bool:
    """Return whether a value of a Secret names this key as the one that sealed it."""
    texts = map(stored_text, secret.data.values())
    return any(text is not None and sealing_key(text) == kid for text in texts)


@dataclass(frozen=True, slots=True)
class Traces:
    """The use of a key ring in a cluster.

    Attributes:
        needing: the Secrets with a value that the key sealed.
        known: whether a key of the ring sealed or signed something in any Secret. If not, the cluster may be the wrong
            one.
    """

    needing: tuple[str, ...]
    known: bool


async def traces(secrets: StoredSecrets, ring: KeyRing, key: Key, now: datetime) -> Traces:
    """Search all Secrets of the cluster.

    Raises:
        ApiError: they cannot all be listed.
    """
    needing: dict[str, None] = {}
    known = False
    async for page in secrets.pages():
        for stored in page.secrets:
            if needs(stored.secret, key.kid):
                needing[stored.place] = None
            known = known or _shows(stored.secret, ring, now)
    return Traces(tuple(needing), known)


def _shows(secret: SecretObject, ring: KeyRing, now: datetime) -> bool:
    """Return whether a key of the ring sealed or signed something in a Secret."""
    return any(needs(secret, key.kid) for key in ring.keys) or attesting_key(secret, ring, now) is not None
