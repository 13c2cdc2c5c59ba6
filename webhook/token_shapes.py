"""What the shape of a token says about who made it, without asking anybody."""

from __future__ import annotations

import re

from webhook.hosts import Kind

# Prefixes that only one kind of provider gives out.
# GitHub: docs, about-authentication-to-github. GitLab: docs, security/tokens (configurable on self-managed ones, so
# that its absence means nothing). Atlassian: ATATT API tokens, ATCTT access tokens, ATBB app passwords; BBDC- HTTP
# access tokens of Data Center.
_PREFIXES: tuple[tuple[str, Kind], ...] = (
    ("github_pat_", Kind.GITHUB),
    ("ghp_", Kind.GITHUB),
    ("gho_", Kind.GITHUB),
    ("ghu_", Kind.GITHUB),
    ("ghs_", Kind.GITHUB),
    ("ghr_", Kind.GITHUB),
    ("glpat-", Kind.GITLAB),
    ("gldt-", Kind.GITLAB),
    ("gloas-", Kind.GITLAB),
    ("glcbt-", Kind.GITLAB),
    ("glptt-", Kind.GITLAB),
    ("glrt-", Kind.GITLAB),
    ("ATATT", Kind.BITBUCKET),
    ("ATCTT", Kind.BITBUCKET),
    ("ATBB", Kind.BITBUCKET),
    ("BBDC-", Kind.BITBUCKET_SERVER),
)

# The same inside other text: long enough that no part of a URL or of a key is taken for one, in any letter case (host
# names have none); and the 40 hexadecimal digits that tokens of several providers were, without any prefix.
_TOKEN_IN_NAME = re.compile(
    r"gh[pousr]_[a-z0-9]{30}|github_pat_\w{30}|(?<![a-z0-9])(?:gl(?:pat|dt|oas|cbt|ptt|rt)-[\w-]{16}"
    r"|at(?:att|ctt|bb)[a-z0-9]{24}|bbdc-[a-z0-9+]{30})|(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])",
    re.ASCII | re.IGNORECASE,
)

_UNPREFIXED = re.compile(r"[0-9a-f]{40}", re.ASCII | re.IGNORECASE)


def name_holds_token(text: str) -> bool:
    """Whether a URL, host or key has a part that can only be a token, by somebody's slip, and must not be shown."""
    return _TOKEN_IN_NAME.search(text) is not None


def is_token(text: str) -> bool:
    """Whether a whole value has the shape of a token, be it one of those without a prefix."""
    return kind_of_token(text) is not None or _UNPREFIXED.fullmatch(text) is not None


def kind_of_token(token: str) -> Kind | None:
    """The kind of provider that gave out `token`, or None where its shape doesn't tell."""
    for prefix, kind in _PREFIXES:
        if token.startswith(prefix):
            return kind
    return None
