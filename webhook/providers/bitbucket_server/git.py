"""What Git's smart HTTP advertises: whether somebody may push, asked as every push does, and changing nothing.

Bitbucket answers some refusals with status 200 and an error inside, so that only the advertisement itself is a yes.
"""

from __future__ import annotations

import re

FETCH, PUSH = "git-upload-pack", "git-receive-pack"

_FLUSH = b"0000"
# An object's id (SHA-1 or SHA-256) and a name, or the beginning of protocol version 1 or 2 (gitprotocol-http).
_REFERENCE = re.compile(rb"(?:[0-9a-f]{40}|[0-9a-f]{64}) |version [12]\n?\Z")


def advertised(body: object, service: str) -> bool | None:
    """Whether `service` is open to whoever asked.

    Args:
        body: what came with status 200, as bytes.

    Returns:
        False where Git is told that a permission is missing; None where nothing follows from it.
    """
    if not isinstance(body, bytes):
        return None
    line, rest = _packet(body)
    if line is not None and line.rstrip(b"\n") == f"# service={service}".encode():
        if not rest.startswith(_FLUSH):
            return None
        if rest[4:] == _FLUSH:  # there is nothing to advertise, and nothing to refuse
            return True
        line, _ = _packet(rest[4:])
    if line is None:
        return None
    if line.startswith(b"ERR "):
        return False if b"permi" in line.lower() else None  # permission, permitted
    return True if _REFERENCE.match(line) else None


def _packet(body: bytes) -> tuple[bytes | None, bytes]:
    """The first line of pkt-lines and what follows it; None where there is no whole one (gitprotocol-common)."""
    if not re.match(rb"[0-9a-f]{4}", body, re.IGNORECASE):
        return None, body
    length = int(body[:4], 16)
    if length <= 4 or length > len(body):
        return None, body
    return body[4:length], body[length:]
