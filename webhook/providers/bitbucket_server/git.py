"""Read the advertisement of Git's smart HTTP protocol, which shows whether a token may push and changes nothing.

Bitbucket sends some rejections with status 200 and an error inside, so only the advertisement itself is a proof.
"""

from __future__ import annotations

import re

FETCH, PUSH = "git-upload-pack", "git-receive-pack"

_FLUSH = b"0000"
_ERROR = b"ERR "
# An object's id (SHA-1 or SHA-256) and a name, or the beginning of protocol version 1 or 2 (gitprotocol-http).
_REFERENCE = re.compile(rb"(?:[0-9a-f]{40}|[0-9a-f]{64}) |version [12]\n?\Z")


def advertised(body: object, service: str) -> bool | None:
    """Return whether the token may use `service`.

    Args:
        body: the body of a reply with status 200, as bytes.

    Returns:
        False if the error says that a permission is missing; None if the body shows neither.
    """
    line = _first_line(body, service)
    if line is None:
        return None
    if not line:  # an empty repository has no references to advertise
        return True
    if line.startswith(_ERROR):
        return False if b"permi" in line.lower() else None  # permission, permitted
    return True if _REFERENCE.match(line) else None


def error_in(body: object) -> str:
    """Return the error that a reply with status 200 has instead of an advertisement, in lower case; empty for none."""
    for service in (PUSH, FETCH):
        line = _first_line(body, service)
        if line is not None and line.startswith(_ERROR):
            return line.removeprefix(_ERROR).decode(errors="replace").lower()
    return ""


def _first_line(body: object, service: str) -> bytes | None:
    """Return the first line after the service's name, empty if there is none; None if this is no advertisement."""
    if not isinstance(body, bytes):
        return None
    line, rest = _packet(body)
    if line is not None and line.rstrip(b"\n") == f"# service={service}".encode():
        if not rest.startswith(_FLUSH):
            return None
        if rest[4:] == _FLUSH:
            return b""
        line, _ = _packet(rest[4:])
    return line


def _packet(body: bytes) -> tuple[bytes | None, bytes]:
    """Return the first pkt-line and what follows it; None if it is not complete (gitprotocol-common)."""
    if not re.match(rb"[0-9a-f]{4}", body, re.IGNORECASE):
        return None, body
    length = int(body[:4], 16)
    if length <= 4 or length > len(body):
        return None, body
    return body[4:length], body[length:]
