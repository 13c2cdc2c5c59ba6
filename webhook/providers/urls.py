"""Parse the URL of a Git repository, organization or host.

The host of a URL decides where a token is sent, so this parser rejects what other parsers interpret differently:
userinfo, backslashes, percent-encoding, non-ASCII characters. Its errors never quote the URL, which may contain a
credential.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal, NoReturn

Scheme = Literal["https", "ssh", "git", "oci"]

# RFC 1123 labels, up to 63 octets each, 253 in all, and underscores, which DNS and TLS allow and some hosts use.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_AUTHORITY_END = re.compile(r"[/?#]")
_PLAIN = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash
_SCP_LIKE = re.compile(r"(?:[A-Za-z0-9._-]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>(?!//)[^\\]*)\Z")
# Many programs interpret a name that ends in a number as an IPv4 address (WHATWG URL, "ends in a number"), such as
# 127.1, 0x7f000001 and 0177.0.0.1, and others as a host name.
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_SSH = frozenset({"ssh", "git+ssh", "ssh+git"})
_SCHEMES = _SSH | {"https", "http", "git", "oci"}
_AS_WRITTEN: dict[str, Scheme] = {"git": "git", "oci": "oci", "ssh": "ssh"}
_HAS_USERINFO = "holds a user name or password before the host; keep them in their own keys"
_DEFAULT_PORT = {"https": 443, "http": 80}
# www. is the same site, and ssh. the same repositories on port 443 (GitHub docs: using-ssh-over-the-https-port).
ALIASES = {"www.github.com": "github.com", "ssh.github.com": "github.com"}
"""Other names of known hosts."""


class MalformedUrl(ValueError):
    """The URL cannot be used. The message says why and does not quote it."""


@dataclass(frozen=True, slots=True)
class GitUrl:
    """A parsed URL.

    Attributes:
        scheme: ``https`` (also for ``http://``, see `insecure`), ``ssh`` (also scp-like), ``git`` or ``oci``.
        host: the canonical host, in lower case, with ``:port`` unless that is the default port.
        path: the segments of the path, without ``.git``: ``()`` for a host, ``("acme",)`` for an owner.
        insecure: the URL starts with ``http://``, so Git would send the token unencrypted.
        fault: what is wrong with the URL apart from its host, as a clause; empty if `parse_git_url` returned it.
    """

    scheme: Scheme
    host: str
    path: tuple[str, ...] = ()
    insecure: bool = False
    fault: str = ""

    @property
    def uses_token(self) -> bool:
        """Whether Git sends a token to this URL; SSH uses keys, and ``git://`` no credentials."""
        return self.scheme == "https"

    def __str__(self) -> str:
        return "/".join((f"{self.scheme}://{self.host}", *self.path))


def parse_git_url(text: str) -> GitUrl:
    """Parse a URL as Git and Argo CD do.

    Raises:
        MalformedUrl: it cannot be used, or programs interpret it differently.
    """
    url = read_git_url(text)
    if url.fault:
        raise MalformedUrl(url.fault)
    return url


def read_git_url(text: str) -> GitUrl:
    """Parse a URL as `parse_git_url` does, but accept a query, a fragment, percent-encoding and a user name.

    Servers other than Git hosts use these. Such a URL has a `fault` and no path, and only its host matters.

    Raises:
        MalformedUrl: Git cannot use it, or programs find different hosts in it.
    """
    _check_characters(text)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return _parse_scp_like(text)
    scheme = scheme.lower()
    if scheme not in _SCHEMES:
        raise MalformedUrl("has a scheme that Git cannot use with a token (https:// is needed)")
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    remainder = rest[len(authority) :]
    # In USER:PASS/WORD@HOST and HOST?@OTHER, people and old programs see another host than parsers do.
    if "@" in remainder and (":" in authority or not remainder.startswith("/")):
        raise MalformedUrl("has an @ after what may be a user name, a password or a host")
    _, userinfo, name = authority.rpartition("@")
    if scheme in _SSH:  # git@ is usual there
        scheme, userinfo = "ssh", ""
    host = parse_host(name, scheme=scheme)
    fault = _fault(remainder, has_userinfo=bool(userinfo))
    path = () if fault else _segments(remainder)
    return GitUrl(_AS_WRITTEN.get(scheme, "https"), host, path, insecure=scheme == "http", fault=fault)


def _fault(remainder: str, *, has_userinfo: bool) -> str:
    """Return what is wrong with a URL apart from its host; empty if nothing is."""
    try:
        if "?" in remainder or "#" in remainder:
            raise MalformedUrl("has a query or a fragment, which the URL of a repository does not have")
        if has_userinfo:
            raise MalformedUrl(_HAS_USERINFO)
        _segments(remainder)
    except MalformedUrl as error:
        return str(error)
    return ""


def parse_host(text: str, *, scheme: str = "https") -> str:
    """Return the canonical form of ``host`` or ``host:port``.

    Letter case, a trailing dot, the default port, and ``www.`` and ``ssh.`` of github.com make no difference.

    Raises:
        MalformedUrl: this is not a host name or IP address with an optional port.
    """
    _check_characters(text)
    if "@" in text:
        raise MalformedUrl(_HAS_USERINFO)
    if "/" in text:
        raise MalformedUrl("contains more than a host")
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
            raise MalformedUrl("names a host that is not a valid DNS name")
        if _NUMBER.match(name.rpartition(".")[2]) and not _is_ipv4(name):
            raise MalformedUrl("names a host by a number that programs interpret differently")
        canonical = ALIASES.get(name, name)
    if port is None or port == _DEFAULT_PORT.get(scheme):
        return canonical
    return f"{canonical}:{port}"


def _split_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        literal, bracket, rest = text.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise MalformedUrl("names a host that is not a valid IPv6 address")
        name, separator, port = literal + "]", rest[:1], rest[1:]
    else:
        name, separator, port = text.partition(":")
    if not separator or not port:  # "host:" is "host" (RFC 3986, 3.2.3)
        return name, None
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise MalformedUrl("has a port that is not a number between 1 and 65535")
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
    raise MalformedUrl("names a host that is not a valid IPv6 address") from None


def _parse_scp_like(text: str) -> GitUrl:
    """``git@host:path``, Git's short form of ``ssh://`` (git-clone: GIT URLS)."""
    if "@" not in text:
        raise MalformedUrl("has no scheme; write https:// before the host")
    match = _SCP_LIKE.match(text)
    if match is None:
        raise MalformedUrl("is not the URL of a Git repository")
    host = parse_host(match["host"], scheme="ssh")
    fault = _fault(f"/{match['path']}", has_userinfo=False)
    return GitUrl("ssh", host, () if fault else _segments(match["path"]), fault=fault)


def _check_characters(text: str) -> None:
    if _PLAIN.fullmatch(text):
        return
    if not text:
        raise MalformedUrl("is empty")
    if not text.isascii():
        raise MalformedUrl("has non-ASCII characters, which may look like other characters")
    if "\\" in text:
        raise MalformedUrl("has a backslash, which programs interpret differently")
    raise MalformedUrl("has a space, a line break or another control character")


def _segments(path: str) -> tuple[str, ...]:
    segments = tuple(segment for segment in path.split("/") if segment)
    if any(segment in {".", ".."} or "%" in segment for segment in segments):
        raise MalformedUrl("has a path with dot segments or percent-encoding; write the repository's own path")
    if segments and segments[-1].endswith(".git") and segments[-1] != ".git":
        segments = (*segments[:-1], segments[-1].removesuffix(".git"))
    return segments
