"""The decoded values of a Secret."""

from __future__ import annotations

import binascii
import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from pydantic import SecretStr

from webhook.credentials.entries import (
    Content,
    Undecodable,
)
from webhook.credentials.secret_search import SecretSearch
from webhook.providers.token_shapes import name_holds_token

# Of a Secret's key (Kubernetes: validation.IsConfigMapKey).
LONGEST_KEY = 253


TOKEN_KEYS = ("token", "password", "accessToken", "bearerToken")
"""Keys of `data` that hold the one token of a Secret."""


METADATA_KEYS = frozenset(
    """username url host provider type name project proxy noProxy insecure insecureIgnoreHostKey enableLfs depth
    enableOCI insecureOCIForceHttp forceHttpBasicAuth sshPrivateKey tlsClientCertData tlsClientCertKey githubAppID
    githubAppInstallationID githubAppPrivateKey githubAppEnterpriseBaseUrl gcpServiceAccountKey
    useAzureWorkloadIdentity azureServicePrincipalClientID azureServicePrincipalClientId
    azureServicePrincipalClientSecret azureServicePrincipalTenantID azureServicePrincipalTenantId
    azureActiveDirectoryEndpoint encryptionIV""".split()
)


# Keys that change neither a token nor its destination.
NEUTRAL_KEYS = frozenset(
    """name project proxy noProxy insecure insecureIgnoreHostKey insecureOCIForceHttp enableLfs depth
    forceHttpBasicAuth""".split()
)


class Values:
    """The `data` of a Secret. Each value is decoded once, when it is first needed."""

    def __init__(self, data: Mapping[str, str], closed: Mapping[str, Content] | None = None) -> None:
        """
        Args:
            closed: by key, values that cannot be opened, and why.
        """
        self._data = data
        self.closed = closed or {}
        self._decoded: dict[str, bytes] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def raw(self, key: str) -> bytes:
        """Return a value as bytes; empty if it is absent.

        Raises:
            Undecodable: it is not base64.
        """
        value = self._data.get(key)
        if not value:
            return b""
        decoded = self._decoded.get(key)
        if decoded is None:
            try:
                decoded = self._decoded[key] = binascii.a2b_base64(value, strict_mode=True)
            except ValueError:  # which binascii.Error is
                raise Undecodable(key) from None
        return decoded

    def decode_all(self) -> None:
        """Decode every value, so that no other method raises afterwards.

        Raises:
            Undecodable: a value is not base64.
        """
        for key in self._data:
            self.raw(key)

    def text(self, key: str) -> str | None:
        """Return a value as text; None if it is absent, empty or not UTF-8."""
        try:
            return self.raw(key).decode("utf-8") or None
        except UnicodeDecodeError:
            return None

    def written(self, key: str) -> str:
        """Return a value as text, with replacement characters for what is not UTF-8; empty if it is absent."""
        return self.raw(key).decode("utf-8", "replace")

    def is_set(self, key: str) -> bool:
        """Return whether a key has a value."""
        return bool(self._data.get(key))

    def origin(self, key: str) -> SecretStr:
        """Return a digest of the values that an entry was read from.

        For a key that is not a token's own, these are all values except the neutral ones.
        """
        shared = not key or key in METADATA_KEYS
        # Thousands of entries can share MiB of values, which are hashed once.
        digest = (self._all if shared else self._description).copy()
        digest.update(json.dumps([key, self._data.get(key)]).encode(errors="surrogatepass"))
        return SecretStr(digest.hexdigest())

    @cached_property
    def _all(self) -> hashlib.blake2b:
        return _digest((name, self._data[name]) for name in sorted(self._data) if name not in NEUTRAL_KEYS)

    @cached_property
    def _description(self) -> hashlib.blake2b:
        names = sorted(self._data.keys() & (METADATA_KEYS - NEUTRAL_KEYS))
        return _digest((name, self._data[name]) for name in names)

    def shown_in(self, key: str) -> bool:
        """Return whether a key contains a token, by its form, or because it contains a value of this Secret."""
        if not key or key in TOKEN_KEYS or key in METADATA_KEYS:
            return False
        return name_holds_token(key) or self._tokens.is_shown_in(key)

    @cached_property
    def _tokens(self) -> SecretSearch:
        """The tokens that are short enough to fit into a key."""
        keys = self._data.keys() - METADATA_KEYS  # a user's id may be the username in the same Secret
        tokens = (token for key in keys for token in tokens_of(self.text(key) or ""))
        return SecretSearch(token for token in tokens if len(token) <= LONGEST_KEY)


def tokens_of(text: str) -> list[str]:
    """Return a value, or the tokens in it if it is JSON."""
    return [text] if not text.lstrip().startswith("{") else tokens_in(text)


def tokens_in(text: str) -> list[str]:
    """Return all values under the names of tokens in JSON, at any depth; empty if the text is not JSON."""
    found: list[str] = []

    def collect(pairs: list[tuple[str, object]]) -> None:
        found.extend(value for name, value in pairs if name in TOKEN_KEYS and isinstance(value, str))

    try:
        json.loads(text, object_pairs_hook=collect)
    except (ValueError, RecursionError):
        pass
    return found


_digest_key = secrets.token_bytes(32)  # without it, no one can compare a digest with that of a guessed token


def _digest(items: Iterable[tuple[str, str]]) -> hashlib.blake2b:
    digest = hashlib.blake2b(key=_digest_key)
    for item in items:
        digest.update(json.dumps(item).encode(errors="surrogatepass"))
    return digest
