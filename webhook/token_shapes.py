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

# The same, where a token stands inside other text; long enough that no ordinary word is taken for one.
TOKEN_IN_TEXT = re.compile(
    r"(?:github_pat_|gh[pousr]_|gl(?:pat|dt|oas|cbt|ptt|rt)-|AT(?:ATT|CTT|BB)|BBDC-)[A-Za-z0-9_=.\-]{10,}"
)


def kind_of_token(token: str) -> Kind | None:
    """The kind of provider that gave out `token`, or None where its shape doesn't tell."""
    for prefix, kind in _PREFIXES:
        if token.startswith(prefix):
            return kind
    return None
