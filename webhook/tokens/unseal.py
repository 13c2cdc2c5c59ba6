"""Open one sealed token for a user who has the key ring and may read the Secret, and record it as an Event.

Such a user can open the value with any JOSE library as well. The Event shows other users that it happened, and is
written before the token is shown.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import SecretStr

from webhook.cluster.secrets import Stored, StoredSecrets
from webhook.credentials.entries import Undecodable
from webhook.credentials.sealed_hosts import named_host
from webhook.keyring.jwe import Closed, Opened, Place, open_value, sealing_key
from webhook.keyring.opener import stored_text
from webhook.keyring.ring import KeyRing
from webhook.providers.token_shapes import name_holds_token
from webhook.subject import SecretObject

REASON = "TokenUnsealed"
"""The reason of the Event."""


class NoSuchValue(Exception):
    """There is no such value, or there are several. The text is a sentence."""


class StaysClosed(Exception):
    """The value cannot be opened. The text is a sentence."""


def sealed_keys(secret: SecretObject) -> dict[str, str]:
    """Return the values that this webhook sealed, by key."""
    texts = {key: stored_text(value) for key, value in secret.data.items()}
    return {key: text for key, text in texts.items() if text is not None and sealing_key(text) is not None}


def open_one(secret: SecretObject, key: str | None, ring: KeyRing) -> tuple[str, Opened]:
    """Open the value of a key, or the only sealed value, and return it with its key.

    Raises:
        NoSuchValue: there is none, or there are several.
        StaysClosed: no key of the ring opens it, or the Secret names another host than that of the value.
    """
    where, sealed = f"{secret.namespace}/{secret.name}", sealed_keys(secret)
    if key is None:
        if not sealed:
            raise NoSuchValue(f"{where} holds no value that this webhook has sealed.")
        if len(sealed) > 1:
            named = ", ".join(sorted(name for name in sealed if not name_holds_token(name)))
            raise NoSuchValue(f"{where} holds {len(sealed)} sealed values; name one of them: {named}.")
        (key,) = sealed
    elif key not in secret.data:
        raise NoSuchValue(f"{where} has no such key.")
    elif key not in sealed:
        raise NoSuchValue(f"This webhook did not seal that value of {where}.")
    try:
        opened = open_value(sealed[key], Place(secret.namespace, key), ring)
        host = named_host(secret, opened.plaintext)
        if host is not None and (closed := opened.closed_for(host)) is not None:
            raise closed
    except (Closed, Undecodable) as error:
        raise StaysClosed(f"The value of {where} {error}.") from None
    return key, opened


async def write_event(secrets: StoredSecrets, stored: Stored, key: str, opened: Opened, now: datetime) -> None:
    """Write an Event that names the user and the key, but never the token, nor a key that contains it by mistake.

    Raises:
        ApiError: it was not written.
    """
    who = await secrets.username()
    holds_token = name_holds_token(key) or _shows(key, opened.plaintext)
    what = "a value" if holds_token else f"the value of {key}"
    message = f"{who} has opened {what}, which the key {opened.kid} had sealed, by git-token-webhook unseal."
    await secrets.record(stored, REASON, message[:1024], now)  # the limit of the API server


def _shows(name: str, token: SecretStr) -> bool:
    text = token.get_secret_value()
    return bool(text) and (text in name or name in text)
