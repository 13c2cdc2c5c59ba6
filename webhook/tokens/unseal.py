"""Show one sealed token to a person who holds the key ring and may read the Secret, and leave a trace of it.

Who holds both can open it with any JOSE library as well; the Event is for those who do it by this command, so that
others see that it happened. It is written first: what was shown and not written down can't be taken back.
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
    """There is no one value to open; the text is a whole sentence."""


class StaysClosed(Exception):
    """The value doesn't open; the text is a whole sentence."""


def sealed_keys(secret: SecretObject) -> dict[str, str]:
    """The sealed text by key, of the values that this webhook has sealed."""
    texts = {key: stored_text(value) for key, value in secret.data.items()}
    return {key: text for key, text in texts.items() if text is not None and sealing_key(text) is not None}


def open_one(secret: SecretObject, key: str | None, ring: KeyRing) -> tuple[str, Opened]:
    """The value of `key`, or the only one, and the key that holds it.

    Raises:
        NoSuchValue: there is none, or there are several.
        StaysClosed: the ring doesn't open it, or the Secret names another host than it is sealed for.
    """
    where, sealed = f"{secret.namespace}/{secret.name}", sealed_keys(secret)
    if key is None:
        if not sealed:
            raise NoSuchValue(f"{where} holds no value that this webhook has sealed.")
        if len(sealed) > 1:
            named = ", ".join(sorted(name for name in sealed if not name_holds_token(name)))
            raise NoSuchValue(f"{where} holds {len(sealed)} sealed values; say which one: {named}.")
        (key,) = sealed
    elif key not in secret.data:
        raise NoSuchValue(f"{where} has no such key.")
    elif key not in sealed:
        raise NoSuchValue(f"That value of {where} isn't sealed by this webhook.")
    try:
        opened = open_value(sealed[key], Place(secret.namespace, key), ring)
        host = named_host(secret, opened.plaintext)
        if host is not None and (closed := opened.closed_for(host)) is not None:
            raise closed
    except (Closed, Undecodable) as error:
        raise StaysClosed(f"The value of {where} {error}.") from None
    return key, opened


async def write_event(secrets: StoredSecrets, stored: Stored, key: str, opened: Opened, now: datetime) -> None:
    """Tell the cluster who has seen which token; never the token, or a key of the Secret that holds it by a slip.

    Raises:
        ApiError: it could not be told.
    """
    who = await secrets.username()
    holds_token = name_holds_token(key) or _shows(key, opened.plaintext)
    what = "a value" if holds_token else f"the value of {key}"
    message = f"{who} has opened {what}, which the key {opened.kid} had sealed, by git-token-webhook unseal."
    await secrets.record(stored, REASON, message[:1024], now)  # the API server takes no longer one


def _shows(name: str, token: SecretStr) -> bool:
    text = token.get_secret_value()
    return bool(text) and (text in name or name in text)
