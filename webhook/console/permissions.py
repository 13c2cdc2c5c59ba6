"""What the user may do with a Secret, by SelfSubjectAccessReview.

The API server decides at each write. These answers only disable a button, and say why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from webhook.caches import ENTRY_OVERHEAD, ExpiringCache, digest
from webhook.cluster.objects import ApiObjects
from webhook.cluster.requests import ApiError

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

VERBS = ("get", "create", "patch", "delete")
_SECONDS = 30.0
_MOST = 2_000


class Permissions:
    """Asks the API server about the user's own permissions, and remembers the answer for a moment."""

    def __init__(self, client: ApiClient) -> None:
        self._objects = ApiObjects(client)
        self._answers: ExpiringCache[Mapping[str, str]] = ExpiringCache(
            entries=_MOST, size=_MOST * (ENTRY_OVERHEAD + 1024), size_of=lambda answers: 1024
        )

    async def missing(self, namespace: str, name: str = "") -> Mapping[str, str]:
        """Return why the user cannot do something, as a sentence by verb; verbs that are allowed are left out."""
        key = digest(namespace, name)
        found = self._answers.get(key)
        if found is None:
            answers = await asyncio.gather(*(self._why_not(verb, namespace, name) for verb in VERBS))
            found = {verb: why for verb, why in zip(VERBS, answers, strict=True) if why}
            self._answers.put(key, found, _SECONDS)
        return found

    async def _why_not(self, verb: str, namespace: str, name: str) -> str:
        try:
            # The name of an object that does not exist yet is no part of the API server's decision about create.
            if await self._objects.may(verb, "secrets", namespace, name="" if verb == "create" else name):
                return ""
        except ApiError:
            return ""  # the API server decides when the action is tried
        return f"Your account lacks the verb {verb} on secrets in namespace {namespace}."
