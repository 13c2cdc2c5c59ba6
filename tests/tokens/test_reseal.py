"""Move a Secret from older keys to the active one, as a pure function; tests/api_server tests the writes."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from tests.keyring.rings import make_ring
from tests.support.factories import NOW, Desk, make_runtime_secret, make_secret, make_token, make_user_secret
from webhook.keyring.jwe import Place, open_value, seal, sealing_key
from webhook.keyring.ring import ALWAYS, KeyRing
from webhook.names import ATTESTATION, ENCRYPTION_KEY_ID, LAST_APPLIED
from webhook.review.attestation import verify
from webhook.subject import SecretObject
from webhook.tokens.reseal import Plan, plan
from webhook.tokens.retire import needs

RING = make_ring("2026-10", "2026-11", "2026-12")
OLDEST, OLD, NEW = RING.keys
TOKEN = make_token("t")


def older(count: int) -> KeyRing:
    """The ring as it was when it had this many keys."""
    return replace(RING, keys=RING.keys[:count])


def sealed(key: str = "token", by: int = 1, token: str = TOKEN, host: str | None = "github.com") -> str:
    """A value that one of the keys has sealed for the namespace of the factories; without a host, as earlier versions
    did."""
    return seal(SecretStr(token), Place("runtime", key, host=host), RING.keys[by])


def opened(planned: Plan, key: str = "token") -> tuple[str, str]:
    """A token of a plan, and the kid of the key that holds it."""
    found = open_value(base64.b64decode(planned.data[key]).decode(), Place("runtime", key), RING)
    return found.plaintext.get_secret_value(), found.kid


def test_values_of_all_older_keys_move() -> None:
    """And nothing else: neither plain values nor what is there already."""
    values: dict[str, str | bytes] = {
        "a": sealed("a", 0),
        "b": sealed("b", 1),
        "c": sealed("c", 2),
        "plain": TOKEN,
        "eyJ": "eyJ",
        "no": b"\xff",
    }
    planned = plan(make_secret(values), RING, NOW)
    assert set(planned.data) == {"a", "b"}
    assert (opened(planned, "a"), opened(planned, "b")) == ((TOKEN, NEW.kid), (TOKEN, NEW.kid))
    assert (planned.annotations, planned.left) == ({}, ())


def test_nothing_moves_to_an_older_key() -> None:
    """Where the newest isn't active yet, what others have sealed by it stays."""
    ring = replace(RING, since=dict.fromkeys((OLDEST.kid, OLD.kid), ALWAYS) | {NEW.kid: NOW})
    planned = plan(make_secret({"a": sealed("a", 0), "b": sealed("b", 2)}), ring, NOW)
    assert set(planned.data) == {"a"}
    assert opened(planned, "a") == (TOKEN, OLD.kid)
    assert planned.left == ()


def test_a_key_that_the_ring_does_not_have_is_named() -> None:
    """So that somebody can bring it back."""
    stranger = seal(SecretStr(TOKEN), Place("runtime", "token"), make_ring("other").keys[0])
    planned = plan(make_secret({"token": stranger}), RING, NOW)
    assert (planned.change, planned.left) == (
        {},
        (f"is sealed by the key {sealing_key(stranger)}, which this webhook doesn't have",),
    )


@pytest.mark.parametrize("value", ["{", "[]", '{"token"', "{}", '{"other": "x"}', "{" * 100_000])
def test_an_annotation_that_somebody_wrote_is_no_obstacle(value: str) -> None:
    """The value moves all the same."""
    planned = plan(make_secret({"token": sealed()}, annotations={ENCRYPTION_KEY_ID: value}), RING, NOW)
    assert opened(planned) == (TOKEN, NEW.kid)


