"""Parse the URL of a Git repository, organisation or host: one parser for every URL that reaches us.

The host of such a URL decides where a token is sent, so the parser is strict where parsers differ from each
other (userinfo, backslashes, percent-encoding, non-ASCII look-alikes) and refuses instead of guessing. Its
errors never quote the URL: it may hold a credential.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal, NoReturn

Scheme = Literal["https", "ssh", "git", "oci"]

# RFC 1123 labels, at most 63 octets each, 253 in all. Underscores are no part of a host name.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_PLAIN = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash
_SCP_LIKE = re.compile(r"(?:[A-Za-z0-9._-]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>(?!//)[^\\]*)\Z")
# A name that ends in a number is an IPv4 address to many programs (WHATWG URL, "ends in a number"), in forms such as
# 127.1, 0x7f000001 and 0177.0.0.1, which others look up as names.
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_SSH = frozenset({"ssh", "git+ssh", "ssh+git"})
_SCHEMES = _SSH | {"https", "http", "git", "oci"}
_DEFAULT_PORT = {"https": 443, "http": 80}
# www. serves the same site, ssh. the same repositories over port 443
# (GitHub docs: using-ssh-over-the-https-port).
_ALIASES = {"www.github.com": "github.com", "ssh.github.com": "github.com"}


class MalformedUrl(ValueError):
    """The URL can't be used; the message says why without quoting it."""


@dataclass(frozen=True, slots=True)
class GitUrl:
    """A parsed URL.

    Attributes:
        scheme: ``https`` (also for ``http://``, see `insecure`), ``ssh`` (also scp-like), ``git`` or ``oci``.
        host: the canonical host, in lower case, with ``:port`` only where it isn't the scheme's own.
        path: the path's segments, without ``.git`` at the end: ``()`` names a host, ``("acme",)`` an owner.
        insecure: written as ``http://``: Git would send the token in clear.
    """

    scheme: Scheme
    host: str
    path: tuple[str, ...] = ()
    insecure: bool = False

    @property
    def uses_token(self) -> bool:
        """Whether Git would send a token to this URL at all (SSH uses keys, ``git://`` nothing)."""
        return self.scheme == "https"

    def __str__(self) -> str:
        return "/".join((f"{self.scheme}://{self.host}", *self.path))


def parse_git_url(text: str) -> GitUrl:
    """Parse `text` as Git and Argo CD would understand it.

    Raises:
        MalformedUrl: it isn't a URL that a token could be sent to without doubt.
    """
    _refuse_odd_characters(text)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return _parse_scp_like(text)
    scheme = scheme.lower()
    if scheme not in _SCHEMES:
        raise MalformedUrl("has a scheme that Git can't use with a token (https:// is needed)")
    if "?" in rest or "#" in rest:
        raise MalformedUrl("has a query or a fragment, which the URL of a repository doesn't have")
    authority, _, path = rest.partition("/")
    if scheme in _SSH:
        return GitUrl("ssh", parse_host(authority.rpartition("@")[2], scheme="ssh"), _segments(path))
    host = parse_host(authority, scheme=scheme)
    if scheme == "git":
        return GitUrl("git", host, _segments(path))
    if scheme == "oci":
        return GitUrl("oci", host, _segments(path))
    return GitUrl("https", host, _segments(path), insecure=scheme == "http")


def parse_host(text: str, *, scheme: str = "https") -> str:
    """The canonical form of ``host`` or ``host:port``.

    Letter case, a trailing dot, the scheme's own port, and ``www.`` and ``ssh.`` of github.com make no other
    host; another port does.

    Raises:
        MalformedUrl: it is no host name, IP address or port.
    """
    _refuse_odd_characters(text)
    if "@" in text:
        raise MalformedUrl("holds a user name or password before the host; keep them in their own keys")
    if "/" in text:
        raise MalformedUrl("is more than a host")
    if "%" in text:
        raise MalformedUrl("has an encoded or scoped host; write the host name itself")
    name, port = _split_port(text)
    name = name.lower()
    if name.startswith("["):
        canonical = _ipv6_literal(name)
    else:
        name = name.removesuffix(".")
        if not name:
            raise MalformedUrl("names no host")
        if len(name) > 253 or not all(_LABEL.match(label) for label in name.split(".")):
            raise MalformedUrl("names a host that is no valid DNS name")
        if _NUMBER.match(name.rpartition(".")[2]) and not _is_ipv4(name):
            raise MalformedUrl("names a host by a number that programs read in different ways")
        canonical = _ALIASES.get(name, name)
    if port is None or port == _DEFAULT_PORT.get(scheme):
        return canonical
    return f"{canonical}:{port}"


def _split_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        literal, bracket, rest = text.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise MalformedUrl("names a host that is no valid IPv6 address")
        name, separator, port = literal + "]", rest[:1], rest[1:]
    else:
        name, separator, port = text.partition(":")
    if not separator or not port:  # "host:" is "host" (RFC 3986, 3.2.3)
        return name, None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise MalformedUrl("has a port that is no number between 1 and 65535")
    return name, int(port)


def _is_ipv4(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def _ipv6_literal(text: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(text[1:-1]).compressed}]"
    except ValueError:
        _malformed_ipv6()


def _malformed_ipv6() -> NoReturn:
    raise MalformedUrl("names a host that is no valid IPv6 address") from None


def _parse_scp_like(text: str) -> GitUrl:
    """``git@host:path``, Git's short form of ``ssh://`` (git-clone: GIT URLS)."""
    if "@" not in text:
        raise MalformedUrl("has no scheme; write https:// before the host")
    match = _SCP_LIKE.match(text)
    if match is None:
        raise MalformedUrl("is no URL of a Git repository")
    return GitUrl("ssh", parse_host(match["host"], scheme="ssh"), _segments(match["path"]))


def _refuse_odd_characters(text: str) -> None:
    if _PLAIN.fullmatch(text):
        return
    if not text:
        raise MalformedUrl("is empty")
    if not text.isascii():
        raise MalformedUrl("has characters outside ASCII, which may look like others")
    if "\\" in text:
        raise MalformedUrl("has a backslash, which programs read in different ways")
    raise MalformedUrl("has a space, a line break or another control character")


def _segments(path: str) -> tuple[str, ...]:
    segments = tuple(segment for segment in path.split("/") if segment)
    if any(segment in {".", ".."} or "%" in segment for segment in segments):
        raise MalformedUrl("has a path with dot segments or percent-encoding; write the repository's own path")
    if segments and segments[-1].endswith(".git") and segments[-1] != ".git":
        segments = (*segments[:-1], segments[-1].removesuffix(".git"))
    return segments
