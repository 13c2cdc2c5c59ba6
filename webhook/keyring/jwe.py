"""Seal a user's token as a compact JWE (RFC 7516: ``dir``, ``A256GCM``), and open it.

The protected header binds a sealed value to its namespace, its key of the Secret, its role and the host of the token,
so that it opens only there and for that host. docs/reference/sealed-format.md describes the format.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.registry import HeaderParameter
from pydantic import SecretStr

from webhook.keyring.key import Key, Kid, derive_key, parse_key
from webhook.keyring.ring import KeyRing
from webhook.providers.requirements import Role
from webhook.providers.urls import parse_host

ALGORITHM = "A256GCM"
"""The value of the annotation ``encryption-algorithm``."""
LONGEST = 48 * 1024
"""Bytes of the longest value that can be sealed. Tokens and their descriptions are far shorter."""

_TYPE = "git-token-sealed"
# Header, no encrypted key (`dir`), 96 bits of initialization vector, ciphertext, 128 bits of tag. The longest header
# (namespace 63, key 253, host 259 characters) and the longest ciphertext fit.
_KID_LENGTH = 16
_LONGEST_CIPHERTEXT = LONGEST // 3 * 4
_SEALED = re.compile(
    r"(eyJ[A-Za-z0-9_-]{1,1000})\.\.[A-Za-z0-9_-]{16}"
    rf"\.[A-Za-z0-9_-]{{0,{_LONGEST_CIPHERTEXT}}}\.[A-Za-z0-9_-]{{22}}\Z"
)
_CLAIMS = {name: HeaderParameter(f"Bound to this {name}", "str", required=True) for name in ("ns", "key", "role")}
_CLAIMS["host"] = HeaderParameter("Bound to this host", "str")  # absent in values from earlier versions
_REGISTRY = jwe.JWERegistry(_CLAIMS, algorithms=["dir", ALGORITHM])


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a value: a key of a Secret, in any Secret of a namespace.

    Attributes:
        host: the host of the token in its canonical form (`urls.parse_host`); empty if the Secret does not name one.
            None: do not compare the host when opening, and bind none when sealing.
    """

    namespace: str
    key: str
    role: Role = Role.USER
    host: str | None = None


class Why(StrEnum):
    """The reason why a value cannot be opened."""

    NOT_OURS = "not ours"
    """It is not from this webhook: plain text, or encrypted by another program."""
    UNKNOWN_KEY = "unknown key"
    """It was sealed with a key that the ring does not have."""
    OTHER_PLACE = "other place"
    """It can be opened, but was sealed for another field, Secret or namespace."""
    OTHER_HOST = "other host"
    """It can be opened, but was sealed for another host."""
    CHANGED = "changed"
    """It names a key of the ring that did not seal it."""


class Closed(Exception):
    """A value cannot be opened. The text is a clause that follows the name of the entry.

    Attributes:
        kid: the id of the key that it names; empty if it names none.
    """

    def __init__(self, why: Why, text: str, kid: str = "") -> None:
        super().__init__(text)
        self.why = why
        self.kid = kid


class TooLong(ValueError):
    """A value is longer than `LONGEST`."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An opened value.

    Attributes:
        kid: the id of the key that sealed it.
        host: the host that it is bound to; None for a value from a version that did not bind hosts.
    """

    plaintext: SecretStr
    kid: str
    host: str | None = None

    def closed_for(self, host: str) -> Closed | None:
        """Return why the value does not open for a host; None if it does."""
        if self.host is None or self.host == host:
            return None
        return Closed(Why.OTHER_HOST, other_host(self.host), self.kid)


def other_host(host: str) -> str:
    """Return the clause that says that a value is sealed for another host."""
    if not host:
        return "is sealed for no certain host, and doesn't open for one; write the token itself"
    return f"is sealed for {host}, and opens for no other host; write the token itself, or the url as it was"


def seal(plaintext: SecretStr, place: Place, key: Key) -> str:
    """Return a value that opens only with this key and at this place. Each call returns another one.

    Raises:
        TooLong: the value is longer than `LONGEST`.
    """
    content = plaintext.get_secret_value().encode()
    if len(content) > LONGEST:
        raise TooLong(f"is longer than {LONGEST} bytes, which can't be sealed")
    header = {"alg": "dir", "enc": ALGORITHM, "typ": _TYPE, "kid": key.kid}
    bound = {"ns": place.namespace, "key": place.key, "role": str(place.role)}
    if place.host is not None:
        bound["host"] = place.host
    return jwe.encrypt_compact(header | bound, content, key.sealing, registry=_REGISTRY)


