"""What is taken for the private key of a GitHub App."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from tests.providers.github.pem_forms import FORMS, Form
from webhook.providers.github.keys import load_app_key


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, layout: PrivateFormat = PrivateFormat.PKCS8) -> SecretStr:
    return SecretStr(key.private_bytes(Encoding.PEM, layout, NoEncryption()).decode())


RSA = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("layout", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_rsa_key_is_read_in_both_layouts(layout: PrivateFormat) -> None:
    """GitHub gives out PKCS #1; people convert it to PKCS #8."""
    assert load_app_key(pem(RSA, layout)).key_size == 2048


@pytest.mark.parametrize(("form", "accepted"), FORMS.values(), ids=FORMS.keys())
def test_a_key_is_read_as_go_reads_it(form: Form, accepted: bool) -> None:
    """Argo CD fails on all others, and one such Secret takes all its repositories down."""
    text = form(RSA)
    if accepted:
        assert load_app_key(SecretStr(text)).key_size == 2048
        return
    with pytest.raises(ValueError, match=r"Argo CD cannot read it|paste the whole file"):
        load_app_key(SecretStr(text))


def test_no_end_of_a_block_is_searched_for_long() -> None:
    """The longest accepted value, full of marks, is decided in well under a second."""
    first, end = "-----BEGIN X-----\n", "\n-----END "
    for mark in (first, end, f"{first}a:b\n{end}X-----\n"):
        text = first + mark * (16_000 // len(mark))
        started = time.perf_counter()
        with pytest.raises(ValueError, match="paste the whole file"):
            load_app_key(SecretStr(text))
        assert time.perf_counter() - started < 0.5


def test_a_key_of_another_kind_is_none() -> None:
    """An elliptic-curve key is readable, and yet no GitHub App's."""
    with pytest.raises(ValueError, match="not an RSA key"):
        load_app_key(pem(ec.generate_private_key(ec.SECP256R1())))


def test_a_cut_off_key_is_none() -> None:
    """Half of a key says what to paste instead, and quotes nothing of it."""
    text = pem(RSA).get_secret_value()
    with pytest.raises(ValueError, match="paste the whole file") as caught:
        load_app_key(SecretStr(text[: len(text) // 2]))
    assert text[40:60] not in str(caught.value)


def test_a_very_long_value_is_not_even_parsed() -> None:
    """A megabyte can't keep the server busy."""
    with pytest.raises(ValueError, match="longer than"):
        load_app_key(SecretStr("-----BEGIN RSA PRIVATE KEY-----\n" + "A" * 1_000_000))
