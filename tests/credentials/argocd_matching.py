"""Which Secret Argo CD uses for a repository, written from Argo CD's source and from Go's ``net/url``, apart from ours.

Argo CD: ``util/git/git.go`` (NormalizeGitURL, SameURL), ``util/db/repository_secrets.go``
(getRepositoryCredentialIndex, getRepositorySecret). Go: ``net/url`` (Parse, String), as far as ASCII text needs it.
`VECTORS` is what the Go program itself answered (Go 1.26); `test_argocd_urls` holds this file against it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_letters, digits

_SSH_URL = re.compile(r"^(ssh://)?([^/:]*?)@[^@]+$")
_UNRESERVED = set(ascii_letters + digits + "-_.~")
_IN_HOST = _UNRESERVED | set("!$&'()*+,;=:[]<>\"")
_IN_PATH = _UNRESERVED | set("$&+,/:;=@")
_IN_RAW = _UNRESERVED | set("!$&'()*+,;=:@[]/%?")
_IN_USERINFO = _UNRESERVED | set("$&+,;=")
_IN_FRAGMENT = _UNRESERVED | set("$&+,/:;=?@!()*")
_VALID_USERINFO = _UNRESERVED | set(":!$&'()*+,;=%@")


class ParseError(ValueError):
    """Go's url.Parse fails."""


def normalize_git_url(text: str) -> str:
    """Argo CD's NormalizeGitURL: the text that it compares, empty where it can't parse the URL."""
    text = text.strip().lower()
    if _SSH_URL.match(text) and not text.startswith("ssh://"):
        text = "ssh://" + text.replace(":", "/", 1)
    try:
        return _reassembled(text.removesuffix(".git")).removeprefix("ssh://")
    except ParseError:
        return ""


def credential_for(repository: str, credentials: Sequence[str]) -> int | None:
    """Argo CD's getRepositoryCredentialIndex: which of these ``repo-creds`` URLs it uses for a repository."""
    longest, index = 0, None
    wanted = normalize_git_url(repository)
    for position, url in enumerate(map(normalize_git_url, credentials)):
        if wanted.startswith(url) and len(url) > longest:
            longest, index = len(url), position
    return index


def same_url(one: str, other: str) -> bool:
    """Argo CD's SameURL, by which a ``repository`` Secret is found."""
    left, right = (normalize_git_url(url) or url for url in (one, other))
    return left != "" and left == right


def _reassembled(raw: str) -> str:
    """Go: ``u, err := url.Parse(raw); u.String()``."""
    raw, _, fragment = raw.partition("#")
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in raw):
        raise ParseError
    scheme, rest = _scheme(raw)
    if rest.endswith("?") and rest.count("?") == 1:
        rest, query = rest[:-1], "?"
    else:
        rest, mark, query = rest.partition("?")
        query = mark + query if query else ""
    tail = query + (f"#{_encoded(fragment, _IN_FRAGMENT)}" if fragment else "")
    if not rest.startswith("/"):
        if scheme:
            return f"{scheme}:{rest}{tail}"
        if ":" in rest.partition("/")[0]:
            raise ParseError
    authority = None
    omit_host = False
    if (scheme or not rest.startswith("///")) and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
    elif scheme and rest.startswith("/"):
        omit_host = True
    user, host = _authority(scheme, authority or "")
    path = _encoded(rest, _IN_PATH)
    out = f"{scheme}:" if scheme else ""
    if (scheme or host or user is not None) and not omit_host and (host or path or user is not None):
        out += "//" + (f"{user}@" if user is not None else "") + host
    if path and not path.startswith("/") and host:
        out += "/"
    return out + path + tail


def _scheme(raw: str) -> tuple[str, str]:
    for position, letter in enumerate(raw):
        if letter.isascii() and letter.isalpha():
            continue
        if letter in digits + "+-.":
            if position == 0:
                return "", raw
        elif letter == ":":
            if position == 0:
                raise ParseError
            return raw[:position], raw[position + 1 :]
        else:
            return "", raw
    return "", raw


