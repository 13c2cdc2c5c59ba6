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

# The base64 of `eyJ`, with which every compact JWE starts.
_BEGINNING = "ZXlK"


@dataclass(frozen=True, slots=True)
class OpenedData:
    """The `data` of a Secret with its sealed values opened.

    Attributes:
        data: base64 text by key, with the plaintext of sealed values.
        opened: the sealed values that were opened, by key.
        closed: why a sealed value cannot be opened, by key.
    """

    data: Mapping[str, str] = field(repr=False)
    opened: Mapping[str, Opened] = field(default_factory=dict)
    closed: Mapping[str, Closed] = field(default_factory=dict)

    @property
    def kids(self) -> dict[str, str]:
        """The ids of the keys that sealed values, by key of `data`."""
        return {key: opened.kid for key, opened in self.opened.items()}

    def without(self, closed: Mapping[str, Closed], stored: Mapping[str, str]) -> OpenedData:
        """Return the same data with some values closed.

        Args:
            stored: the values of the Secret.
        """
        if not closed:
            return self
        data = {key: stored[key] if key in closed else value for key, value in self.data.items()}
        opened = {key: value for key, value in self.opened.items() if key not in closed}
        return OpenedData(data, opened, {**self.closed, **closed})


class Opener:
    """Opens the sealed values of one review. Each is opened once, because old and new version share most of them.

    `credentials.sealed_hosts` decides which host a value is for.
    """

    def __init__(self, ring: KeyRing, hosts: Hosts | None = None, default_host: str = "github.com") -> None:
        self.ring = ring
        self.hosts = hosts if hosts is not None else Hosts()
        self.default_host = default_host
        self._known: dict[tuple[Place, str], Opened | Closed] = {}
        self._first_hosts: dict[tuple[Place, str], str] = {}

    def open(self, secret: SecretObject) -> OpenedData:
        """Open the values of a Secret, whatever hosts they are bound to."""
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
        """Return why a value does not open for the host of its Secret; None if it does.

        A value that is bound to no host, from an earlier version, opens for one host in a review: the first one, which
        is that of the stored Secret (`credentials.sealed_hosts.opener_for`).
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
                known = error.with_traceback(None)  # its frames would keep the value
            self._known[place, value] = known
        return known


def stored_text(value: str) -> str | None:
    """Return the text of a value of `data`; None if it is not text in base64."""
    try:
        return binascii.a2b_base64(value, strict_mode=True).decode()
    except ValueError:
        return None