def test_kubectls_annotation_keeps_everything_else() -> None:
    """Only the sealed text is another one, in `stringData` and in `data`."""
    old = sealed()
    text = json.dumps(
        {"stringData": {"token": old, "x": "é"}, "data": {"token": base64.b64encode(old.encode()).decode()}}
    )
    planned = plan(make_secret({"token": old}, annotations={LAST_APPLIED: text + "\n"}), RING, NOW)
    new = base64.b64decode(planned.data["token"]).decode()
    expected = text.replace(old, new).replace(base64.b64encode(old.encode()).decode(), planned.data["token"])
    assert planned.annotations == {LAST_APPLIED: expected + "\n"}
    assert old not in expected


class TestAttestations:
    async def attested(self, secret: SecretObject, keys: int = 2) -> SecretObject:
        """The Secret as the webhook has stored it, when its ring had this many keys."""
        return await Desk({TOKEN: ("repo", "admin:repo_hook")}, ring=older(keys)).store(secret)

    @pytest.mark.parametrize("kind", ["user", "runtime"])
    async def test_it_is_signed_by_the_active_key(self, kind: str) -> None:
        """And goes on saying what was found of each entry, for audits."""
        data = {"url": "https://github.com/acme", "password": TOKEN}
        secret = make_user_secret({"token": TOKEN}) if kind == "user" else make_runtime_secret(data)
        stored = await self.attested(secret)
        text = plan(stored, RING, NOW).annotations[ATTESTATION]
        signed = verify(text, stored, (), RING, NOW, max_age=None)
        before = verify(stored.annotations[ATTESTATION], stored, (), RING, NOW, max_age=None)
        assert (signed.key.kid, before.key.kid) == (NEW.kid, OLD.kid)
        assert signed.claims.roles == before.claims.roles
        assert {k: list(e.roles) for k, e in signed.claims.entries.items()} == {
            k: list(e.roles) for k, e in before.claims.entries.items()
        }

    async def test_together_with_its_sealed_value(self) -> None:
        """The entry is the same token, sealed or not."""
        stored = await self.attested(make_user_secret({"token": TOKEN}))
        value = base64.b64encode(seal(SecretStr(TOKEN), Place(stored.namespace, "token"), OLD).encode()).decode()
        planned = plan(replace(stored, data={"token": value}), RING, NOW)
        assert set(planned.data) == {"token"}
        signed = verify(planned.annotations[ATTESTATION], stored, (), RING, NOW, max_age=None)
        assert list(signed.claims.entries) == ["token"]

    async def test_it_spares_nobody_a_question(self) -> None:
        """What is signed again isn't found again: a write within the minute is judged anew."""
        stored = await self.attested(make_user_secret({"token": TOKEN}))
        text = plan(stored, RING, NOW).annotations[ATTESTATION]
        signed = verify(text, stored, (), RING, NOW)
        assert all(entry.facts is None for entry in signed.claims.entries.values())

    async def test_what_was_changed_behind_our_back_is_attested_no_more(self) -> None:
        """Otherwise anybody's token would get a signature by waiting for the next rotation."""
        stored = await self.attested(make_user_secret({"token": TOKEN}))
        other = make_user_secret({"token": make_token("o")}, annotations=stored.annotations)
        assert ATTESTATION not in plan(other, RING, NOW).annotations
        elsewhere = replace(stored, name="git-default-other")
        assert ATTESTATION not in plan(elsewhere, RING, NOW).annotations

    async def test_by_the_active_key_it_stays(self) -> None:
        """Nothing to do is nothing written."""
        stored = await self.attested(make_user_secret({"token": TOKEN}), keys=3)
        assert plan(stored, RING, NOW + timedelta(days=1)).change == {}


def test_a_key_is_needed_by_what_names_it() -> None:
    """Whether or not the value opens: who has damaged it may have a copy."""
    value = sealed(by=0)
    assert needs(make_secret({"token": value}), OLDEST.kid)
    assert needs(make_secret({"elsewhere": value[:-22] + "A" * 22}), OLDEST.kid)
    assert not needs(make_secret({"token": value, "plain": OLD.kid}), OLD.kid)


def test_nothing_shows_a_token() -> None:
    """Neither a plan nor its reasons."""
    secret = make_secret({"token": sealed(), TOKEN: sealed("other")})
    assert TOKEN not in repr(plan(secret, RING, NOW))
