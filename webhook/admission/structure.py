"""Limits on the depth and size of JSON, and a search for duplicate keys, without building its objects.

A body of 8 MiB can contain 3 million lists. To build them would take hundreds of MiB, and seconds that block all other
work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

import msgspec

from webhook.errors import BadReview

DEEPEST = 100
"""Nested objects and lists. A review of a Secret has 10, the deepest in managedFields."""
MOST_VALUES = 500_000
"""Lists, objects and their members. The largest Secret that etcd stores (1.5 MiB of empty values under short keys,
which managedFields repeat) has 420,000 of them in an UPDATE."""

_SLICE = 16 * 1024
"""Bytes between two pauses, which take a fraction of a millisecond."""
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")

_Members = Mapping[str, "_Members"]
_SECRET: _Members = {"metadata": {"labels": {}, "annotations": {}}, "data": {}, "stringData": {}}
_READ: _Members = {
    "request": {"resource": {}, "userInfo": {"extra": {}}, "object": _SECRET, "oldObject": _SECRET},
}
"""The objects of an AdmissionReview whose members are read."""


class _Key:
    """A key that is equal to no other, so that a dictionary keeps all members of an object."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


_members = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=lambda kind, text: kind(text))


def check(body: bytes | bytearray, pause: Callable[[], object] = int) -> None:
    """Check the depth of JSON and the number of its values.

    Raises:
        BadReview: one of them is above its limit.
    """
    # Each level needs a bracket, and a typical review has 30. In a large body, counting them would delay other threads.
    if len(body) <= _SLICE and body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    values, open_brackets = 0, b""
    for outside in _outside_of_strings(body):
        values += outside.count(b",") + outside.count(b"[") + outside.count(b"{")
        if values > MOST_VALUES:
            raise BadReview("the body has more values than a review of a Secret can have", status=413, reason="values")
        open_brackets = _close(open_brackets + outside.translate(None, _NOT_BRACKETS))
        if len(open_brackets) > DEEPEST:
            _refuse_depth()
        pause()


def _outside_of_strings(body: bytes | bytearray) -> Iterator[bytes]:
    """Yield the text outside of strings, part by part."""
    inside, left = 0, b""
    for begin in range(0, len(body), _SLICE):
        part = bytes(body[begin : begin + _SLICE])
        if inside and b'"' not in part:
            run = len(part) - len(part.rstrip(b"\\"))
            left = b"\\" * ((run + (len(left) if run == len(part) else 0)) % 2)
            continue
        # A backslash escapes the next character, which can be in the next part; two backslashes are one character.
        part = (left + part).replace(b"\\\\", b"")
        left = b"\\" if part.endswith(b"\\") else b""
        pieces = part.removesuffix(b"\\").replace(b'\\"', b"").split(b'"')
        yield b"".join(pieces[inside::2])
        inside = (inside + len(pieces) - 1) % 2


def _close(brackets: bytes) -> bytes:
    """Return the brackets that are still open."""
    for _ in range(DEEPEST):
        shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(shorter) == len(brackets):
            return brackets
        brackets = shorter
    _refuse_depth()


def refuse_duplicate_keys(body: bytes | bytearray, pause: Callable[[], object] = int) -> None:
    """Check that no key occurs twice in an object of an AdmissionReview whose members are read.

    Raises:
        BadReview: a key occurs twice.
    """
    try:
        _check_members(body, _READ, pause)
    except (msgspec.MsgspecError, UnicodeError):
        raise BadReview("the body is no JSON text in UTF-8", reason="json") from None


def _check_members(text: bytes | bytearray | msgspec.Raw, read: _Members, pause: Callable[[], object]) -> None:
    members = _members.decode(text)
    pause()
    if len({key.text for key in members}) != len(members):
        raise BadReview("a key stands twice in the same object", reason="duplicate-key")
    for key, value in members.items():
        if (inner := read.get(key.text)) is not None and memoryview(value)[:1].tobytes() == b"{":
            _check_members(value, inner, pause)


def _refuse_depth() -> NoReturn:
    raise BadReview("the body is nested too deeply", reason="depth")
