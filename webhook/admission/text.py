"""Text on its way to people and to the API server, which is particular about both.

A warning with any control character or broken UTF-8 is dropped without a word, and warnings of more than 4,096
runes together are cut to 256 each (KUBERNETES.md §1.7; kubernetes/apiserver pkg/endpoints/filters/warning.go).
Names of accounts and scopes come from outside, so what could drive a terminal goes from every sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

WARNINGS_LIMIT = 4096
"""Runes that all warnings of one answer may have together."""
SHORTEST_WARNING = 120
"""Runes below which a warning says too little: rather fewer warnings than shorter ones."""

# White space that isn't a space becomes one; what else is invisible and steers (controls, surrogates, bidirectional
# overrides that show text in another order than it has) goes.
_TO_SPACE = dict.fromkeys(map(ord, "\t\n\v\f\r\x85\u2028\u2029"), " ")
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_CLEAN = dict.fromkeys(_CONTROLS, "") | _TO_SPACE

_NO_AUDIT_KEY = re.compile(r"[^A-Za-z0-9._-]+")


def clean(text: str) -> str:
    """`text` on one line, without anything that isn't to be seen."""
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_CLEAN)


def fit_warnings(warnings: Iterable[str]) -> list[str]:
    """Each different warning once, none empty, cut so that the API server has nothing to cut or drop."""
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
    """The greatest length to which texts can be cut so that all fit: short ones leave their rest to the long ones."""
    lengths = sorted(map(len, texts))
    for index, length in enumerate(lengths):
        share = budget // (len(lengths) - index)
        if length > share:
            return share
        budget -= length
    return lengths[-1] if lengths else budget


def audit_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """`annotations` under keys that the API server takes: it puts ``<webhook>/`` before each and wants the whole to be
    a qualified name (63 characters that begin and end with a letter or digit), else it drops them."""
    fitting = {_audit_key(key): clean(value) for key, value in annotations.items()}
    fitting.pop("", None)
    return fitting


@lru_cache(maxsize=64)  # they are always the same
def _audit_key(key: str) -> str:
    return _NO_AUDIT_KEY.sub("-", key)[:63].strip("-._")
