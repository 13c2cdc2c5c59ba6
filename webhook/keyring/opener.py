"""Open the sealed values of a Secret, so that their tokens can be checked."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from webhook.keyring.jwe import Closed, Opened, Place, Why, open_value
from webhook.keyring.ring import KeyRing
from webhook.providers.known_hosts import Hosts
from webhook.subject import SecretObject

# What every compact JWE begins with, `eyJ`, as base64 shows it: nothing else has to be decoded here.
_BEGINNING = "ZXlK"


@dataclass(frozen=True, slots=True)
class OpenedData:
    """The `data` of a Secret.

    Attributes:
        data: base64 text by key, as everywhere; of what was sealed, its plaintext.
        opened: what was sealed, by key of `data`.
        closed: by key, why a value stays closed that some key of ours may have sealed.
    """

    data: Mapping[str, str] = field(repr=False)
    opened: Mapping[str, Opened] = field(default_factory=dict)
    closed: Mapping[str, Closed] = field(default_factory=dict)

    @property
    def kids(self) -> dict[str, str]:
        """The id of the key that sealed a value, by key of `data`."""
        return {key: opened.kid for key, opened in self.opened.items()}

    def without(self, closed: Mapping[str, Closed], stored: Mapping[str, str]) -> OpenedData:
        """The same data with some values closed again.

        Args:
            stored: the values as the Secret has them.
        """
        if not closed:
            return self
        data = {key: stored[key] if key in closed else value for key, value in self.data.items()}
        opened = {key: value for key, value in self.opened.items() if key not in closed}
        return OpenedData(data, opened, {**self.closed, **closed})


class Opener:
    """Opens the values of one review, each once: most of them stand in the old version as well as in the new one.

    Which host a value is for is decided by `credentials.opened_data`, by the same settings as the check.
    """

    def __init__(self, ring: KeyRing, hosts: Hosts | None = None, default_host: str = "github.com") -> None:
        self.ring = ring
        self.hosts = hosts if hosts is not None else Hosts()
        self.default_host = default_host
        self._known: dict[tuple[Place, str], Opened | Closed] = {}
        self._first_hosts: dict[tuple[Place, str], str] = {}

    def open(self, secret: SecretObject) -> OpenedData:
        """What the Secret holds, whichever host its values are bound to."""
        data, opened, closed = dict(secret.data), dict[str, Opened](), dict[str, Closed]()
        for key, value in secret.data.items():
            if not value.startswith(_BEGINNING):
                continue
            found = self._opened(Place(secret.namespace, key), value)
            if isinstance(found, Opened):
                data[key] = base64.b64encode(found.plaintext.get_secret_value().encode()).decode()
                opened[key] = found
            elif found.why is not Why.NOT_OURS:
                closed[key] = found
        return OpenedData(data, opened, closed)

    def closed_for(self, secret: SecretObject, key: str, opened: Opened, host: str) -> Closed | None:
        """Why a value doesn't open for the host that the Secret says it is for; None where it does.

        A value without a host of its own, from before values were bound to hosts, opens for one host in a review: the
        first that it is opened for, which is that of the stored Secret (`credentials.opener_for`).
        """
        bound = opened
        if opened.host is None:
            first = self._first_hosts.setdefault((Place(secret.namespace, key), secret.data[key]), host)
            bound = replace(opened, host=first)
        return bound.closed_for(host)

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
