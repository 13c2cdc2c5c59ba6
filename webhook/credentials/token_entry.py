"""The entry of one value that holds a token, or cannot be one."""

from __future__ import annotations

import re

from pydantic import SecretStr

from webhook.credentials.entries import Checkable, Destination, Entry, External, Malformed, Unsupported
from webhook.credentials.placeholders import placeholder
from webhook.credentials.values import Values
from webhook.keyring.jwe import sealing_key
from webhook.providers.findings import GitAuth, TokenCredential
from webhook.providers.other_services import credential_at
from webhook.providers.text import tells
from webhook.providers.token_shapes import kind_of_token

# A compact JWE (RFC 7516, 3.1): five base64url parts, of which the second may be empty (`dir`).
JWE = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")

# The platform stores the initialization vector of its own encryption beside the value.
_IV_KEY = "encryptionIV"

# Characters. Tokens are far shorter, and most servers reject a longer HTTP header.
_LONGEST_TOKEN = 8192


def token_entry(
    key: str, values: Values, destination: Destination, git_auth: GitAuth | None = None, *, reads_iv: bool = True
) -> Entry:
    """Return the entry of a value.

    Args:
        reads_iv: whether the program that uses the token decrypts it if there is an initialization vector. Argo CD does
            not.
    """
    if (closed := values.closed.get(key)) is not None:
        return Entry(key, closed)
    try:
        text = values.raw(key).decode("utf-8")
    except UnicodeDecodeError:
        return Entry(key, External("is not valid UTF-8, so it seems to be encrypted"))
    if (how := how_encrypted(text, values, reads_iv)) is not None and kind_of_token(text.strip()) is None:
        return Entry(key, External(how))
    return Entry(key, checkable(text, values.text("username"), destination, git_auth))


def how_encrypted(text: str, values: Values, reads_iv: bool) -> str | None:
    """Return how we know that a value is encrypted and cannot be opened here, as a clause; None if it is not."""
    if (kid := sealing_key(text)) is not None:  # only without a key ring: with one, `closed` says why
        return f"is sealed by the key {kid}, and there is no key ring (--keys)"
    if JWE.match(text):
        return "is a JWE that no key of this webhook opens"
    return f"has an {_IV_KEY} in the same Secret" if reads_iv and text.strip() and values.is_set(_IV_KEY) else None


def checkable(
    token: str, username: str | None, destination: Destination, git_auth: GitAuth | None = None
) -> Checkable | Unsupported | Malformed:
    """Return a token that its provider can check, or why it cannot be checked."""
    if (why := _unusable(token)) is not None:
        return Malformed(why)
    if username is not None and any("\ud800" <= character <= "\udfff" for character in username):
        return Malformed("has a username that is not valid Unicode")
    address = f"{destination.url or ''} {destination.host or ''}".lower()
    if tells(address, token.lower()):  # both are shown in messages and annotations
        return Malformed("is also, at least in part, in its url or host, where more users can read it")
    if destination.host is not None and (what := credential_at(destination.host)) is not None:
        return Unsupported(what)
    return Checkable(TokenCredential(SecretStr(token), username, git_auth), destination)


def _unusable(token: str) -> str | None:
    """Return why no Git client could use a text as a token, as a clause; None if one could."""
    if not token:
        return "is empty"
    if (what := placeholder(token)) is not None:
        return what
    if token != token.rstrip("\r\n"):
        return "ends in a line break, which Git would send too; remove it (echo -n, printf)"
    if len(token) > 1 and token[0] in "\"'" and token[-1] == token[0]:
        return "is in quotes, which Git would send too; remove them"
    if token.lstrip()[:1] in {"{", "[", '"'}:
        return "is JSON and not a token"
    if not token.isascii() or not token.isprintable() or " " in token:
        return "has a space, a control character or a non-ASCII character, which a token cannot have"
    if len(token) > _LONGEST_TOKEN:
        return f"is longer than {_LONGEST_TOKEN} characters, which is too long for a token"
    return None
