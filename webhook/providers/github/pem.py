"""Decode PEM as Go's ``encoding/pem`` does, which is how Argo CD reads the private key of a GitHub App.

Other decoders are more lenient: OpenSSL and Python accept indented lines, quotes before the first line, or everything
on one line. Argo CD fails on those (ghinstallation, ``jwt.ParseRSAPrivateKeyFromPEM``).
"""

from __future__ import annotations

import binascii

_BEGIN = b"-----BEGIN "
_END = b"\n-----END "
_DASHES = b"-----"


def decode_pem(data: bytes) -> bytes | None:
    """Return the content of the first block that Go's ``pem.Decode`` finds, or None if it finds none."""
    rest = data
    while (end := rest.find(_END)) >= 0:
        after = end + len(_END)
        begin = rest.rfind(_BEGIN, 0, end)
        if begin >= 0 and (begin == 0 or rest[begin - 1 : begin] == b"\n"):
            content = _block(rest[begin + len(_BEGIN) : end + 1], rest[after:])
            if content is not None:
                return content
        rest = rest[after:]
    return None


def _block(text: bytes, trailer: bytes) -> bytes | None:
    """Return the decoded content of one block, or None if Go does not accept it.

    Args:
        text: what follows ``-----BEGIN ``, up to and with the line break before ``-----END ``.
        trailer: what follows ``-----END ``.
    """
    kind, _, body = text.partition(b"\n")
    kind = kind.removesuffix(b"\r").rstrip(b" \t")
    if not kind.endswith(_DASHES):
        return None
    last, line_break, _ = trailer.partition(b"\n")
    if line_break:
        last = last.removesuffix(b"\r")
    if last.rstrip(b" \t") != kind:  # "RSA PRIVATE KEY-----" after both BEGIN and END
        return None
    while b":" in body.partition(b"\n")[0]:  # headers, such as Proc-Type
        body = body.partition(b"\n")[2]
        if not body:
            return None
    encoded = body.translate(None, b" \t\r\n")
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        return None
