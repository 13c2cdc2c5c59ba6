"""Search a text for any of many secrets.

A Secret can hold thousands of tokens, and an annotation 256 KiB, both from the requester. The time of a search depends
only on the length of the text, not on the number of secrets or on their common prefixes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

SHORTEST = 8
"""Characters. A shorter text is not a secret, and can occur anywhere by chance."""
_LONGEST = 256  # characters of a longer secret that are compared


class SecretSearch:
    """Secrets that a text must not contain."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Sorted, without secrets that start with another secret, which is found in their place.
        self._secrets: list[str] = []
        for text in sorted({text[:_LONGEST] for text in secrets if len(text) >= SHORTEST}):
            if not (self._secrets and text.startswith(self._secrets[-1])):
                self._secrets.append(text)
        self._beginnings = frozenset(text[:SHORTEST] for text in self._secrets)

    def is_shown_in(self, text: str) -> bool:
        """Return whether a text contains one of the secrets."""
        starts = range(len(text) - SHORTEST + 1) if self._secrets else ()
        return any(text[start : start + SHORTEST] in self._beginnings and self._is_at(text, start) for start in starts)

    def _is_at(self, text: str, start: int) -> bool:
        """Return whether a secret starts at this position.

        No secret starts with another, so only the last one that is not greater than the rest of the text can.
        """
        place = bisect_right(self._secrets, text[start : start + _LONGEST])
        return place > 0 and text.startswith(self._secrets[place - 1], start)
