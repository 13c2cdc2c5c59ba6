"""Sealed values: they open where they belong, with the key that sealed them, and nowhere else."""

from __future__ import annotations

import base64
import dataclasses
import json
import secrets
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import OctKey
from jwcrypto import jwe, jwk  # type: ignore[import-untyped]
from pydantic import SecretStr

from tests.keyring.rings import NOW, key_text, make_ring
from tests.keyring.test_key import independent_hkdf
from tests.support.factories import make_token
from webhook.keyring.jwe import (
    LONGEST,
    Closed,
    Place,
    TooLong,
    Why,
    open_sealed,
    open_value,
    seal,
    seal_or_keep,
    sealed_length,
    sealing_key,
)
from webhook.keyring.key import derive_key, parse_key
from webhook.keyring.ring import ACTIVATION, ALWAYS, KeyRing
from webhook.providers.requirements import Role

RING = make_ring()
KEY = RING.keys[0]
PLACE = Place("runtime", "token")
TOKEN = SecretStr(make_token("s"))


def opened(value: str, place: Place = PLACE, ring: KeyRing = RING) -> str:
    return open_value(value, place, ring).plaintext.get_secret_value()


def why(value: str, place: Place = PLACE, ring: KeyRing = RING) -> Why:
    with pytest.raises(Closed) as caught:
        open_value(value, place, ring)
    return caught.value.why


def header_of(value: str) -> dict[str, Any]:
    header = json.loads(base64.urlsafe_b64decode(value.partition(".")[0] + "=="))
    assert isinstance(header, dict)
    return header


