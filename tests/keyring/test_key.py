"""One key: how it may be written, and that nothing of it shows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.keyring.key import derive_key, parse_key


def independent_hkdf(material: bytes, info: str, length: int = 32) -> bytes:
    """RFC 5869 from its text: extract with a salt of zeros, then expand one block."""
    extracted = hmac.digest(bytes(32), material, "sha256")
    return hmac.digest(extracted, info.encode() + b"\x01", "sha256")[:length]


class TestWriting:
    def test_as_openssl_writes_it(self) -> None:
        """``openssl rand -base64`` ends its lines after 64 characters, and the file with one."""
        for length in (32, 64, 100):
            command = ["openssl", "rand", "-base64", str(length)]
            printed = subprocess.run(command, capture_output=True, check=True).stdout
            assert len(parse_key(printed)) == length

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (b"", "0 bytes"),
            (base64.b64encode(secrets.token_bytes(31)), "31 bytes"),
            (b"correct horse battery staple, and then some more", "no key in base64"),
            (secrets.token_bytes(64), "no key in base64"),
            (base64.b64encode(secrets.token_bytes(32))[:-1], "no key in base64"),
            (base64.b64encode(bytes(32)), "aren't random"),
            (base64.b64encode(b"password" * 8), "aren't random"),
            (base64.b64encode(secrets.token_bytes(8000)), "larger than any key"),
        ],
        ids=["empty", "short", "text", "raw", "cut off", "zeros", "repeated", "huge"],
    )
    def test_what_is_no_key_is_refused(self, text: bytes, says: str) -> None:
        """The message says what is wrong and how to make a key, and shows nothing of what is there."""
        with pytest.raises(ValueError, match=says) as caught:
            parse_key(text)
        assert "openssl rand -base64 32" in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__cause__ is None
        if len(text) > 8:
            assert text[:8].decode("latin-1") not in str(caught.value)

    @given(st.binary(max_size=6000))
    def test_no_file_makes_it_stumble(self, text: bytes) -> None:
        """Whatever is in a file: it is a key, or a ValueError says why not."""
        try:
            assert len(parse_key(text)) >= 32
        except ValueError as error:
            assert type(error) is ValueError


class TestDeriving:
    def test_each_purpose_has_a_key_of_its_own(self) -> None:
        """Whoever learnt one of them would know nothing of the others or of the key itself."""
        material = secrets.token_bytes(32)
        key = derive_key(material, "a")
        keys = {key.signing.raw_value, key.sealing.raw_value, key.digests, material}
        assert len(keys) == 4
        assert {len(one) for one in keys} == {32}

    def test_derived_as_documented(self) -> None:
        """HKDF-SHA256 with an empty salt and the labels of docs/reference/sealed-format.md."""
        material = secrets.token_bytes(40)
        key = derive_key(material, "a")
        assert key.sealing.raw_value == independent_hkdf(material, "git-token-webhook/v1/sealing")
        assert key.signing.raw_value == independent_hkdf(material, "git-token-webhook/v1/signing")
        assert key.digests == independent_hkdf(material, "git-token-webhook/v1/digests")
        assert base64.b32decode(key.kid.upper()) == independent_hkdf(material, "git-token-webhook/v1/kid", 10)

    def test_the_kid_depends_on_the_key_alone(self) -> None:
        """A file may be renamed, and no two keys share a kid."""
        material = secrets.token_bytes(32)
        assert derive_key(material, "a").kid == derive_key(material, "b").kid
        assert derive_key(material, "a").kid != derive_key(secrets.token_bytes(32), "a").kid

    def test_the_kid_is_no_hash_of_the_key(self) -> None:
        """Nobody can try keys against a plain digest."""
        material = secrets.token_bytes(32)
        raw = base64.b32decode(derive_key(material, "a").kid.upper())
        digests = [hashlib.new(name, material).digest() for name in ("sha256", "sha1", "md5", "blake2b", "sha512")]
        assert not any(raw in digest for digest in digests)

    def test_nothing_of_a_key_is_printed(self) -> None:
        """Neither repr nor str of a key holds anything of what was derived, in any usual notation."""
        key = derive_key(secrets.token_bytes(32), "a")
        shown = repr(key) + str(key)
        for secret in (key.digests, key.signing.raw_value, key.sealing.raw_value):
            assert repr(secret)[2:12] not in shown
            assert secret.hex()[:10] not in shown
            assert base64.b64encode(secret).decode()[:10] not in shown
