"""Text for people: enumerations and dates."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


def join(items: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    words = list(items)
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def day(moment: datetime) -> str:
    """A date for people."""
    return f"{moment:%Y-%m-%d}"
