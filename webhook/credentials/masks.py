"""Detect values that Argo CD masks before a dry run, which cannot be checked.

For its server-side diff Argo CD replaces every value of ``data`` by eight plus signs, and each further distinct value
by four more of them (gitops-engine: HideSecretData). That is valid base64, and no text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from webhook.credentials.entries import Entry, Malformed
from webhook.subject import SecretObject

DRY_RUN = "Argo CD has masked the values of this Secret for a dry run, so its tokens are not checked."
_STORED = "is a mask that Argo CD shows in place of a value (++++++++); write the token itself"

_MASK = re.compile(r"\+{8}(?:\+{4})*")


def masked_entries(secret: SecretObject, entries: Mapping[str, Entry]) -> frozenset[str]:
    """Return the keys of entries that cannot be judged, because their own value or one that all share is masked."""
    masked = {key for key, value in secret.data.items() if _MASK.fullmatch(value)}
    return frozenset(entries if masked - entries.keys() else masked & entries.keys())


def with_masks_malformed(entries: Mapping[str, Entry], masked: frozenset[str]) -> Mapping[str, Entry]:
    """Return the entries of a write with those malformed whose mask it would store."""
    return {key: replace(e, content=Malformed(_STORED)) if key in masked else e for key, e in entries.items()}
