"""The private key of a GitHub App."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from pydantic import SecretStr

from webhook.providers.github.pem import decode_pem

_LONGEST = 16 * 1024
_SMALLEST, _LARGEST = 1024, 8192  # bits; a larger one costs seconds of arithmetic for one signature
_LONGEST_EXPONENT = 64  # bits; it is 65537 as good as always


def load_app_key(pem: SecretStr) -> RSAPrivateKey:
    """Return the key in `pem` as Argo CD reads it: RSA, PKCS #1 or #8, without passphrase.

    Raises:
        ValueError: Argo CD can't read it; the text is a clause that stands after the name of the Secret's key.
    """
    text = pem.get_secret_value().encode()
    if b"-----BEGIN" not in text:
        raise ValueError("is not PEM, so Argo CD cannot read it; it must begin with -----BEGIN RSA PRIVATE KEY-----")
    if b"ENCRYPTED" in text:
        raise ValueError("is protected by a passphrase, which Argo CD cannot provide")
    if len(text) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} characters, longer than any key of a GitHub App")
    content = decode_pem(text)
    if content is None:
        raise ValueError(_not_go_pem(text))
    try:
        # Checking the key's numbers takes tens of milliseconds, during which no other request is served. GitHub rejects
        # the signature of an inconsistent key.
        key = load_der_private_key(content, password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("is not a readable private key; paste the whole file that GitHub gave you") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("is not an RSA key, as GitHub Apps use")
    if not _SMALLEST <= key.key_size <= _LARGEST:
        raise ValueError(f"has {key.key_size} bits; keys of GitHub Apps have 2048")
    numbers = key.private_numbers()
    public = numbers.public_numbers
    # One whose factors are larger than the key itself, for instance, would take many seconds to sign.
    fits = (
        numbers.p * numbers.q == public.n
        and 1 < numbers.p < public.n
        and max(numbers.d, numbers.dmp1, numbers.dmq1, numbers.iqmp) < public.n
        and public.e.bit_length() <= _LONGEST_EXPONENT
    )
    if not fits:
        raise ValueError("is inconsistent: its numbers do not match; paste the whole file that GitHub gave you")
    return key


def _not_go_pem(text: bytes) -> str:
    """Say why Go's PEM decoder finds no block in `text`."""
    lines = text.splitlines()
    if any(line.startswith((b" ", b"\t")) and b"-----" in line for line in lines):
        why = "has indented -----BEGIN or -----END lines"
    elif b"\\n" in text:
        why = "has \\n in place of line breaks"
    elif len(lines) < 3:
        why = "is written on one line"
    elif text.lstrip()[:1] in (b'"', b"'"):
        why = "is in quotes"
    else:
        why = "has no complete block from -----BEGIN to -----END, each on its own line"
    return f"{why}, so Argo CD cannot read it; paste the whole file that GitHub gave you, unchanged"
