"""The webhook's reviewer as the admission of the API server in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from webhook.decision import Deny, PatchOperation, Stage
from webhook.review.reviewer import Reviewer
from webhook.simulator.cluster import Document, Rejected, User
from webhook.subject import Operation, Requester, SecretObject, Subject

_SECONDS = 10.0


class WebhookAdmission:
    """Calls the reviewer for each write of a Secret, as the API server calls `/mutate` and `/validate`."""

    def __init__(self, reviewer: Reviewer) -> None:
        self._reviewer = reviewer

    async def __call__(self, operation: str, new: Document | None, old: Document | None, user: User) -> Document | None:
        """Return the object to store.

        Raises:
            Rejected: the webhook denies the write.
        """
        if new is None or not (old or new).get("metadata", {}).get("namespace") or "data" not in new:
            return new
        for stage in Stage:
            subject = Subject(
                Operation(operation), _secret(new), _secret(old), Requester(user.name, groups=user.groups)
            )
            deadline = asyncio.get_running_loop().time() + _SECONDS
            decision = (await self._reviewer.review(subject, stage, deadline)).decision
            if isinstance(decision, Deny):
                denied = 'admission webhook "validate.git-token-webhook.dev" denied the request: '
                raise Rejected(decision.code, str(decision.reason), denied + decision.message)
            new = patched(new, decision.patch)
        return new


def patched(document: Document, patch: Iterable[PatchOperation]) -> Document:
    """Apply a JSON patch that only adds, replaces and removes members of objects (RFC 6902)."""
    result: Document = deepcopy(document)
    for operation in patch:
        *above, last = [step.replace("~1", "/").replace("~0", "~") for step in str(operation["path"]).split("/")[1:]]
        parent: Any = result
        for step in above:
            parent = parent[step]
        if operation["op"] == "remove":
            parent.pop(last, None)
        elif operation["op"] in ("add", "replace"):
            parent[last] = operation["value"]
    return result


def _secret(document: Document | None) -> SecretObject | None:
    if document is None:
        return None
    metadata = document["metadata"]
    return SecretObject(
        metadata.get("namespace", ""),
        metadata.get("name", ""),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        data=document.get("data") or {},
        type=document.get("type", "Opaque"),
        immutable=bool(document.get("immutable")),
    )
