"""Git services that answer no question about their tokens: known by name, so that they are called what they are.

Nothing is sent there. Their URLs have forms of their own, of which nothing matters here but the host.
"""

from __future__ import annotations

import re

_SERVICES = (
    (
        re.compile(r"(?:ssh\.)?dev\.azure\.com|[a-z0-9-]+\.visualstudio\.com"),
        "a token for Azure DevOps, which has no API that reports what a token may do",
    ),
    (
        re.compile(r"git-codecommit(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?"),
        "a Git credential for AWS CodeCommit, which is valid only for Git",
    ),
    (
        re.compile(r"source\.developers\.google\.com"),
        "a credential for Google Cloud Source Repositories, which is valid only for Git",
    ),
)
# Azure DevOps itself gives out https://ORGANISATION@dev.azure.com/ORGANISATION/My%20project/_git/REPOSITORY.
_URL = re.compile(r"https?://(?:[a-z0-9._-]+@)?([a-z0-9.-]+?)\.?(?::443)?(?:/[!-~]*)?", re.ASCII | re.IGNORECASE)


def credential_at(host: str) -> str | None:
    """What a token for this host is, for people; None where it is none of these services."""
    return next((what for pattern, what in _SERVICES if pattern.fullmatch(host)), None)


def host_of(url: str) -> str | None:
    """The host of a URL of one of these services, and None of any other."""
    found = _URL.fullmatch(url)
    host = found[1].lower() if found else ""
    return host if credential_at(host) is not None else None
