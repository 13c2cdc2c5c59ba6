"""Text for people: enumerations, dates, and text of others made harmless."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

_LONGEST = 4_000
"""Characters of one text that are shown, which is more than any message has."""


STANDARD_INPUT = "<stdin>"
"""The name of standard input in messages and reports."""


def join(items: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    words = list(items)
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def day(moment: datetime) -> str:
    """A date for people."""
    return f"{moment:%Y-%m-%d}"


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
