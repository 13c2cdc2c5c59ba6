"""Warns about manifests that contain this webhook's own labels and annotations.

A Secret that was exported from a cluster carries them. Applied from Git, they differ from what the webhook writes, so a
GitOps controller finds a difference after each sync.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from webhook.decision import PatchOperation
from webhook.names import PREFIX
from webhook.review.annotations import WRITTEN
from webhook.subject import SecretObject, Subject


def carried_marks(subject: Subject, patch: Iterable[PatchOperation]) -> tuple[str, ...]:
    """Return a warning if a write brings labels or annotations of this webhook that `patch` replaces or removes.

    What the stored Secret has already is no finding: `kubectl edit` sends it back.
    """
    secret = subject.object
    if secret is None or not any(name.startswith(PREFIX) for name in (*secret.labels, *secret.annotations)):
        return ()
    patched = {str(operation["path"]) for operation in patch}
    # Any other name is not repeated: its text is the requester's.
    names = [name for name in WRITTEN if _is_carried(PREFIX + name, secret, subject.old, patched)]
    if not names:
        return ()
    shown = ", ".join(PREFIX + name for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (f"The manifest contains {shown}, which git-token-webhook sets itself; remove them from the manifest.",)


def _is_carried(name: str, secret: SecretObject, old: SecretObject | None, patched: set[str]) -> bool:
    pairs: tuple[tuple[str, Mapping[str, str], Mapping[str, str]], ...] = (
        ("labels", secret.labels, old.labels if old is not None else {}),
        ("annotations", secret.annotations, old.annotations if old is not None else {}),
    )
    escaped = name.replace("~", "~0").replace("/", "~1")
    return any(
        name in new and new[name] != stored.get(name) and f"/metadata/{field}/{escaped}" in patched
        for field, new, stored in pairs
    )
