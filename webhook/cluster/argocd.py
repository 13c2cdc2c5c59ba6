"""Argo CD Applications: which repositories they sync."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from webhook.cluster.objects import Unavailable
from webhook.providers.token_shapes import name_holds_token
from webhook.providers.urls import GitUrl, MalformedUrl, parse_git_url


@dataclass(frozen=True, slots=True)
class Synced:
    """What the cluster's Applications sync.

    Attributes:
        by_host: their Git repositories over HTTPS.
        complete: False where there are more Applications than are looked at.
    """

    by_host: Mapping[str, Sequence[GitUrl]] = field(default_factory=dict)
    complete: bool = True

    @classmethod
    def of(cls, urls: Iterable[str], *, complete: bool = True) -> Synced:
        """What these URLs name, apart from those that show a token, by somebody's slip, and so must not be shown. What
        is no URL of a Git repository over HTTPS uses none that we know."""
        found: dict[str, dict[GitUrl, None]] = {}
        for url in urls:
            try:
                parsed = parse_git_url(url)
            except MalformedUrl:
                continue
            if parsed.uses_token and not name_holds_token(url):
                found.setdefault(parsed.host, {})[parsed] = None
        return cls({host: tuple(found[host]) for host in found}, complete)


class Source(msgspec.Struct, rename={"repo_url": "repoURL"}):
    """Where an Application is synced from."""

    repo_url: str = ""
    chart: str = ""


class _Hydrator(msgspec.Struct, rename={"dry_source": "drySource"}):
    dry_source: Source = msgspec.field(default_factory=Source)


class Spec(msgspec.Struct, rename={"source_hydrator": "sourceHydrator"}):
    """What of an Application's spec is looked at."""

    source: Source | None = None
    sources: list[Source] | None = None
    source_hydrator: _Hydrator | None = None
    project: str = ""


class _Application(msgspec.Struct):
    spec: Spec = msgspec.field(default_factory=Spec)


class _Metadata(msgspec.Struct, rename={"next": "continue"}):
    next: str = ""


class Page(msgspec.Struct):
    """A part of a list of Applications (Argo CD: pkg/apis/application/v1alpha1). Nothing else in it is even decoded."""

    items: list[_Application]
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)

    def urls(self) -> list[str]:
        """Of all that is no Helm chart."""
        return [source.repo_url for one in self.items for source in sources_of(one.spec) if not source.chart]


def sources_of(spec: Spec) -> Iterable[Source]:
    """All that it is synced from, Helm charts as well."""
    if spec.source_hydrator is not None:
        yield spec.source_hydrator.dry_source
    elif spec.sources:  # beside which Argo CD passes over `source`
        yield from spec.sources
    elif spec.source is not None:
        yield spec.source


def decode(body: bytes) -> Page:
    """A page as the API server sends it.

    Raises:
        Unavailable: it is none.
    """
    try:
        return msgspec.json.decode(body, type=Page)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unavailable("what the API server says of them can't be read") from None
