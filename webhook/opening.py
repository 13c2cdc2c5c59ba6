"""A Secret as it is once everything in it is opened that a key of ours has sealed, so that it is judged by what it
holds."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.keyring.ring import KeyRing
from webhook.sealing import Closed, Opened, Place, Why, open_value
from webhook.subject import SecretObject

# What every compact JWE begins with, `eyJ`, as base64 shows it: nothing else has to be decoded here.
_BEGINNING = "ZXlK"


@dataclass(frozen=True, slots=True)
class OpenedData:
    """The `data` of a Secret.

    Attributes:
        data: base64 text by key, as everywhere; of what was sealed, its plaintext.
        kids: the key that sealed it, by the key of `data`; of what wasn't, nothing.
        closed: why a value stays closed that some key of ours may have sealed.
    """

    data: Mapping[str, str] = field(repr=False)
    kids: Mapping[str, str] = field(default_factory=dict)
    closed: Mapping[str, Closed] = field(default_factory=dict)


class Opener:
    """Opens the values of one review, each once: most of them stand in the old version as well as in the new one."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring
        self._known: dict[tuple[Place, str], Opened | Closed] = {}

    def open(self, secret: SecretObject) -> OpenedData:
        """What the Secret holds."""
        data, kids, closed = dict(secret.data), dict[str, str](), dict[str, Closed]()
        for key, value in secret.data.items():
            if not value.startswith(_BEGINNING):
                continue
            found = self._opened(Place(secret.namespace, key), value)
            if isinstance(found, Opened):
                data[key] = base64.b64encode(found.plaintext.get_secret_value().encode()).decode()
                kids[key] = found.kid
            elif found.why is not Why.NOT_OURS:
                closed[key] = found
        return OpenedData(data, kids, closed)

    def _opened(self, place: Place, value: str) -> Opened | Closed:
        known = self._known.get((place, value))
        if known is None:
            try:
                known = open_value(stored_text(value) or "", place, self.ring)
            except Closed as error:
                known = error.with_traceback(None)  # whose frames would keep the value
            self._known[place, value] = known
        return known


def stored_text(value: str) -> str | None:
    """The text that a value of `data` holds; None where it is no text in base64."""
    try:
        return binascii.a2b_base64(value, strict_mode=True).decode()
    except ValueError:
        return None