def _authority(scheme: str, text: str) -> tuple[str | None, str]:
    userinfo, at, host = text.rpartition("@")
    host = _host(scheme, host)
    if not at:
        return None, host
    if not set(userinfo) <= _VALID_USERINFO:
        raise ParseError
    name, colon, password = userinfo.partition(":")
    name = _escape(_unescape(name), _IN_USERINFO)
    return name + colon + (_escape(_unescape(password), _IN_USERINFO) if colon else ""), host


def _host(scheme: str, host: str) -> str:
    if "[" in host or "]" in host:
        raise ParseError  # not generated
    name, colon, port = host.partition(":") if scheme in {"http", "https"} else host.rpartition(":")
    if not colon:
        name, port = host, ""
    if colon and not all(letter in digits for letter in port):
        raise ParseError
    if "%" in name or not set(name) <= _IN_HOST:
        raise ParseError
    return host


def _encoded(raw: str, plain: set[str]) -> str:
    """Go: EscapedPath and EscapedFragment, of a URL that was parsed from `raw`."""
    usual = _escape(_unescape(raw), plain)
    return raw if raw == usual or set(raw) <= _IN_RAW else usual


def _unescape(text: str) -> str:
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        raise ParseError
    return re.sub(r"%([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)


def _escape(text: str, plain: set[str]) -> str:
    return "".join(letter if letter in plain else f"%{ord(letter):02X}" for letter in text)


VECTORS = {
    "https://github.com/acme": "https://github.com/acme",
    "HTTPS://GitHub.com/Acme/Apps.git": "https://github.com/acme/apps",
    "https://github.com/acme/": "https://github.com/acme/",
    "https://github.com//acme": "https://github.com//acme",
    " https://github.com/acme\n": "https://github.com/acme",
    "git@github.com:acme/apps.git": "git@github.com/acme/apps",
    "ssh://git@github.com/acme/apps": "git@github.com/acme/apps",
    "ssh://git@github.com:443/acme": "git@github.com:443/acme",
    "ssh://https://github.com/acme": "https://github.com/acme",
    "ssh://HTTPS://github.com": "https://github.com",
    "https://github.co": "https://github.co",
    "https://github.git": "https://github",
    "https://github.com.git": "https://github.com",
    "https://.git": "https:",
    "https://g": "https://g",
    "h": "h",
    "https:": "https:",
    "https://": "https:",
    "": "",
    "github.com/acme": "github.com/acme",
    "https://bob@github.com/acme": "https://bob@github.com/acme",
    "https://bob:word@github.com": "https://bob:word@github.com",
    "https://github.com#": "https://github.com",
    "https://github.com?": "https://github.com?",
    "https://github.com?a=b": "https://github.com?a=b",
    "https://github.com#a": "https://github.com#a",
    "https://github.com/a b": "https://github.com/a%20b",
    "https://github.com/a%20b": "https://github.com/a%20b",
    "https://github.com/a%2fb": "https://github.com/a%2fb",
    "https://github.com/%": "",
    "https://git%68ub.com": "",
    "https://github.com:443/acme": "https://github.com:443/acme",
    "https://github.com:44": "https://github.com:44",
    "https://github.com:x": "",
    "https://a:b:c": "",
    "ssh://a:b:1": "a:b:1",
    "oci://ghcr.io/acme": "oci://ghcr.io/acme",
    "file:///srv/git": "file:///srv/git",
    "/srv/git/x.git": "/srv/git/x",
    "ssh://ssh://https://github.com": "ssh://https://github.com",
    "https:/github.com": "https:/github.com",
    "https:///github.com": "https:///github.com",
    "//github.com/acme": "//github.com/acme",
    "https://github.com\\acme": "",
    "https://github.com/acme/gitops-": "https://github.com/acme/gitops-",
    "git@https://github.com": "git@https///github.com",
    "git@github.com:https://github.com": "git@github.com/https://github.com",
    "https://github.com/~bob/x": "https://github.com/~bob/x",
    "https://gitlab.shared_tools.acme.dev/x": "https://gitlab.shared_tools.acme.dev/x",
    "http://github.com:80/acme": "http://github.com:80/acme",
    ":x": "",
    "a:b": "a:b",
    "https://@github.com": "https://@github.com",
}
"""What Go's NormalizeGitURL returns."""
