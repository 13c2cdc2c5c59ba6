"""Whether a text shows one of many secrets.

A Secret may hold thousands, and a text a quarter of a megabyte; whoever writes both shall keep nobody else waiting. So
looking takes as long as the text is long, however many they are and whatever they have in common.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

SHORTEST = 8
"""Characters: what is shorter is no secret, and may stand anywhere by chance."""
_LONGEST = 256  # who shows so much of a longer one shows it


class SecretSearch:
    """Texts that must not be shown."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Sorted, without those that begin with another: where they are, that is as well.
        self._secrets: list[str] = []
        for text in sorted({text[:_LONGEST] for text in secrets if len(text) >= SHORTEST}):
            if not (self._secrets and text.startswith(self._secrets[-1])):
                self._secrets.append(text)
        self._beginnings = frozenset(text[:SHORTEST] for text in self._secrets)

    def is_shown_in(self, text: str) -> bool:
        """Whether one of them is a part of `text`."""
        starts = range(len(text) - SHORTEST + 1) if self._secrets else ()
        return any(text[start : start + SHORTEST] in self._beginnings and self._is_at(text, start) for start in starts)

    def _is_at(self, text: str, start: int) -> bool:
        """Whether one of them stands at this place. As none begins with another, it can only be the last one that
        doesn't come after what stands there."""
        place = bisect_right(self._secrets, text[start : start + _LONGEST])
        return place > 0 and text.startswith(self._secrets[place - 1], start)
