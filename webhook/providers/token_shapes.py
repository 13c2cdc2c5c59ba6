"""What the shape of a token says about who made it, without asking anybody."""

from __future__ import annotations

import re

from webhook.providers import PROVIDERS
from webhook.providers.hosts import Kind

_PREFIXES = [(prefix, kind) for kind, provider in PROVIDERS.items() for prefix in provider.profile.token_prefixes]

# Inside other text: long enough that no part of a URL or of a key is taken for one, in any letter case (host names
# have none); and the 40 hexadecimal digits that tokens of several providers were, without any prefix.
_TOKEN_IN_NAME = re.compile(
    "|".join(
        [
            *(f"(?:{p.profile.shape_in_text})" for p in PROVIDERS.values() if p.profile.shape_in_text),
            "(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])",
        ]
    ),
    re.ASCII | re.IGNORECASE,
)


def name_holds_token(text: str) -> bool:
    """Whether a URL, host or key has a part that can only be a token, by somebody's slip, and must not be shown."""
    return _TOKEN_IN_NAME.search(text) is not None


def kind_of_token(token: str) -> Kind | None:
    """The kind of provider that gave out `token`, or None where its shape doesn't tell."""
    for prefix, kind in _PREFIXES:
        if token.startswith(prefix):
            return kind
    return None
