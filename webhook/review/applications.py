"""Repositories that Argo CD Applications sync, as far as they would be synced with a credential.

Argo CD takes the credential with the longest URL that a repository's begins with. Which others there are, nobody here
may read. So a repository that is only known from an Application is perhaps this credential's and perhaps not, and one
that it can't reach is worth a warning and no denial.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

from webhook.cluster.argocd import Synced
from webhook.cluster.requests import Unavailable
from webhook.providers.findings import RepositoryNeed
from webhook.providers.requirements import Level
from webhook.providers.urls import GitUrl
from webhook.review.exemptions import Cluster

MOST = 100
"""Repositories that one credential is asked about, at most."""


class ApplicationsSource(Protocol):
    """Where the Applications are known."""

    async def synced_repositories(self) -> Synced:
        """What all Applications of the cluster sync. Raises `Unavailable`."""
        ...


class ApiServer(Cluster, ApplicationsSource, Protocol):
    """All that we ask the API server."""


async def needs_of(
    url: GitUrl,
    known: Sequence[RepositoryNeed],
    source: ApplicationsSource | None,
    deadline: float,
    *,
    open_ended: bool = False,
) -> tuple[tuple[RepositoryNeed, ...], tuple[str, ...]]:
    """The repositories that are perhaps synced with the credential of this URL, and what to warn of.

    Args:
        known: what it must reach anyway.
        source: None where there is no API server.
        deadline: when the decision must stand, by the event loop's clock; the list may take half of what is left.
        open_ended: the URL may end inside a name.
    """
    now = asyncio.get_running_loop().time()
    try:
        if source is None:
            raise Unavailable("no API server is available")
        async with asyncio.timeout_at(now + max(0.0, deadline - now) / 2):
            synced = await source.synced_repositories()
    except Unavailable as error:
        return (), (f"The repositories of Argo CD Applications are not checked: {error}.",)
    except TimeoutError:
        return (), ("The repositories of Argo CD Applications are not checked: the list takes too long.",)
    return _below(url, known, synced, open_ended)


def _below(
    url: GitUrl, known: Sequence[RepositoryNeed], synced: Synced, open_ended: bool
) -> tuple[tuple[RepositoryNeed, ...], tuple[str, ...]]:
    # Argo CD compares in lower case; so do all providers, or nearly.
    begins = _lower(url.path)
    seen = {begins, *(_lower(need.path) for need in known)}
    found: dict[tuple[str, ...], RepositoryNeed] = {}
    for repository in synced.by_host.get(url.host, ()):
        path = _lower(repository.path)
        if _begins_with(path, begins, open_ended) and path not in seen and repository.insecure == url.insecure:
            found.setdefault(path, RepositoryNeed(repository.path, Level.READ, certain=False))
    needs = tuple(found[path] for path in sorted(found))
    warnings: list[str] = []
    if len(needs) > MOST:
        warnings.append(
            f"Argo CD Applications sync {len(needs)} repositories below this URL; the first {MOST} of them are checked."
        )
    if not synced.complete:
        warnings.append(
            "There are more Argo CD Applications than the limit, so the repositories of the others are not checked."
        )
    return needs[:MOST], tuple(warnings)


def _begins_with(path: tuple[str, ...], begins: tuple[str, ...], open_ended: bool) -> bool:
    if not open_ended or len(path) < len(begins):
        return path[: len(begins)] == begins
    return path[: len(begins) - 1] == begins[:-1] and path[len(begins) - 1].startswith(begins[-1])


def _lower(path: Iterable[str]) -> tuple[str, ...]:
    return tuple(segment.lower() for segment in path)
