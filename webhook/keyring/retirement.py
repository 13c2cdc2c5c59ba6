"""Whether a key can go: not while it seals, or a server that starts might seal with it, or a stored value needs it."""

from __future__ import annotations

from datetime import datetime

from webhook.errors import ConfigurationError
from webhook.keyring.key import Key
from webhook.keyring.ring import KeyRing
from webhook.opening import stored_text
from webhook.sealing import sealing_key
from webhook.stored_secrets import StoredSecrets
from webhook.subject import SecretObject


def key_to_retire(ring: KeyRing, name: str, now: datetime, *, settled: bool) -> Key:
    """The key of this name, where nothing seals with it any more.

    Args:
        settled: no server has started within the activation time, and none will before the key is taken from them.

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
            "been started for that long, and none will be before the key is taken from them, say --settled"
        )
    return key


def needs(secret: SecretObject, kid: str) -> bool:
    """Whether a value of a Secret says that this key has sealed it, whether or not it opens."""
    texts = map(stored_text, secret.data.values())
    return any(text is not None and sealing_key(text) == kid for text in texts)


async def places_that_need(secrets: StoredSecrets, kid: str) -> list[str]:
    """The Secrets of the cluster that hold a value sealed by this key.

    Raises:
        NotDone: not all of them could be seen.
    """
    places: dict[str, None] = {}
    async for page in secrets.pages():
        places |= dict.fromkeys(stored.place for stored in page.secrets if needs(stored.secret, kid))
    return list(places)
