"""The repositories that Argo CD Applications sync."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from webhook.cluster.requests import Unavailable
from webhook.providers.token_shapes import name_holds_token
from webhook.providers.urls import GitUrl, MalformedUrl, parse_git_url


@dataclass(frozen=True, slots=True)
class Synced:
    """The repositories that the cluster's Applications sync.

    Attributes:
        by_host: their Git repositories over HTTPS, by host.
        complete: False if there are more Applications than are read.
    """

    by_host: Mapping[str, Sequence[GitUrl]] = field(default_factory=dict)
    complete: bool = True

    @classmethod
    def of(cls, urls: Iterable[str], *, complete: bool = True) -> Synced:
        """Return the Git repositories over HTTPS among these URLs. A URL that contains a token by mistake is left out,
        because it must not be shown."""
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
    """A source of an Application."""

    repo_url: str = ""
    chart: str = ""


class _Hydrator(msgspec.Struct, rename={"dry_source": "drySource"}):
    dry_source: Source = msgspec.field(default_factory=Source)


class Spec(msgspec.Struct, rename={"source_hydrator": "sourceHydrator"}):
    """The fields of an Application's spec that matter here."""

    source: Source | None = None
    sources: list[Source] | None = None
    source_hydrator: _Hydrator | None = None
    project: str = ""


class _Application(msgspec.Struct):
    spec: Spec = msgspec.field(default_factory=Spec)


class _Metadata(msgspec.Struct, rename={"next": "continue"}):
    next: str = ""


class Page(msgspec.Struct):
    """A page of a list of Applications (Argo CD: pkg/apis/application/v1alpha1). Other fields are not decoded."""

    items: list[_Application]
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)

    def urls(self) -> list[str]:
        """Return the URLs of all sources that are not Helm charts."""
        return [source.repo_url for one in self.items for source in sources_of(one.spec) if not source.chart]


def sources_of(spec: Spec) -> Iterable[Source]:
    """Yield all sources, Helm charts included."""
    if spec.source_hydrator is not None:
        yield spec.source_hydrator.dry_source
    elif spec.sources:  # Argo CD ignores `source` if `sources` is set
        yield from spec.sources
    elif spec.source is not None:
        yield spec.source


def decode(body: bytes) -> Page:
    """Decode a page of Applications.

    Raises:
        Unavailable: it cannot be decoded.
    """
    try:
        return msgspec.json.decode(body, type=Page)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unavailable("the API server's list of them cannot be decoded") from None
