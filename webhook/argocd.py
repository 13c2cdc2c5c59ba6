"""How Argo CD reads its Secrets: numbers, flags and URLs.

Source: argo-cd, ``util/db/secrets.go``, ``util/db/repository_secrets.go`` and ``util/git/git.go`` (NormalizeGitURL).
Argo CD compares URLs as strings. So a URL that names one host to a URL parser may be the beginning of URLs at another
one to Argo CD, which then sends the Secret's password there: ``https://github.co``, ``ssh://https://github.com``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

PREFIX_TYPES = frozenset({"repo-creds", "repo-write-creds"})
"""Types whose ``url`` is the beginning of repositories' URLs (Argo CD: getRepositoryCredentialIndex)."""
REPOSITORY_TYPES = frozenset({"repository", "repository-write"})
"""Types whose ``url`` is one repository's (Argo CD: getRepositorySecret)."""

DEFAULT_USERNAME = "x-access-token"
"""The user name that Argo CD sends with a password where the Secret has none (githubAccessTokenUsername)."""

_INT64 = re.compile(r"[+-]?[0-9]+", re.ASCII)
_BOOLEANS = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True) | dict.fromkeys(
    ("0", "f", "F", "FALSE", "false", "False"), False
)
_APP_IDS = ("githubAppID", "githubAppInstallationID")
_FLAGS = ("enableOCI", "insecureOCIForceHttp", "forceHttpBasicAuth", "useAzureWorkloadIdentity")
_REPOSITORY_FLAGS = ("insecureIgnoreHostKey", "insecure", "enableLfs", "webhookManifestCacheWarmDisabled")
_SSH_URL = re.compile(r"(?:ssh://)?[^/:]*?@[^@]+\Z", re.DOTALL)
_USERINFO = re.compile(r"(https?://)[^/@]*@")


def parse_int(text: str) -> int | None:
    """Return the number that Go's ``strconv.ParseInt(text, 10, 64)`` returns, or None where that fails."""
    if len(text) > 64 or not _INT64.fullmatch(text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def parse_bool(text: str) -> bool | None:
    """Return the truth value that Go's ``strconv.ParseBool`` returns, or None where that fails."""
    return _BOOLEANS.get(text)


def unreadable_keys(secret_type: str, value: Callable[[str], str | None]) -> dict[str, str]:
    """Return the keys that make Argo CD fail to read the Secret at all, each with the reason.

    Args:
        value: returns the text of a key of the Secret's data, None where the key is absent.
    """
    is_repository = secret_type in REPOSITORY_TYPES
    wrong: dict[str, str] = {}
    for key in (*_APP_IDS, "depth") if is_repository else _APP_IDS:
        text = value(key)
        if text is not None and parse_int(text) is None:
            wrong[key] = (
                "is not a plain number, so that Argo CD can't read the Secret; write digits alone, without spaces, "
                "line breaks or letters"
            )
    for key in (*_FLAGS, *_REPOSITORY_FLAGS) if is_repository else _FLAGS:
        text = value(key)
        if text is not None and parse_bool(text) is None:
            wrong[key] = "is neither true nor false, so Argo CD cannot read the Secret; write true or false"
    return wrong


@dataclass(frozen=True, slots=True)
class ArgoUrl:
    """The ``url`` of one of Argo CD's Secrets, as Argo CD compares it.

    Attributes:
        text: normalised.
        is_prefix: Argo CD compares it with the beginning of a repository's URL, and not with the whole.
    """

    text: str = field(repr=False)
    is_prefix: bool

    @classmethod
    def of(cls, url: str, secret_type: str) -> ArgoUrl:
        """The URL of a Secret of this type."""
        return cls(normalize(url), secret_type in PREFIX_TYPES)

    def may_be_at(self, host: str) -> bool:
        """Whether Argo CD uses the Secret for some repository at ``https://HOST`` or ``http://HOST``.

        Args:
            host: in lower case, with ``:port`` where it isn't the scheme's own.
        """
        return bool(self.text) and any(self._fits(origin) for origin in _origins(host))

    def may_be_below(self, domain: str) -> bool:
        """Whether Argo CD uses the Secret for some repository at a host ``NAME.DOMAIN`` with one label before the
        domain."""
        authority, slash, _ = self._rest().partition("/")
        label, dot, parent = authority.partition(".")
        if slash or not self.is_prefix:
            return dot == "." and parent.partition(":")[0] == domain
        if not dot:
            return bool(self.text) and ":" not in label
        return any(f"{domain}{end}".startswith(parent) for end in ("/", ":443/", ":80/"))

    def _fits(self, origin: str) -> bool:
        text = _USERINFO.sub(r"\1", self.text, count=1)
        return text.startswith(f"{origin}/") or (self.is_prefix and origin.startswith(text))

    def _rest(self) -> str:
        """What follows the scheme; nothing where the text ends before that."""
        text = _USERINFO.sub(r"\1", self.text, count=1)
        for scheme in ("https://", "http://"):
            if text.startswith(scheme):
                return text.removeprefix(scheme)
        return "" if "https://".startswith(text) or "http://".startswith(text) else "/"


def _origins(host: str) -> Iterable[str]:
    for scheme, port in (("https", 443), ("http", 80)):
        yield f"{scheme}://{host}"
        if ":" not in host.rpartition("]")[2]:
            yield f"{scheme}://{host}:{port}"


def normalize(url: str) -> str:
    """Return the URL as Argo CD compares it (NormalizeGitURL), without what Go's URL parser re-encodes.

    Where that parser would fail, Argo CD never uses the Secret. This function returns a text nonetheless: it is only
    asked whether a URL may be for another host, and then a URL that nobody can use is denied as well.
    """
    text = url.strip().lower()
    if _SSH_URL.match(text):
        text = text if text.startswith("ssh://") else "ssh://" + text.replace(":", "/", 1)
    # Go's URL.String leaves out an empty fragment.
    return text.removesuffix(".git").removesuffix("#").removeprefix("ssh://")
