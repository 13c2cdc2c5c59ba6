"""All keys of a ring: each opens and verifies; the last by name seals and signs, once everybody can have it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from webhook.keyring.key import SHORTEST, Key, derive_key

ACTIVATION = timedelta(minutes=3)
"""How long a new key only opens: kubelet brings a changed Secret to all replicas within two minutes (its sync period
of one, and as long for its cache)."""
ALWAYS = datetime.min.replace(tzinfo=UTC)
"""Since when a key is there that was there before anybody looked."""

State = Literal["active", "waiting", "opens"]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys there are, and since when.

    Attributes:
        keys: by name, in the order of its characters; at least one.
        since: since when each key is known to be there, by kid.
        activation: how long a key must have been there before it seals and signs.
        lasting: the keys are kept somewhere. What an ephemeral ring sealed could never be opened again.
        doubts: whole sentences about what somebody should mend.
    """

    keys: tuple[Key, ...]
    since: Mapping[str, datetime]
    activation: timedelta = ACTIVATION
    lasting: bool = True
    doubts: tuple[str, ...] = field(default=(), compare=False)

    def find(self, kid: str) -> Key | None:
        """The key of this id, with which to open or verify."""
        return next((key for key in self.keys if key.kid == kid), None)

    def active(self, now: datetime) -> Key:
        """The key that seals and signs: of those that everybody can have, the last by name; where there is none, the
        one that has been there for longest, since nothing else could."""
        ripe = (key for key in reversed(self.keys) if self.active_from(key) <= now)
        return next(ripe, None) or min(self.keys, key=self.active_from)

    def active_from(self, key: Key) -> datetime:
        """When every replica can be expected to have the key."""
        return self.since[key.kid] + self.activation

    def state(self, key: Key, now: datetime) -> State:
        """What the key does: seal and sign (and open and verify), wait until it may, or only open and verify."""
        active = self.active(now)
        if key is active:
            return "active"
        return "waiting" if key.name > active.name else "opens"


def ephemeral_keyring() -> KeyRing:
    """A ring of one key that nobody else has, and that ends with this process."""
    key = derive_key(secrets.token_bytes(SHORTEST), "ephemeral")
    return KeyRing((key,), {key.kid: ALWAYS}, lasting=False)
