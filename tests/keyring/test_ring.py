"""Which key seals and signs, and when a new one begins to."""

from __future__ import annotations

import secrets
from datetime import timedelta

import pytest

from tests.keyring.rings import NOW, make_ring
from webhook.keyring.key import derive_key
from webhook.keyring.ring import ACTIVATION, ALWAYS, KeyRing, ephemeral_keyring

SECOND = timedelta(seconds=1)


def ring_of(*since: timedelta | None) -> KeyRing:
    """Keys named a, b, c …, each there for so long at `NOW`, or always."""
    keys = tuple(derive_key(secrets.token_bytes(32), "abcdef"[place]) for place in range(len(since)))
    known = {key.kid: ALWAYS if age is None else NOW - age for key, age in zip(keys, since, strict=True)}
    return KeyRing(keys, known)


@pytest.mark.parametrize(
    ("since", "active"),
    [
        ((timedelta(),), "a"),
        ((None,), "a"),
        ((None, timedelta()), "a"),
        ((None, ACTIVATION - SECOND), "a"),
        ((None, ACTIVATION), "b"),
        ((None, None, timedelta()), "b"),
        ((None, ACTIVATION, SECOND), "b"),
        ((None, SECOND, ACTIVATION), "c"),
        ((SECOND, SECOND), "a"),
    ],
)
def test_the_last_key_that_all_replicas_have_seals(since: tuple[timedelta | None, ...], active: str) -> None:
    """A new key waits; the first of a ring seals at once, since nothing else could."""
    assert ring_of(*since).active(NOW).name == active


def test_states() -> None:
    """One seals, those before it only open, those after it wait."""
    ring = ring_of(None, None, SECOND)
    assert [ring.state(key, NOW) for key in ring.keys] == ["opens", "active", "waiting"]
    assert [ring.state(key, NOW + ACTIVATION) for key in ring.keys] == ["opens", "opens", "active"]
    assert ring.active_from(ring.keys[2]) == NOW - SECOND + ACTIVATION


def test_every_key_is_found_by_its_kid() -> None:
    """Also one that waits: another replica may have begun to use it."""
    ring = ring_of(None, None, SECOND)
    assert [ring.find(key.kid) for key in ring.keys] == list(ring.keys)
    assert ring.find("x") is None


def test_an_ephemeral_ring_is_nobody_elses() -> None:
    """It signs at once, says that it doesn't last, and no two are alike."""
    ring = ephemeral_keyring()
    assert ring.active(NOW) is ring.keys[0]
    assert not ring.lasting
    assert ephemeral_keyring().find(ring.keys[0].kid) is None


def test_a_ring_prints_no_key() -> None:
    """Its repr names keys and shows none."""
    ring = make_ring("a", "b")
    for key in ring.keys:
        assert key.digests.hex()[:8] not in repr(ring)
        assert repr(key.sealing.raw_value)[2:12] not in repr(ring)
