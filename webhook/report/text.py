"""Text of a report before a person, a terminal or an XML parser meets it."""

from __future__ import annotations

_LONGEST = 4_000
"""Characters of one text that are shown: more than any sentence of ours; the rest is nobody's to read on a screen."""


def shown(text: str, limit: int = _LONGEST) -> str:
    r"""What of `text` may be shown: printable characters as they are, all others as escapes, ``\x1b`` for example.

    Controls of a terminal, changes of the writing direction, line breaks and lone surrogates are seen, and do nothing.
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(char if char.isprintable() else _escaped(char) for char in cut)


def whole(text: str) -> str:
    """`text` as Unicode that every parser reads: lone surrogates, which stand for nothing, are replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
