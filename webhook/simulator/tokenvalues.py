"""Token strings with the right prefix, length, alphabet and checksum, made at run time.

Nothing here may ever be committed as a literal: secret scanners (rightly) can't tell a simulated token from a real one.
The same seed and name give the same string, so two processes that load one world agree without passing tokens around.
"""

from __future__ import annotations

import base64
import hashlib
import string
import zlib
from collections.abc import Iterator

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
HEX = "0123456789abcdef"
DIGITS = string.digits
BASE36 = string.digits + string.ascii_lowercase
URL_SAFE = BASE62 + "-_"


def random_text(seed: str, length: int, alphabet: str = BASE62) -> str:
    """Deterministic text that looks random: SHA-256 in counter mode, without the bias of a plain modulo."""
    limit = 256 - 256 % len(alphabet)
    letters = (alphabet[byte % len(alphabet)] for byte in _bytes(seed) if byte < limit)
    return "".join(next(letters) for _ in range(length))


def _bytes(seed: str) -> Iterator[int]:
    counter = 0
    while True:
        yield from hashlib.sha256(f"{seed}#{counter}".encode()).digest()
        counter += 1


def github_prefixed(prefix: str, seed: str) -> str:
    """``ghp_`` and its siblings: 30 random characters and a CRC32 of them in base 62.

    GitHub's blog of 2021-04-05, "Behind GitHub's new authentication token formats".
    """
    text = random_text(seed, 30)
    number, checksum = zlib.crc32(text.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        checksum = BASE62[digit] + checksum
    return f"{prefix}{text}{checksum}"


def github_fine_grained(seed: str) -> str:
    """``github_pat_`` + 22 + ``_`` + 59 characters, 93 in all, as observed on github.com."""
    return f"github_pat_{random_text(seed + '/id', 22)}_{random_text(seed + '/secret', 59)}"


def github_legacy(seed: str) -> str:
    """A token from before April 2021: 40 hexadecimal characters without a prefix."""
    return random_text(seed, 40, HEX)


def github_stateless(app_id: int, seed: str) -> str:
    """``ghs_APPID_JWT``, about 520 characters with two dots (GitHub changelog of 2026-04-24).

    Without ``-``, which base64url would have: GitHub recommends ``ghs_[A-Za-z0-9\\._]{36,}`` to recognise them.
    """
    alphabet = BASE62 + "_"
    header, claims = "eyJ" + random_text(seed + "/h", 33, alphabet), "eyJ" + random_text(seed + "/c", 121, alphabet)
    return f"ghs_{app_id}_{header}.{claims}.{random_text(seed + '/s', 342, alphabet)}"


def atlassian_api_token(seed: str) -> str:
    """``ATATT3xFfGF0…``: 192 characters in all, of which scanners know the first six and the alphabet."""
    return _atlassian("ATATT3xFfGF0", seed)


def atlassian_access_token(seed: str) -> str:
    """``ATCTT3xFfGN0…``, of a repository, project or workspace; the prefix is general knowledge, as is the length."""
    return _atlassian("ATCTT3xFfGN0", seed)


def _atlassian(prefix: str, seed: str) -> str:
    """A random text, ``=`` and eight hexadecimal digits of a checksum, as observed."""
    start = prefix + random_text(seed, 192 - len(prefix) - 9, URL_SAFE)
    return f"{start}={zlib.crc32(start.encode()):08X}"


def bitbucket_app_password(seed: str) -> str:
    """``ATBB`` and 32 characters, the last eight of them hexadecimal digits of a checksum."""
    start = "ATBB" + random_text(seed, 24)
    return f"{start}{zlib.crc32(start.encode()):08X}"


def bitbucket_oauth(seed: str) -> str:
    """An access token of an OAuth consumer: base64 without any prefix."""
    return random_text(seed, 86, URL_SAFE) + "=="


def gitlab_legacy(prefix: str, seed: str) -> str:
    """``glpat-`` and its siblings before routable tokens: the prefix and 20 URL-safe characters."""
    return prefix + random_text(seed, 20, URL_SAFE)


def gitlab_routable(prefix: str, seed: str) -> str:
    """The prefix and a payload, then ``.01.`` (a version), and the payload's length and a CRC32, both in base 36.

    GitLab's design document "Routable tokens". Scanners know it as ``.<2>.<9 of [a-z0-9]>`` after 27 to 300 characters.
    """
    payload = random_text(seed, 51, URL_SAFE)
    start = f"{prefix}{payload}.01.{_base36(len(payload), 2)}"
    return start + _base36(zlib.crc32(start.encode()), 7)


def _base36(number: int, length: int) -> str:
    text = ""
    for _ in range(length):
        number, digit = divmod(number, 36)
        text = BASE36[digit] + text
    return text


def gitlab_oauth(seed: str) -> str:
    """An OAuth access token: 64 hexadecimal characters without a prefix."""
    return random_text(seed, 64, HEX)


def bitbucket_server_token(number: str, seed: str, prefix: str = "") -> str:
    """44 characters of base64 over ``id:secret``, an id of twelve digits; newer versions put ``BBDC-`` before it."""
    secret = hashlib.sha256(seed.encode()).digest()[:20]
    return prefix + base64.b64encode(f"{number}:".encode() + secret).decode()


def gitea_token(seed: str) -> str:
    """40 hexadecimal characters without a prefix."""
    return random_text(seed, 40, HEX)
