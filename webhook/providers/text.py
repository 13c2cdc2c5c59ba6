"""Check text from a provider before it is shown."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator

_PLAIN = re.compile(r"[A-Za-z0-9 ._:/@+~,'()\[\]-]+\Z")
_PART = 8
"""Characters of a secret that count as a part of it."""
_MAX_LENGTH = 1000
"""Characters. A longer text is not a name, and is not searched."""
_URL_SAFE = str.maketrans("-_", "+/")


def plain(text: object, *, secret: str, limit: int = 100) -> str:
    """Return a login, a scope or the name of a repository, as it may be shown in a message or an annotation.

    The result is empty if the value is not a string, has other characters than those of names and scopes, or contains
    the credential: 8 characters of it in any letter case, as it is or in base64 after a user name.

    Args:
        text: any value from the provider's response.
        secret: the credential.
        limit: characters, after which the text is cut.
    """
    if not isinstance(text, str) or len(text) > _MAX_LENGTH or not _PLAIN.match(text):
        return ""
    if shows_secret(text, secret):
        return ""
    return text[:limit].strip()


def shows_secret(text: str, secret: str) -> bool:
    """Return whether a text contains a secret or 8 characters of it, as it is or in base64, in any letter case."""
    return tells(text.lower(), secret.lower()) or _tells_encoded(text, secret)


def tells(text: str, secret: str) -> bool:
    """Return whether a text contains a secret or 8 consecutive characters of it."""
    if not secret:
        return False
    if len(secret) < _PART:
        return secret in text
    # The text is cut to pieces, because it is shorter than a private key.
    return any(text[start : start + _PART] in secret for start in range(len(text) - _PART + 1))


def _tells_encoded(text: str, secret: str) -> bool:
    if len(text) < _PART:
        return False
    text = text.translate(_URL_SAFE)
    return any(tells(text, form) for form in _in_base64(secret.encode(errors="surrogatepass")) if len(form) >= _PART)


def _in_base64(secret: bytes) -> Iterator[str]:
    """Yield the base64 of a secret at each of the three possible offsets, without characters of the text before it."""
    for before in range(3):
        encoded = b64encode(b"\0" * before + secret).decode().rstrip("=")
        whole = (before + len(secret)) * 8 // 6
        yield encoded[-(-before * 8 // 6) : whole]
