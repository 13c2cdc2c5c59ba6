"""The structure of a JSON text: how deep, how much, and whether a key that is read stands twice; without building it.

A text of 8 MiB can hold 3 million lists. Building them takes hundreds of megabytes and seconds in which nothing else
runs, so nothing is built of what nobody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

import msgspec

from webhook.errors import BadReview

DEEPEST = 100
"""Objects and lists within one another. A review of a Secret has 10, of which managedFields are the deepest."""
MOST_VALUES = 500_000
"""Lists, objects and members of either. The largest Secret that etcd takes (1.5 MiB, of nothing but empty values under
short keys, which managedFields name as well) has 420,000 with its old version."""

_SLICE = 16 * 1024
"""Bytes that are looked at between two pauses: a fraction of a millisecond's work."""
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")

_Members = Mapping[str, "_Members"]
_SECRET: _Members = {"metadata": {"labels": {}, "annotations": {}}, "data": {}, "stringData": {}}
_READ: _Members = {
    "request": {"resource": {}, "userInfo": {"extra": {}}, "object": _SECRET, "oldObject": _SECRET},
}
"""The objects of an AdmissionReview of which members are read."""


class _Key:
    """A key that equals no other, so that a dict keeps all members of an object."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


_members = msgspec.json.Decoder(dict[_Key, msgspec.Raw], dec_hook=lambda kind, text: kind(text))


def check(body: bytes | bytearray, pause: Callable[[], object] = int) -> None:
    """Check that a JSON text is neither deep nor of very many values.

    Raises:
        BadReview: it is.
    """
    # Each level needs a bracket. A usual review has 30. Counting those of a large body would hold up other threads.
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
    """What stands outside of strings, part by part."""
    inside, left = 0, b""
    for begin in range(0, len(body), _SLICE):
        part = bytes(body[begin : begin + _SLICE])
        if inside and b'"' not in part:
            run = len(part) - len(part.rstrip(b"\\"))
            left = b"\\" * ((run + (len(left) if run == len(part) else 0)) % 2)
            continue
        # A backslash escapes what follows, perhaps in the next part; two of them are one character of a string.
        part = (left + part).replace(b"\\\\", b"")
        left = b"\\" if part.endswith(b"\\") else b""
        pieces = part.removesuffix(b"\\").replace(b'\\"', b"").split(b'"')
        yield b"".join(pieces[inside::2])
        inside = (inside + len(pieces) - 1) % 2


def _close(brackets: bytes) -> bytes:
    """Return `brackets` without those that are closed again."""
    for _ in range(DEEPEST):
        shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if len(shorter) == len(brackets):
            return brackets
        brackets = shorter
    _refuse_depth()


def refuse_duplicate_keys(body: bytes | bytearray, pause: Callable[[], object] = int) -> None:
    """Check that in the objects of an AdmissionReview that are read every key stands once.

    Raises:
        BadReview: one stands twice.
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
