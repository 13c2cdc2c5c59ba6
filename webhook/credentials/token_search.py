"""Search values that are not meant to be tokens for tokens.

A user's Secret has one token that is checked. Whatever else in it could be used as a token is one more entry, so that
no other key and no spelling carries a token past the check.
"""

from __future__ import annotations

import json
import re

from webhook.providers.token_shapes import name_holds_token

# Names under which programs look for a credential: "Token", "ACCESS_TOKEN", "git-password", "clientSecret".
_CREDENTIAL_NAME = re.compile(r"(?:tokens?|password|passwd|passphrase|secret|credentials?|apikey|pat)\Z")
_SHORTEST_NAMED = 8
# No provider's token is shorter than GitLab's of 20 characters.
_CHUNK = re.compile(r"[A-Za-z0-9_+/=-]{20,}", re.ASCII)
_CHUNK_IN_URL = re.compile(r"[A-Za-z0-9_=-]{32,}", re.ASCII)
_SEPARATOR = re.compile(r"[-_+/=]+")
_WORD = re.compile(r"[a-z]+|[A-Z]+|[A-Z][a-z]+|[0-9]+")
_LONGEST_WORD = 19
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_WITH_SCHEME = re.compile(r"\s*(?:bearer|basic|token)[\s:]+\S{8}", re.IGNORECASE)
# The length of a scheme is bounded so that a long word costs linear time.
_URL = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,19}://\S*")
# A certificate or key (RFC 7468) that begins as DER or OpenSSH's format does, or is encrypted (RFC 1421). No line of
# it is looked at twice, so the time is linear.
_PEM = re.compile(
    r"-----BEGIN (?P<kind>(?:[A-Z0-9]{1,20} ){0,3}(?:CERTIFICATE|REQUEST|KEY|PARAMETERS|CRL))-----\r?\n"
    r"(?:Proc-Type: 4,ENCRYPTED\r?\nDEK-Info: [A-Z0-9,-]{1,80}\r?\n\r?\n|(?=MI|b3BlbnNzaC1rZXkt))"
    r"(?:[A-Za-z0-9+/=]{1,76}\r?\n)+"
    r"-----END (?P=kind)-----"
)
_HEX = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})", re.ASCII | re.IGNORECASE)


def is_credential_name(name: str) -> bool:
    """Return whether a key of a Secret or a name in JSON names a credential, in any letter case and style."""
    return _CREDENTIAL_NAME.search(re.sub(r"[^a-z]", "", name.lower())) is not None


def may_hold_credential(value: bytes, name: str = "") -> bool:
    """Return whether a value, or a part of it, could be used as a token.

    Args:
        name: the key that it stands under.
    """
    text = _text(value)
    if is_credential_name(name) and len(text.strip()) >= _SHORTEST_NAMED:
        return True
    return _may_be_credential(text)


def described_holds_credential(value: bytes) -> bool:
    """Return whether a value that describes a token, such as a user name, contains one, by its form alone.

    Names of GitLab's bots are as long and as random as tokens are.
    """
    text = _text(value).strip()
    if text.startswith(("{", "[")):
        return _json_holds_credential(text, names_only=True)
    return name_holds_token(text) or _HEX.fullmatch(text) is not None


def _text(value: bytes) -> str:
    """Return a value as text; if it is not UTF-8, its ASCII characters."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return text.replace("\0", "")  # UTF-16


def _may_be_credential(text: str) -> bool:
    if text.lstrip().startswith(("{", "[")):
        return _json_holds_credential(text)
    if _WITH_SCHEME.match(text) or name_holds_token(text):
        return True
    if "-----BEGIN " in text:
        text = _PEM.sub(" ", text)
    rest = _URL.sub(" ", text) if "://" in text else text
    chunks = _CHUNK.findall(rest)
    if rest != text:
        chunks += [chunk for url in _URL.findall(text) for chunk in _CHUNK_IN_URL.findall(url)]
    return any(_is_random(chunk) for chunk in chunks)


def _is_random(chunk: str) -> bool:
    """Return whether a run of characters is neither a UUID nor words and numbers with hyphens."""
    if _UUID.fullmatch(chunk):
        return False
    words = _SEPARATOR.split(chunk.strip("-_+/="))
    return any(not _WORD.fullmatch(word) or len(word) > _LONGEST_WORD for word in words if word)


def _json_holds_credential(text: str, *, names_only: bool = False) -> bool:
    """Return whether JSON has a value under the name of a credential, or a string that could be one, at any depth.

    Args:
        names_only: look at names, and at strings by their shape alone.
    """
    try:
        document = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return _CHUNK.search(text) is not None or '"token"' in text
    return _holds_credential(document, names_only)


class _Pairs(list[tuple[str, object]]):
    """Return the names and values of a JSON object; a duplicate name has all of its values."""


def document_holds_credential(document: object) -> bool:
    """Return whether decoded JSON contains a credential, by a name or by the form of a string."""
    return _holds_credential(document, names_only=False)


def _holds_credential(document: object, names_only: bool) -> bool:
    pending = [document]
    while pending:
        part = pending.pop()
        if isinstance(part, dict | _Pairs):
            pairs = part if isinstance(part, _Pairs) else list(part.items())
            if any(is_credential_name(name) and value for name, value in pairs):
                return True
            pending += [text for pair in pairs for text in pair]
        elif isinstance(part, list):
            pending += part
        elif isinstance(part, str) and part.lstrip().startswith(("{", "[")):
            try:
                pending.append(json.loads(part, object_pairs_hook=_Pairs))
            except (ValueError, RecursionError):
                if _CHUNK.search(part):
                    return True
        elif isinstance(part, str) and (name_holds_token(part) if names_only else _may_be_credential(part)):
            return True
    return False