def sealed_length(length: int, place: Place) -> int:
    """Return the number of bytes of the sealed value for a plaintext of `length` bytes."""
    bound = {"ns": place.namespace, "key": place.key, "role": str(place.role), "host": place.host or ""}
    header = {"alg": "dir", "enc": ALGORITHM, "typ": _TYPE, "kid": "k" * _KID_LENGTH}
    parts = (
        len(json.dumps(header | bound, separators=(",", ":"))),
        0,
        12,
        length,
        16,
    )  # two are empty or fixed: RFC 7516
    return sum((4 * part + 2) // 3 for part in parts) + len(parts) - 1


def open_value(value: str, place: Place, ring: KeyRing) -> Opened:
    """Open a sealed value.

    Raises:
        Closed: no key of the ring sealed it for this place.
    """
    header = _header_of(value)
    key = ring.find(header.kid)
    if key is None:
        raise Closed(Why.UNKNOWN_KEY, f"is sealed by the key {header.kid}, which this webhook doesn't have", header.kid)
    return _opened(value, header, place, key)


def seal_or_keep(plaintext: SecretStr, stored: str | None, place: Place, ring: KeyRing, now: datetime) -> str:
    """Return the stored value if it opens to the same plaintext, so that writing it again changes nothing.

    Otherwise return a new one, sealed with the active key.

    Args:
        stored: the current value, sealed or not.

    Raises:
        TooLong: the plaintext cannot be sealed.
    """
    if stored is not None and _holds(stored, plaintext, place, ring):
        return stored
    return seal(plaintext, place, ring.active(now))


def open_sealed(
    value: str,
    keys: str | Iterable[str],
    *,
    namespace: str,
    key: str,
    role: str = "user",
    host: str | None = None,
) -> str:
    """Return the token of a sealed value. For programs that use sealed tokens.

    Args:
        value: a value of the Secret, decoded from the base64 of `data`.
        keys: the content of a key file, or of several.
        namespace: the namespace of the Secret.
        key: the key of the value in `data`.
        host: the host that the token will be sent to. Without it, every host is accepted.

    Raises:
        Closed: none of the keys sealed the value for this place and host.
        ValueError: a key or the host is invalid.
    """
    header = _header_of(value)
    place = Place(namespace, key, Role(role), parse_host(host) if host is not None else None)
    texts = [keys] if isinstance(keys, str) else keys
    for number, text in enumerate(texts, start=1):
        try:
            candidate = derive_key(parse_key(text.encode()), "")
        except ValueError as error:
            raise ValueError(f"key {number} {error}") from None
        if candidate.kid == header.kid:
            return _opened(value, header, place, candidate).plaintext.get_secret_value()
    raise Closed(Why.UNKNOWN_KEY, f"is sealed by the key {header.kid}, which isn't among those given", header.kid)


def sealing_key(value: str) -> str | None:
    """Return the id of the key that a sealed value names; None if this webhook did not seal it."""
    try:
        return _header_of(value).kid
    except Closed:
        return None


def is_bound(value: str) -> bool:
    """Return whether a sealed value is bound to a host. Values from earlier versions are not."""
    try:
        return _header_of(value).host is not None
    except Closed:
        return False


def _holds(stored: str, plaintext: SecretStr, place: Place, ring: KeyRing) -> bool:
    try:
        opened = open_value(stored, place, ring).plaintext
    except Closed:
        return False
    return hmac.compare_digest(opened.get_secret_value().encode(), plaintext.get_secret_value().encode())


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The header of a sealed value. One with other fields is not from this webhook."""

    alg: Literal["dir"]
    enc: Literal["A256GCM"]
    typ: Literal["git-token-sealed"]
    kid: Kid
    ns: str
    key: str
    role: str
    host: str | None = None


def _header_of(value: str) -> _Header:
    match = _SEALED.match(value)
    try:
        if match is not None:
            segment = match[1]
            return msgspec.json.decode(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)), type=_Header)
    except ValueError:  # not base64, not JSON, or another header
        pass
    raise Closed(Why.NOT_OURS, "is nothing that this webhook has sealed")


def _opened(value: str, header: _Header, place: Place, key: Key) -> Opened:
    try:
        plaintext = jwe.decrypt_compact(value, key.sealing, registry=_REGISTRY).plaintext
        text = (plaintext or b"").decode()
    except (JoseError, ValueError):
        raise Closed(
            Why.CHANGED, f"names the key {key.kid} and isn't what that has sealed: it was changed or cut off", key.kid
        ) from None
    if (header.ns, header.key, header.role) != (place.namespace, place.key, place.role):
        # Do not name the key, which may be a token by mistake.
        where = f"namespace {header.ns}" if header.ns != place.namespace else "another key of this namespace"
        raise Closed(Why.OTHER_PLACE, f"is sealed for {where}, and opens nowhere else", key.kid)
    opened = Opened(SecretStr(text), key.kid, header.host)
    if place.host is not None and (closed := opened.closed_for(place.host)) is not None:
        raise closed
    return opened
