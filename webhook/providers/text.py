"""Text that came from a provider, before people see it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator

_PLAIN = re.compile(r"[A-Za-z0-9 ._:/@+~,'()\[\]-]+\Z")
_PART = 8
"""Characters of a secret that count as a part of it."""
_MAX_LENGTH = 1000
"""Characters beyond which a text is looked into no further: it is no name."""
_URL_SAFE = str.maketrans("-_", "+/")


def plain(text: object, *, secret: str, limit: int = 100) -> str:
    """A login, a scope, a repository's name, as far as it may stand in a message or an annotation.

    Args:
        text: what the provider sent, of whatever type.
        secret: the credential; a provider that echoes it, or 8 characters of it in any letter case, is not quoted.
            Nor is one that echoes it as it was sent, which may have been in base64 behind a user name.
        limit: the rest is cut off.

    Returns:
        The text; empty where it is no string, or has anything but the ASCII characters of names and scopes.
    """
    if not isinstance(text, str) or len(text) > _MAX_LENGTH or not _PLAIN.match(text):
        return ""
    if shows_secret(text, secret):
        return ""
    return text[:limit].strip()


def shows_secret(text: str, secret: str) -> bool:
    """Whether a text holds the secret, or 8 characters of it, as it is or in base64, in any letter case."""
    return tells(text.lower(), secret.lower()) or _tells_encoded(text, secret)


def tells(text: str, secret: str) -> bool:
    """Whether `text` holds `secret` or 8 characters of it in a row."""
    if not secret:
        return False
    if len(secret) < _PART:
        return secret in text
    # The shorter one is cut to pieces, since a private key is long and a scope is not.
    return any(text[start : start + _PART] in secret for start in range(len(text) - _PART + 1))


def _tells_encoded(text: str, secret: str) -> bool:
    if len(text) < _PART:
        return False
    text = text.translate(_URL_SAFE)
    return any(tells(text, form) for form in _in_base64(secret.encode(errors="surrogatepass")) if len(form) >= _PART)


def _in_base64(secret: bytes) -> Iterator[str]:
    """What is of a secret alone in the base64 of a text that ends with it, wherever in that it begins."""
    for before in range(3):
        encoded = b64encode(b"\0" * before + secret).decode().rstrip("=")
        whole = (before + len(secret)) * 8 // 6
        yield encoded[-(-before * 8 // 6) : whole]
