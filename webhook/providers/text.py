"""Text that came from a provider, before people see it."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[A-Za-z0-9 ._:/@+~,'()\[\]-]+\Z")
_PART = 8
"""Characters of a secret that count as a part of it."""


def plain(text: object, *, secret: str, limit: int = 100) -> str:
    """A login, a scope, a repository's name, as far as it may stand in a message or an annotation.

    Args:
        text: what the provider sent, of whatever type.
        secret: the credential; a provider that echoes it, or 8 characters of it in any letter case, is not quoted.
        limit: the rest is cut off.

    Returns:
        The text; empty where it is no string, or has anything but the ASCII characters of names and scopes.
    """
    if not isinstance(text, str) or not _PLAIN.match(text) or tells(text.lower(), secret.lower()):
        return ""
    return text[:limit].strip()


def tells(text: str, secret: str) -> bool:
    """Whether `text` holds `secret` or 8 characters of it in a row."""
    if not secret:
        return False
    if len(secret) < _PART:
        return secret in text
    # The shorter one is cut to pieces, since a private key is long and a scope is not.
    return any(text[start : start + _PART] in secret for start in range(len(text) - _PART + 1))
