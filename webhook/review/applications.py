"""Find the repositories that Argo CD Applications sync with a credential.

Argo CD uses the credential with the longest URL that is a prefix of the repository's URL. The webhook may not read
other Secrets, so it does not know whether a repository of an Application uses this credential. A repository that the
credential cannot reach is therefore a warning and not a denial.
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
"""The maximum number of repositories that are checked for one credential."""


class ApplicationsSource(Protocol):
    """Lists Applications; implemented by `cluster.lookups`."""

    async def synced_repositories(self) -> Synced:
        """Return the repositories that all Applications of the cluster sync. Raises `Unavailable`."""
        ...


class ApiServer(Cluster, ApplicationsSource, Protocol):
    """All lookups of a review."""


async def needs_of(
    url: GitUrl,
    known: Sequence[RepositoryNeed],
    source: ApplicationsSource | None,
    deadline: float,
    *,
    open_ended: bool = False,
) -> tuple[tuple[RepositoryNeed, ...], tuple[str, ...]]:
    """Return the repositories that may be synced with the credential of a URL, and warnings.

    Args:
        known: the repositories that it must reach in any case.
        source: None without an API server.
        deadline: of the decision, by the event loop's clock; the list may take half of the remaining time.
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
    # Argo CD compares in lower case, and so do nearly all providers.
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
