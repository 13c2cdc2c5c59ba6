"""One key of the ring: how it is written, and what is derived from it.

The key itself is used for nothing. Signing, sealing and digests each have a key of their own, derived with a label
(HKDF-SHA256, RFC 5869), so that what one of them shows tells nothing about the others; so has the ``kid``, of which
there is no way back. docs/reference/sealed-format.md has the labels for those who open values elsewhere.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import OctKey

SHORTEST = 32
"""Bytes that a key has at least: as many as each key that is derived from it."""
LARGEST_FILE = 4096
"""Bytes that are read of a key file at most."""
HOW_TO_MAKE = "make one with `git-token-webhook keys rotate` or `openssl rand -base64 32`"

Kid = Annotated[str, msgspec.Meta(pattern="^[a-z2-7]{16}$")]
"""The format of our kids. A header is not trusted, so it is checked."""

_LABEL = "git-token-webhook/v1/"
_KID_BYTES = 10  # 80 bits: no two keys of a ring meet by chance, and it fits into a line and a label
# Thirty-two random bytes have thirty different values; fewer than this, not once in 10^15 times.
_FEWEST_VALUES = 16


@dataclass(frozen=True, slots=True)
class Key:
    """What is derived from one key.

    Attributes:
        kid: which key it is, for headers, annotations and people.
        name: of its file.
        signing: for HS256.
        sealing: for A256GCM.
        digests: for HMAC-SHA256.
    """

    kid: str
    name: str
    signing: OctKey = field(repr=False, compare=False)
    sealing: OctKey = field(repr=False, compare=False)
    digests: bytes = field(repr=False, compare=False)


def derive_key(material: bytes, name: str) -> Key:
    """The key whose file holds `material`."""
    return Key(
        base64.b32encode(_derived(material, "kid", _KID_BYTES)).decode().lower(),
        name,
        OctKey.import_key(_derived(material, "signing")),
        OctKey.import_key(_derived(material, "sealing")),
        _derived(material, "digests"),
    )


def _derived(material: bytes, purpose: str, length: int = 32) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=f"{_LABEL}{purpose}".encode()).derive(material)


def parse_key(text: bytes) -> bytes:
    """The bytes of a key as its file holds them: base64, with line breaks anywhere.

    Raises:
        ValueError: it can't be used; the text is a clause that stands after the file's name, and shows nothing of it.
    """
    if len(text) > LARGEST_FILE:
        raise ValueError(f"is larger than any key; {HOW_TO_MAKE}")
    try:
        material = base64.b64decode(b"".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"holds no key in base64; {HOW_TO_MAKE}") from None
    if len(material) < SHORTEST:
        raise ValueError(f"holds {len(material)} bytes, and a key needs {SHORTEST} or more; {HOW_TO_MAKE}")
    if len(set(material)) < _FEWEST_VALUES:
        raise ValueError(f"holds bytes that aren't random; {HOW_TO_MAKE}")
    return material
