"""Escaping of text in reports."""

from __future__ import annotations

_LONGEST = 4_000
"""Characters of one text that are shown, which is more than any message has."""


def shown(text: str, limit: int = _LONGEST) -> str:
    r"""Return `text` with all unprintable characters as escapes, such as ``\x1b``, cut to `limit` characters.

    Control characters, changes of the writing direction, line breaks and lone surrogates become visible and harmless.
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else _escaped(char) for char in cut)


def whole(text: str) -> str:
    """Return `text` with lone surrogates replaced, so that every parser reads it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
