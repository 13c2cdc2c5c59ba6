"""The kind of provider that issued a token, by the token's shape."""

from __future__ import annotations

import re

from webhook.providers import PROVIDERS
from webhook.providers.hosts import Kind

_PREFIXES = [(prefix, kind) for kind, provider in PROVIDERS.items() for prefix in provider.profile.token_prefixes]

# Tokens inside other text, in any letter case because host names have none, and long enough to match no ordinary part
# of a URL or a key. The last form, 40 hexadecimal digits without a prefix, is that of older tokens of several
# providers.
_TOKEN_IN_NAME = re.compile(
    "|".join(
        [
            *(f"(?:{p.profile.shape_in_text})" for p in PROVIDERS.values() if p.profile.shape_in_text),
            "(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])",
        ]
    ),
    re.ASCII | re.IGNORECASE,
)


# All of these match only inside such a run. To find the runs first is ten times as fast in long texts.
_RUN = re.compile(r"[A-Za-z0-9_+/-]{9,}", re.ASCII)
_LONG = 1024  # characters


def name_holds_token(text: str) -> bool:
    """Return whether a URL, host, key or other text contains what can only be a token, and must not be shown."""
    searched = text if len(text) < _LONG else " ".join(_RUN.findall(text))
    return _TOKEN_IN_NAME.search(searched) is not None


def kind_of_token(token: str) -> Kind | None:
    """Return the kind of provider that issued a token, by its prefix; None if that is not known."""
    for prefix, kind in _PREFIXES:
        if token.startswith(prefix):
            return kind
    return None