def jwcrypto_key(raw: bytes) -> jwk.JWK:
    return jwk.JWK(kty="oct", k=base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


def sealed_by_jwcrypto(header: dict[str, Any], plaintext: bytes = b"x", raw: bytes | None = None) -> str:
    """What somebody else's library makes of a header, by default with our own key."""
    theirs = jwe.JWE(plaintext, json.dumps(header))
    theirs.allowed_algs = [header["alg"], header["enc"]]
    theirs.add_recipient(jwcrypto_key(KEY.sealing.raw_value if raw is None else raw))
    text = theirs.serialize(compact=True)
    assert isinstance(text, str)
    return text


def standard_header(**changes: Any) -> dict[str, Any]:
    header = {"alg": "dir", "enc": "A256GCM", "typ": "git-token-sealed", "kid": KEY.kid}
    return header | {"ns": "runtime", "key": "token", "role": "user"} | changes


@pytest.mark.parametrize("length", [0, 1, 2, 3, 40, 1000])
@pytest.mark.parametrize("host", ["", "github.com", "git.acme.dev:8443"])
def test_the_length_of_a_sealed_value_is_known_before(length: int, host: str) -> None:
    """To the byte."""
    place = Place("runtime", "ada.lovelace", host=host)
    assert len(seal(SecretStr("x" * length), place, KEY)) == sealed_length(length, place)


class TestRoundTrips:
    @given(st.text())
    def test_any_text_comes_back(self, text: str) -> None:
        """Tokens, JSON, nothing at all, and whatever else somebody has stored."""
        assert opened(seal(SecretStr(text), PLACE, KEY)) == text

    @given(
        st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=63),
        st.text("abcXYZ019-._", min_size=1, max_size=253),
        st.sampled_from(list(Role)),
    )
    def test_at_any_place(self, namespace: str, key: str, role: Role) -> None:
        """The longest names of Kubernetes have room."""
        place = Place(namespace, key, role)
        assert opened(seal(TOKEN, place, KEY), place) == TOKEN.get_secret_value()

    def test_the_longest(self) -> None:
        """What can be sealed can be opened, also at the longest place; one byte more is refused."""
        place = Place("n" * 63, "k" * 253, Role.RUNTIME)
        text = "ü" * (LONGEST // 2)
        assert opened(seal(SecretStr(text), place, KEY), place) == text
        with pytest.raises(TooLong, match=str(LONGEST)):
            seal(SecretStr(text + "x"), place, KEY)

    def test_never_twice_the_same(self) -> None:
        """Nobody sees that two values hold one token."""
        assert len({seal(TOKEN, PLACE, KEY) for _ in range(50)}) == 50

    def test_the_token_does_not_show(self) -> None:
        """Neither in the value nor in what is printed of it."""
        value = seal(TOKEN, PLACE, KEY)
        found = open_value(value, PLACE, RING)
        shown = [value, repr(found), str(found), *(base64.urlsafe_b64decode(p + "==").hex() for p in value.split("."))]
        assert not any(part in text for text in shown for part in ("sssss", b"sssss".hex()))
        assert found.kid == KEY.kid

    def test_by_any_key_of_the_ring(self) -> None:
        """An old one opens what it sealed; so does one that waits, since another replica may have begun to use it."""
        old, new = derive_key(secrets.token_bytes(32), "a"), derive_key(secrets.token_bytes(32), "b")
        ring = KeyRing((old, new), {old.kid: ALWAYS, new.kid: NOW})
        for key in (old, new):
            assert opened(seal(TOKEN, PLACE, key), ring=ring) == TOKEN.get_secret_value()


class TestClosed:
    @pytest.mark.parametrize(
        "place",
        [Place("other", "token"), Place("runtime", "bob"), Place("runtime", "token", Role.RUNTIME)],
        ids=["namespace", "key", "role"],
    )
    def test_at_another_place(self, place: Place) -> None:
        """Copied elsewhere it stays closed, and the message doesn't show the key that it came from."""
        value = seal(TOKEN, Place("runtime", "token"), KEY)
        with pytest.raises(Closed, match="opens nowhere else") as caught:
            open_value(value, place, RING)
        assert (caught.value.why, caught.value.kid) == (Why.OTHER_PLACE, KEY.kid)
        assert "token" not in str(caught.value)

    @pytest.mark.parametrize("changes", [{"ns": "other"}, {"key": "bob"}, {"role": "runtime"}, {"kid": "a" * 16}])
    def test_a_header_for_another_place(self, changes: dict[str, Any]) -> None:
        """What it is bound to can't be rewritten."""
        value = seal(TOKEN, PLACE, KEY)
        header = base64.urlsafe_b64encode(json.dumps(header_of(value) | changes).encode()).rstrip(b"=").decode()
        place = Place(changes.get("ns", "runtime"), changes.get("key", "token"), Role(changes.get("role", "user")))
        closed = why(".".join([header, *value.split(".")[1:]]), place)
        assert closed is (Why.UNKNOWN_KEY if "kid" in changes else Why.CHANGED)

    def test_by_a_key_that_is_not_there(self) -> None:
        """The message names it, so that somebody can bring it back."""
        other = make_ring()
        with pytest.raises(Closed, match=other.keys[0].kid) as caught:
            open_value(seal(TOKEN, PLACE, other.keys[0]), PLACE, RING)
        assert (caught.value.why, caught.value.kid) == (Why.UNKNOWN_KEY, other.keys[0].kid)

    def test_by_another_key_under_a_known_kid(self) -> None:
        """The kid is no secret."""
        impostor = dataclasses.replace(KEY, sealing=OctKey.import_key(secrets.token_bytes(32)))
        assert why(seal(TOKEN, PLACE, impostor)) is Why.CHANGED
        signing = dataclasses.replace(KEY, sealing=KEY.signing)
        assert why(seal(TOKEN, PLACE, signing)) is Why.CHANGED

    @pytest.mark.parametrize("value", ["", make_token(), "{}", "a.b.c", "....", "eyJ....", "eyJ" + "a" * 200000])
    def test_what_is_not_sealed(self, value: str) -> None:
        """A plain token, another format, and what is far too long."""
        assert why(value) is Why.NOT_OURS

    @pytest.mark.parametrize(
        "header",
        [
            standard_header(typ="JWT"),
            standard_header(typ="git-token-attestation"),
            standard_header(x=1),
            standard_header(zip="DEF"),
            standard_header(kid="https://evil.example"),
            standard_header(kid=make_token()),
            {name: value for name, value in standard_header().items() if name != "ns"},
            {name: value for name, value in standard_header().items() if name != "kid"},
            {"alg": "dir", "enc": "A256GCM"},
        ],
        ids=["type", "attestation", "more", "zip", "url", "token", "no place", "no kid", "plain"],
    )
    def test_a_header_that_is_not_ours(self, header: dict[str, Any]) -> None:
        """Sealed with our own key even, it isn't what we make: somebody else's."""
        assert why(sealed_by_jwcrypto(header)) is Why.NOT_OURS

    @pytest.mark.parametrize(("alg", "enc"), [("dir", "A128GCM"), ("A256KW", "A256GCM"), ("dir", "A128CBC-HS256")])
    def test_another_algorithm(self, alg: str, enc: str) -> None:
        """One way of sealing, whatever the header asks for."""
        raw = KEY.sealing.raw_value[:16] if enc == "A128GCM" else KEY.sealing.raw_value
        assert why(sealed_by_jwcrypto(standard_header(alg=alg, enc=enc), raw=raw)) is Why.NOT_OURS

    def test_a_short_tag(self) -> None:
        """Twelve bytes of it would be easier to guess."""
        *others, tag = seal(TOKEN, PLACE, KEY).split(".")
        assert why(".".join([*others, tag[:16]])) is Why.NOT_OURS

    @given(st.data())
    def test_no_changed_byte_opens(self, data: st.DataObject) -> None:
        """Whatever is changed, added or taken away, anywhere."""
        value = seal(TOKEN, PLACE, KEY)
        place = data.draw(st.integers(0, len(value) - 1))
        how = data.draw(st.sampled_from(["change", "insert", "delete"]))
        usual = st.sampled_from("ABCxyz019-_.=+/ \n")
        character = data.draw(usual | st.characters()) if how != "delete" else ""
        changed = value[:place] + character + value[place + (how != "insert") :]
        if changed != value:
            assert why(changed) is not Why.OTHER_PLACE

    def test_every_last_bit_counts(self) -> None:
        """Base64 has several ways to write a last character, of which one is right."""
        value = seal(SecretStr("x"), PLACE, KEY)
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        parts = value.split(".")
        for number in (0, 2, 3, 4):
            last = parts[number][-1]
            for other in set(alphabet) - {last}:
                changed = [*parts]
                changed[number] = parts[number][:-1] + other
                assert why(".".join(changed)) is not Why.OTHER_PLACE

    @given(st.text())
    def test_no_text_makes_it_stumble(self, text: str) -> None:
        """A Secret holds whatever somebody wrote."""
        assert why(text) is Why.NOT_OURS
        assert why("eyJ" + text) is Why.NOT_OURS


class TestSealOrKeep:
    def test_kept_byte_for_byte(self) -> None:
        """A repeated apply changes nothing."""
        stored = seal(TOKEN, PLACE, KEY)
        assert seal_or_keep(TOKEN, stored, PLACE, RING, NOW) == stored

    def test_kept_after_a_rotation(self) -> None:
        """Moving on to the new key is `reseal`'s matter, and nobody's who writes the Secret again."""
        new = derive_key(secrets.token_bytes(32), "z")
        ring = KeyRing((KEY, new), {KEY.kid: ALWAYS, new.kid: ALWAYS})
        stored = seal(TOKEN, PLACE, KEY)
        assert seal_or_keep(TOKEN, stored, PLACE, ring, NOW) == stored
        assert sealing_key(seal_or_keep(SecretStr("other"), stored, PLACE, ring, NOW)) == new.kid

    @pytest.mark.parametrize(
        "stored",
        [
            None,
            TOKEN.get_secret_value(),
            "eyJhbGciOiJkaXIifQ" + "....",
            seal(SecretStr(make_token("t")), PLACE, KEY),
            seal(TOKEN, Place("runtime", "bob"), KEY),
            seal(TOKEN, PLACE, make_ring().keys[0]),
            seal(TOKEN, PLACE, KEY)[:-1],
        ],
        ids=["nothing", "plain", "somebody else's", "another token", "another place", "lost key", "cut off"],
    )
    def test_sealed_anew(self, stored: str | None) -> None:
        """Where the stored value is none that opens here to the same."""
        value = seal_or_keep(TOKEN, stored, PLACE, RING, NOW)
        assert value != stored
        assert opened(value) == TOKEN.get_secret_value()

    def test_by_the_key_that_everybody_has(self) -> None:
        """A new key waits until it is everywhere."""
        old, new = derive_key(secrets.token_bytes(32), "a"), derive_key(secrets.token_bytes(32), "b")
        ring = KeyRing((old, new), {old.kid: ALWAYS, new.kid: NOW})
        early, late = NOW + ACTIVATION - timedelta(seconds=1), NOW + ACTIVATION
        assert sealing_key(seal_or_keep(TOKEN, None, PLACE, ring, early)) == old.kid
        assert sealing_key(seal_or_keep(TOKEN, None, PLACE, ring, late)) == new.kid

    def test_whose_key_it_is(self) -> None:
        """`sealing_key` tells without opening, and of what isn't ours nothing."""
        assert sealing_key(seal(TOKEN, PLACE, make_ring().keys[0])) is not None
        assert sealing_key(TOKEN.get_secret_value()) is None


class TestConsumers:
    def test_open_sealed(self) -> None:
        """With what the key file holds, alone or among others."""
        text = key_text()
        value = seal(TOKEN, PLACE, derive_key(parse_key(text.encode()), "a"))
        for keys in (text, [text], [key_text(), text], iter([text])):
            assert open_sealed(value, keys, namespace="runtime", key="token") == TOKEN.get_secret_value()

    def test_open_sealed_tells_why_not(self) -> None:
        """Which key is missing, that it is the wrong place, that a key is none; never what anything holds."""
        text = key_text()
        value = seal(TOKEN, PLACE, derive_key(parse_key(text.encode()), "a"))
        with pytest.raises(Closed, match="isn't among those given"):
            open_sealed(value, key_text(), namespace="runtime", key="token")
        with pytest.raises(Closed, match="namespace runtime"):
            open_sealed(value, text, namespace="other", key="token")
        with pytest.raises(Closed, match="nothing that this webhook has sealed"):
            open_sealed(TOKEN.get_secret_value(), text, namespace="runtime", key="token")
        with pytest.raises(ValueError, match="key 2 holds no key") as caught:
            open_sealed(value, [key_text(), "sentinel!"], namespace="runtime", key="token")
        assert "sentinel" not in str(caught.value)

    def test_jwcrypto_opens_what_we_seal(self) -> None:
        """With a key that was derived from the file by the words of RFC 5869 alone; header as documented."""
        material = secrets.token_bytes(32)
        key = derive_key(material, "a")
        value = seal(TOKEN, PLACE, key)
        theirs = jwe.JWE()
        theirs.allowed_algs = ["dir", "A256GCM"]
        theirs.deserialize(value, jwcrypto_key(independent_hkdf(material, "git-token-webhook/v1/sealing")))
        assert theirs.payload == TOKEN.get_secret_value().encode()
        assert theirs.jose_header == standard_header(kid=key.kid)

    def test_we_open_what_jwcrypto_seals(self) -> None:
        """The same header and key make the same format."""
        assert opened(sealed_by_jwcrypto(standard_header(), b"x")) == "x"

    def test_joserfc_as_it_comes_refuses_other_keys(self) -> None:
        """A consumer that skips deriving the key gets nothing."""
        material = secrets.token_bytes(32)
        value = seal(TOKEN, PLACE, derive_key(material, "a"))
        registry = joserfc_jwe.JWERegistry(algorithms=["dir", "A256GCM"], strict_check_header=False)
        with pytest.raises(Exception, match="decode_error"):
            joserfc_jwe.decrypt_compact(value, OctKey.import_key(material), registry=registry)
