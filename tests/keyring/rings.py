"""Key files and rings for tests, each key made up anew."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from pathlib import Path

from webhook.keyring.key import Key, derive_key
from webhook.keyring.ring import ALWAYS, KeyRing

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def key_text() -> str:
    """What ``openssl rand -base64 32`` prints."""
    return base64.b64encode(secrets.token_bytes(32)).decode() + "\n"


def write_key(folder: Path, name: str, text: str | None = None) -> str:
    """A key file as it should be; what it holds."""
    folder.mkdir(mode=0o700, exist_ok=True)
    text = key_text() if text is None else text
    (folder / name).write_text(text)
    (folder / name).chmod(0o600)
    return text


def make_ring(*names: str) -> KeyRing:
    """A ring of keys that have been there always, so that the last seals."""
    keys: tuple[Key, ...] = tuple(derive_key(secrets.token_bytes(32), name) for name in names or ("2026-11",))
    return KeyRing(keys, dict.fromkeys((key.kid for key in keys), ALWAYS))
