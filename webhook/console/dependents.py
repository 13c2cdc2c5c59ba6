"""The Argo CD Applications that sync with each credential.

Secrets are read for their URLs, and not kept.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping

from webhook.audit.argocd import Credentials, is_argocds
from webhook.cluster.argocd import sources_of
from webhook.cluster.listing import Listed, Listing, Syncer
from webhook.cluster.requests import ApiError
from webhook.cluster.secrets import StoredSecrets

Place = tuple[str, str]
"""Namespace and name of a Secret."""

_IN_FLIGHT = 8


async def dependents(
    secrets: StoredSecrets, listing: Listing, listed: Iterable[Listed], namespaces: Iterable[str | None]
) -> Mapping[Place, tuple[str, ...]]:
    """Return ``NAMESPACE/NAME`` of the Applications by the Secret that Argo CD uses for them.

    Args:
        listed: all Secrets that the user sees; only Argo CD's are read.
        namespaces: of the Applications; None for all.

    Raises:
        ApiError: the Applications or the Secrets cannot be read.
    """
    syncers = [one for namespace in namespaces for one in await listing.applications(namespace)]
    if not syncers:
        return {}
    credentials, turns = Credentials(), asyncio.Semaphore(_IN_FLIGHT)

    async def read(one: Listed) -> None:
        async with turns:
            stored = await secrets.read(one.secret.namespace, one.secret.name)
        if stored is not None and is_argocds(stored.secret):
            credentials.add(stored.secret)

    try:
        async with asyncio.TaskGroup() as tasks:
            for one in listed:
                if is_argocds(one.secret):
                    tasks.create_task(read(one))
    except* ApiError as errors:
        raise errors.exceptions[0] from None
    return _used(syncers, credentials)


def _used(syncers: Iterable[Syncer], credentials: Credentials) -> dict[Place, tuple[str, ...]]:
    used: defaultdict[Place, dict[str, None]] = defaultdict(dict)
    for syncer in syncers:
        home = credentials.home(syncer.namespace)
        for source in sources_of(syncer.spec):
            if home is None or source.chart or not source.repo_url:
                continue
            found = credentials.used_for(source.repo_url, syncer.spec.project, home)
            if found is not None:
                used[found.place.namespace, found.place.name][f"{syncer.namespace}/{syncer.name}"] = None
    return {place: tuple(sorted(names)) for place, names in used.items()}
