"""Key rings: every key opens and verifies; the last by name seals and signs once all replicas have it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from webhook.keyring.key import SHORTEST, Key, derive_key

ACTIVATION = timedelta(minutes=3)
"""How long a new key only opens. The kubelet updates a mounted Secret in all replicas within two minutes: its sync
period of one minute, and as long for its cache."""
ALWAYS = datetime.min.replace(tzinfo=UTC)
"""The time of a key that existed before this process started."""

State = Literal["active", "waiting", "opens"]


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys, and the time since which each exists.

    Attributes:
        keys: by name, in the order of its characters; at least one.
        since: the time since which each key is known to exist, by kid.
        activation: how long a key must have existed before it seals and signs.
        lasting: the keys are stored. A value that an ephemeral ring seals could never be opened again.
        doubts: warnings for the operator, as whole sentences.
    """

    keys: tuple[Key, ...]
    since: Mapping[str, datetime]
    activation: timedelta = ACTIVATION
    lasting: bool = True
    doubts: tuple[str, ...] = field(default=(), compare=False)

    def find(self, kid: str) -> Key | None:
        """Return the key with this kid; None if the ring has none."""
        return next((key for key in self.keys if key.kid == kid), None)

    def active(self, now: datetime) -> Key:
        """Return the key that seals and signs: the last by name of those that all replicas have. If there is none, the
        oldest."""
        ripe = (key for key in reversed(self.keys) if self.active_from(key) <= now)
        return next(ripe, None) or min(self.keys, key=self.active_from)

    def active_from(self, key: Key) -> datetime:
        """Return the time from which every replica has the key."""
        return self.since[key.kid] + self.activation

    def state(self, key: Key, now: datetime) -> State:
        """Return whether the key is active, waits for its activation, or only opens and verifies."""
        active = self.active(now)
        if key is active:
            return "active"
        return "waiting" if key.name > active.name else "opens"


def ephemeral_keyring() -> KeyRing:
    """Return a ring of one random key, which exists only in this process."""
    key = derive_key(secrets.token_bytes(SHORTEST), "ephemeral")
    return KeyRing((key,), {key.kid: ALWAYS}, lasting=False)
