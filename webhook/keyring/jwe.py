"""Seal a user's token as a compact JWE (RFC 7516: ``dir``, ``A256GCM``), and open it where it belongs.

The protected header binds a sealed value to its namespace, its key of the Secret, its role and the host that the token
is for: it opens nowhere else, and for no other host. docs/reference/sealed-format.md describes the format for programs
that read it.
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
"""For the annotation ``encryption-algorithm``."""
LONGEST = 48 * 1024
"""Bytes of a value that can be sealed; no token comes near, and few descriptions of one."""

_TYPE = "git-token-sealed"
# Header, no encrypted key (`dir`), 96 bits of initialisation vector, ciphertext, 128 bits of tag. The longest header
# (namespace 63, key 253, host 259 characters) and the longest ciphertext fit.
_KID_LENGTH = 16
_LONGEST_CIPHERTEXT = LONGEST // 3 * 4
_SEALED = re.compile(
    r"(eyJ[A-Za-z0-9_-]{1,1000})\.\.[A-Za-z0-9_-]{16}"
    rf"\.[A-Za-z0-9_-]{{0,{_LONGEST_CIPHERTEXT}}}\.[A-Za-z0-9_-]{{22}}\Z"
)
_CLAIMS = {name: HeaderParameter(f"Bound to this {name}", "str", required=True) for name in ("ns", "key", "role")}
_CLAIMS["host"] = HeaderParameter("Bound to this host", "str")  # not in values that were sealed before there was one
_REGISTRY = jwe.JWERegistry(_CLAIMS, algorithms=["dir", ALGORITHM])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value belongs: the key of a Secret, in whichever Secret of the namespace that is.

    Attributes:
        host: that the token is for, in its canonical form (`git_url.parse_host`); empty where the Secret doesn't tell.
            None compares no host when a value is opened, and binds none when it is sealed.
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
    """It names a key of the ring and isn't what that key has sealed."""


class Closed(Exception):
    """A value stays closed.

    Attributes:
        why: for programs. The text is for people: a clause that stands after the entry's name.
        kid: the key that it names, where it names one.
    """

    def __init__(self, why: Why, text: str, kid: str = "") -> None:
        super().__init__(text)
        self.why = why
        self.kid = kid


class TooLong(ValueError):
    """A value is longer than `LONGEST`."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a sealed value holds.

    Attributes:
        kid: the key that sealed it.
        host: that it is bound to; None of a value that was sealed before values were bound to hosts.
    """

    plaintext: SecretStr
    kid: str
    host: str | None = None

    def closed_for(self, host: str) -> Closed | None:
        """Why the value doesn't open for this host; None where it does."""
        if self.host is None or self.host == host:
            return None
        return Closed(Why.OTHER_HOST, other_host(self.host), self.kid)


def other_host(host: str) -> str:
    """The clause that says that a value is sealed for `host` alone."""
    if not host:
        return "is sealed for no certain host, and doesn't open for one; write the token itself"
    return f"is sealed for {host}, and opens for no other host; write the token itself, or the url as it was"


def seal(plaintext: SecretStr, place: Place, key: Key) -> str:
    """A value that only opens with `key`, at `place`. No two calls return the same.

    Raises:
        TooLong: no token is that long.
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
    """Bytes of the sealed value of a plaintext of so many bytes."""
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
    """What a sealed value holds.

    Raises:
        Closed: it isn't sealed by a key of the ring, for this place.
    """
    header = _header_of(value)
    key = ring.find(header.kid)
    if key is None:
        raise Closed(Why.UNKNOWN_KEY, f"is sealed by the key {header.kid}, which this webhook doesn't have", header.kid)
    return _opened(value, header, place, key)


def seal_or_keep(plaintext: SecretStr, stored: str | None, place: Place, ring: KeyRing, now: datetime) -> str:
    """A sealed value for `plaintext`: what is stored, where that opens to the same, so that nothing changes for who
    writes it again; else a new one, by the active key.

    Args:
        stored: the value that the Secret has now, sealed or not.

    Raises:
        TooLong: it can't be sealed.
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
    """For programs that use the tokens: the token of a sealed value.

    Args:
        value: of the Secret's key, decoded from base64 as `data` has it.
        keys: what a key file holds, or what several hold.
        namespace: of the Secret.
        key: of the Secret's `data`.
        host: to which the token will be sent, in any spelling. Without it, any host is accepted.

    Raises:
        Closed: the value isn't sealed by one of the keys for this place and host.
        ValueError: what `keys` holds is no key, or `host` is no host.
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
    """The kid that a sealed value names, whether or not it opens; None of a value that isn't sealed by us."""
    try:
        return _header_of(value).kid
    except Closed:
        return None


def is_bound(value: str) -> bool:
    """Whether a sealed value names the host that it is for; values that were sealed before hosts were bound don't."""
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
    """All that a header of ours has; whatever else one has, it isn't ours."""

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
    except ValueError:  # no base64, no JSON, or another header: both libraries' errors are of this kind
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
        # Not which key: people have been known to put tokens there.
        where = f"namespace {header.ns}" if header.ns != place.namespace else "another key of this namespace"
        raise Closed(Why.OTHER_PLACE, f"is sealed for {where}, and opens nowhere else", key.kid)
    opened = Opened(SecretStr(text), key.kid, header.host)
    if place.host is not None and (closed := opened.closed_for(place.host)) is not None:
        raise closed
    return opened
