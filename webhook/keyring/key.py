"""One key of the ring: parse its file, and derive keys from it.

The key itself is not used. Signing, sealing, digests and the ``kid`` each use a value that is derived with a label
(HKDF-SHA256, RFC 5869), so that none of them reveals anything about the others. docs/reference/sealed-format.md
documents the labels.
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
"""The minimum number of bytes of a key, the same as of each derived key."""
LARGEST_FILE = 4096
"""The maximum number of bytes of a key file."""
HOW_TO_MAKE = "make one with `git-token-webhook keys rotate` or `openssl rand -base64 32`"

Kid = Annotated[str, msgspec.Meta(pattern="^[a-z2-7]{16}$")]
"""The format of our key ids. A header is not trusted, so it is checked."""

_LABEL = "git-token-webhook/v1/"
_KID_BYTES = 10  # 80 bits: no collisions in a ring, and short enough for a label
# 32 random bytes have about 30 different values; fewer than this happen less than once in 10^15 times.
_FEWEST_VALUES = 16


@dataclass(frozen=True, slots=True)
class Key:
    """The keys that are derived from one key of the ring.

    Attributes:
        kid: the id of the key, for headers, annotations and messages.
        name: the name of its file.
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
    """Return the key with this material."""
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
    """Return the bytes of a key from its file: base64, with any line breaks.

    Raises:
        ValueError: it cannot be used. The text is a clause that follows the name of the file and shows nothing of it.
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
