"""Interpret numbers, flags and URLs in Secrets as Argo CD does.

Source: argo-cd, ``util/db/secrets.go``, ``util/db/repository_secrets.go`` and ``util/git/git.go`` (NormalizeGitURL).
Argo CD compares URLs as strings. So a URL that names one host for a URL parser can be a prefix of URLs at another host
for Argo CD, which then sends the password there: ``https://github.co``, ``ssh://https://github.com``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

PREFIX_TYPES = frozenset({"repo-creds", "repo-write-creds"})
"""Types whose ``url`` is a prefix of repositories' URLs (Argo CD: getRepositoryCredentialIndex)."""
REPOSITORY_TYPES = frozenset({"repository", "repository-write"})
"""Types whose ``url`` is that of one repository (Argo CD: getRepositorySecret)."""

DEFAULT_USERNAME = "x-access-token"
"""The user name that Argo CD sends with a password if the Secret has none (githubAccessTokenUsername)."""

_INT64 = re.compile(r"[+-]?[0-9]+", re.ASCII)
_BOOLEANS = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True) | dict.fromkeys(
    ("0", "f", "F", "FALSE", "false", "False"), False
)
_NUMBERS = ("githubAppID", "githubAppInstallationID")
_REPOSITORY_NUMBERS = (*_NUMBERS, "depth")
_FLAGS = ("enableOCI", "insecureOCIForceHttp", "forceHttpBasicAuth", "useAzureWorkloadIdentity")
_REPOSITORY_FLAGS = (*_FLAGS, "insecureIgnoreHostKey", "insecure", "enableLfs", "webhookManifestCacheWarmDisabled")
_SSH_URL = re.compile(r"(?:ssh://)?[^/:]*?@[^@]+\Z", re.DOTALL)
_USERINFO = re.compile(r"(https?://)[^/@]*@")


def parse_int(text: str) -> int | None:
    """Return the result of Go's ``strconv.ParseInt(text, 10, 64)``; None if that fails."""
    if len(text) > 64 or not _INT64.fullmatch(text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def parse_bool(text: str) -> bool | None:
    """Return the result of Go's ``strconv.ParseBool``; None if that fails."""
    return _BOOLEANS.get(text)


def unreadable_keys(secret_type: str, keys: Collection[str], text_of: Callable[[str], str]) -> dict[str, str]:
    """Return the keys that make Argo CD fail to read the whole Secret, each with the reason.

    Args:
        keys: the keys of the Secret's data.
        text_of: returns the value of one of them as text.
    """
    is_repository = secret_type in REPOSITORY_TYPES
    wrong: dict[str, str] = {}
    for key in _REPOSITORY_NUMBERS if is_repository else _NUMBERS:
        if key in keys and parse_int(text_of(key)) is None:
            wrong[key] = (
                "is not a plain number, so that Argo CD can't read the Secret; write digits alone, without spaces, "
                "line breaks or letters"
            )
    for key in _REPOSITORY_FLAGS if is_repository else _FLAGS:
        if key in keys and parse_bool(text_of(key)) is None:
            wrong[key] = "is neither true nor false, so Argo CD cannot read the Secret; write true or false"
    return wrong


@dataclass(frozen=True, slots=True)
class Origins:
    """The forms in which a URL can begin that names a host.

    Attributes:
        urls: such as ``https://github.com`` and ``https://github.com:443``.
        paths: the same, each with a slash at its end.
    """

    urls: tuple[str, ...]
    paths: tuple[str, ...]

    @classmethod
    def of(cls, host: str) -> Origins:
        """Return the origins of a host.

        Args:
            host: in lower case, with ``:port`` unless that is the default port of the scheme.
        """
        urls = [f"{scheme}://{host}" for scheme in ("https", "http")]
        if ":" not in host.rpartition("]")[2]:
            urls += [f"https://{host}:443", f"http://{host}:80"]
        return cls(tuple(urls), tuple(f"{url}/" for url in urls))


@dataclass(frozen=True, slots=True)
class ArgoUrl:
    """The ``url`` of a Secret of Argo CD's, as Argo CD compares it.

    Attributes:
        text: the normalized URL.
        is_prefix: whether Argo CD compares it with the start of a repository's URL, not with the whole URL.
        anonymous: the text without a user name and a password.
    """

    text: str = field(repr=False)
    is_prefix: bool
    anonymous: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "anonymous", _USERINFO.sub(r"\1", self.text, count=1))

    @classmethod
    def of(cls, url: str, secret_type: str) -> ArgoUrl:
        """Return the URL of a Secret of this type."""
        return cls(normalize(url), secret_type in PREFIX_TYPES)

    def may_be_at(self, host: Origins) -> bool:
        """Return whether Argo CD uses the Secret for any repository at a host."""
        text = self.anonymous
        if text.startswith(host.paths):
            return True
        return self.is_prefix and bool(self.text) and any(origin.startswith(text) for origin in host.urls)

    def may_be_below(self, domain: str) -> bool:
        """Return whether Argo CD uses the Secret for any repository at ``NAME.DOMAIN``, where NAME is one label."""
        authority, slash, _ = self._rest().partition("/")
        label, dot, parent = authority.partition(".")
        if slash or not self.is_prefix:
            return dot == "." and parent.partition(":")[0] == domain
        if not dot:
            return bool(self.text) and ":" not in label
        return any(f"{domain}{end}".startswith(parent) for end in ("/", ":443/", ":80/"))

    def _rest(self) -> str:
        """Return what follows the scheme; an empty string if the text ends before that."""
        text = self.anonymous
        for scheme in ("https://", "http://"):
            if text.startswith(scheme):
                return text.removeprefix(scheme)
        return "" if "https://".startswith(text) or "http://".startswith(text) else "/"


def normalize(url: str) -> str:
    """Return the URL as Argo CD compares it (NormalizeGitURL), without the re-encoding of Go's URL parser.

    If that parser fails, Argo CD never uses the Secret. This function returns a text nevertheless: the result only
    shows whether a URL may be for another host, and then a URL that cannot be used is denied as well.
    """
    text = url.strip().replace("\u0130", "i").lower()  # as Go lower-cases it
    if _SSH_URL.match(text):
        text = text if text.startswith("ssh://") else "ssh://" + text.replace(":", "/", 1)
    # Go's URL.String omits an empty fragment.
    return text.removesuffix(".git").removesuffix("#").removeprefix("ssh://")
