"""A key ring that is a Secret: made once, never overwritten, and rotated like a folder."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta

import pytest

from tests.certs.objects import HERE, START, Memory
from webhook.cluster.objects import Json
from webhook.cluster.requests import Conflict
from webhook.errors import ConfigurationError
from webhook.keyring.key import parse_key
from webhook.keyring.ring import ACTIVATION
from webhook.keyring.secret import RingSecret

NAME = "webhook-keys"


def secret(objects: Memory) -> RingSecret:
    """Of a process that has just been started."""
    return RingSecret(objects, HERE.namespace, NAME)


def data(objects: Memory) -> Json:
    """What is kept."""
    found: Json = objects.get("secrets", NAME)["data"]
    return found


async def test_it_is_made_with_one_key() -> None:
    """As a key file holds it, by the day's name."""
    objects = Memory()
    assert await secret(objects).ensure(START) == "2026-11-23"
    ((name, text),) = data(objects).items()
    assert name == "2026-11-23"
    assert len(parse_key(base64.b64decode(text))) == 32


async def test_one_that_is_there_stays_as_it_is() -> None:
    """Whatever it holds, since what a lost key has sealed is lost with it: an upgrade runs this again."""
    objects = Memory()
    await secret(objects).ensure(START)
    before = dict(data(objects))
    assert await secret(objects).ensure(START + timedelta(days=40)) is None
    assert data(objects) == before
    data(objects).clear()
    assert await secret(objects).ensure(START) is None
    assert data(objects) == {}


async def test_of_many_at_once_one_makes_it() -> None:
    """The others find it there."""
    objects = Memory()
    made = await asyncio.gather(*(secret(objects).ensure(START) for _ in range(5)))
    assert sorted(map(bool, made)) == [False] * 4 + [True]


async def test_a_new_key_waits_and_the_old_one_stays() -> None:
    """Until every replica can have it; its own time is in the Secret."""
    objects = Memory()
    await secret(objects).ensure(START)
    stored = await secret(objects).read(ACTIVATION)
    old = stored.ring.keys[0]
    later = START + timedelta(days=30)
    ring = await secret(objects).add(stored, "2026-12-23", later)
    assert [key.name for key in ring.keys] == ["2026-11-23", "2026-12-23"]
    assert ring.keys[0].kid == old.kid
    assert ring.state(ring.keys[1], later + ACTIVATION / 2) == "waiting"
    assert ring.state(ring.keys[1], later + ACTIVATION) == "active"


async def test_a_key_that_would_never_seal_is_refused() -> None:
    """The last by name seals."""
    objects = Memory()
    await secret(objects).ensure(START)
    stored = await secret(objects).read(ACTIVATION)
    with pytest.raises(ConfigurationError, match="would not be the last key by name"):
        await secret(objects).add(stored, "2026-11-01", START)


async def test_a_secret_without_a_key_or_with_a_bad_one() -> None:
    """What is wrong is said, and nothing of what it holds."""
    objects = Memory()
    with pytest.raises(ConfigurationError, match="keys ensure --secret platform/webhook-keys"):
        await secret(objects).read(ACTIVATION)
    await secret(objects).ensure(START)
    data(objects)["2026-12"] = base64.b64encode(b"too short").decode()
    with pytest.raises(ConfigurationError, match="2026-12 in the Secret platform/webhook-keys") as caught:
        await secret(objects).read(ACTIVATION)
    assert "too short" not in str(caught.value)
    data(objects).clear()
    with pytest.raises(ConfigurationError, match="holds no key"):
        await secret(objects).read(ACTIVATION)


async def test_a_key_is_taken_out() -> None:
    """And the others stay as they are."""
    objects = Memory()
    await secret(objects).ensure(START)
    stored = await secret(objects).read(ACTIVATION)
    await secret(objects).add(stored, "2026-12-23", START + timedelta(days=30))
    both = dict(data(objects))
    await secret(objects).remove(await secret(objects).read(ACTIVATION), "2026-11-23")
    assert data(objects) == {"2026-12-23": both["2026-12-23"]}


async def test_a_key_is_taken_out_of_no_secret_that_others_have_changed() -> None:
    """They may have put a key in."""
    objects = Memory()
    await secret(objects).ensure(START)
    stored = await secret(objects).read(ACTIVATION)
    await secret(objects).add(stored, "2026-12-23", START + timedelta(days=30))
    with pytest.raises(Conflict):
        await secret(objects).remove(stored, "2026-11-23")
    assert set(data(objects)) == {"2026-11-23", "2026-12-23"}
