"""Text of responses, within the limits of the API server and without control characters.

The API server silently drops a warning with a control character or invalid UTF-8, and cuts each warning to 256 runes
if all of them have over 4,096 (KUBERNETES.md §1.7; kubernetes/apiserver pkg/endpoints/filters/warning.go). Names of
accounts and scopes come from providers, so sequences that could control a terminal are removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

WARNINGS_LIMIT = 4096
"""The maximum number of runes in all warnings of a response."""
SHORTEST_WARNING = 120
"""Runes. Shorter warnings would say too little, so the last ones are left out instead."""

# Other whitespace becomes a space. Control characters, surrogates and bidirectional overrides, which show text in
# another order, are removed.
_TO_SPACE = dict.fromkeys(map(ord, "\t\n\v\f\r\x85\u2028\u2029"), " ")
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_CLEAN = dict.fromkeys(_CONTROLS, "") | _TO_SPACE

_NO_AUDIT_KEY = re.compile(r"[^A-Za-z0-9._-]+")


def clean(text: str) -> str:
    """Return a text on one line, without invisible characters."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_CLEAN)


def fit_warnings(warnings: Iterable[str]) -> list[str]:
    """Return each different warning once, shortened so that the API server does not cut or drop one."""
    texts = list(dict.fromkeys(text for warning in warnings if (text := clean(warning).strip())))
    if sum(map(len, texts)) <= WARNINGS_LIMIT:
        return texts
    note = ""
    if _fair_length(texts, WARNINGS_LIMIT) < SHORTEST_WARNING:
        kept = WARNINGS_LIMIT // SHORTEST_WARNING - 1
        note = f"There are {len(texts) - kept} more warnings than fit here."
        texts = texts[:kept]
    length = _fair_length(texts, WARNINGS_LIMIT - len(note))
    cut = [text if len(text) <= length else text[: length - 1].rstrip() + "…" for text in texts]
    return [*dict.fromkeys(cut), *([note] if note else [])]


def _fair_length(texts: list[str], budget: int) -> int:
    """Return the greatest length to which texts can be cut so that all fit. Short texts leave space to long ones."""
    lengths = sorted(map(len, texts))
    for index, length in enumerate(lengths):
        share = budget // (len(lengths) - index)
        if length > share:
            return share
        budget -= length
    return lengths[-1] if lengths else budget


def audit_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """Return audit annotations with valid keys.

    The API server prefixes each key with ``<webhook>/`` and drops it if the result is not a qualified name (63
    characters that begin and end with a letter or digit).
    """
    fitting = {_audit_key(key): clean(value) for key, value in annotations.items()}
    fitting.pop("", None)
    return fitting


@lru_cache(maxsize=64)  # there are only a few
def _audit_key(key: str) -> str:
    return _NO_AUDIT_KEY.sub("-", key)[:63].strip("-._")
