"""The configuration of requirements: scopes, permissions and repositories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from webhook.providers import PROVIDERS, urls
from webhook.providers.findings import RepositoryNeed
from webhook.providers.hosts import Kind
from webhook.providers.requirements import Level, Requirement, union
from webhook.settings.errors import WRONG_NAMES
from webhook.settings.values import Section


class RequirementSettings(Section):
    """One cell of the requirement table; absent parts keep their default."""

    scopes: tuple[str, ...] | None = None
    """What tokens with scopes must hold."""
    permissions: dict[str, Level] | None = None
    """What fine-grained tokens and Apps must hold."""
    levels: tuple[str, ...] | None = None
    """What tokens with levels must hold, such as Bitbucket Server's PROJECT_ADMIN and REPO_WRITE."""
    granular: tuple[str, ...] | None = None
    """What GitLab's fine-grained tokens must hold, by the names of their granular_scopes, such as 'Code: Push'."""

    def checked_for(self, kind: Kind) -> Self:
        """Return the same with the names that the provider uses.

        Raises:
            ValueError: the provider does not know a name; the text suggests the nearest one.
        """
        vocabulary = PROVIDERS[kind].profile.vocabulary
        permissions = self.permissions
        if permissions is not None:
            named = [(vocabulary.permission(name, level), level) for name, level in permissions.items()]
            permissions = dict(named)
            if len(permissions) != len(named):
                raise ValueError("names the same permission twice")
        if self.levels is not None:
            levels = [Requirement(permissions=(vocabulary.level(name),)) for name in self.levels]
            permissions = dict(union(levels).permissions)
        scopes, granular = self.scopes, self.granular
        if scopes is not None:
            scopes = tuple(vocabulary.scope(name) for name in scopes)
        if granular is not None:
            granular = tuple(vocabulary.granular_permission(name) for name in granular)
        return self.model_copy(update={"permissions": permissions, "scopes": scopes, "granular": granular})

    def over(self, default: Requirement) -> Requirement:
        """Return the default requirement with the parts of this cell replaced."""
        return Requirement(
            scopes=default.scopes if self.scopes is None else self.scopes,
            permissions=default.permissions if self.permissions is None else tuple(self.permissions.items()),
            granular=default.granular if self.granular is None else self.granular,
        )


_Place = TypeVar("_Place", bound=tuple[Kind, *tuple[str, ...]])


def checked(cells: Mapping[_Place, RequirementSettings]) -> dict[_Place, RequirementSettings]:
    """Return the cells with the names that their providers use. The error names every wrong cell by its place."""
    checked: dict[_Place, RequirementSettings] = {}
    wrong: dict[str, str] = {}
    for place, cell in cells.items():
        try:
            checked[place] = cell.checked_for(place[0])
        except ValueError as error:
            wrong[".".join(place)] = str(error)
    if wrong:
        raise PydanticCustomError(WRONG_NAMES, "wrong names", {"wrong": wrong})
    return checked


def _repository_url(value: str) -> str:
    try:
        url = urls.parse_git_url(value)
    except urls.MalformedUrl as error:
        raise ValueError(f"a repository's URL {error}") from None
    if url.scheme != "https" or url.insecure:
        raise ValueError("a repository's URL must begin with https://, as tokens only go there")
    if len(url.path) < 2:
        raise ValueError("a repository's URL must name a repository, and not only a host or an owner")
    return value


RepositoryUrl = Annotated[str, AfterValidator(_repository_url)]


class Repositories(Section):
    """Repositories that a runtime token of their host must reach, besides the one that its Secret's URL names."""

    write: tuple[RepositoryUrl, ...] = ()
    """Repositories to write to, such as the platform's Shared Configuration Repository."""
    read: tuple[RepositoryUrl, ...] = ()
    """Repositories to read, such as those that Argo CD syncs from."""
    applications: bool = False
    """Also every repository that Argo CD Applications sync with this credential (Argo CD uses the longest prefix)."""

    def needs(self) -> dict[str, tuple[RepositoryNeed, ...]]:
        """Return what the runtime tokens of each host must reach."""
        wanted: dict[str, dict[tuple[str, ...], Level]] = {}
        for level, declared in ((Level.WRITE, self.write), (Level.READ, self.read)):
            for url in map(urls.parse_git_url, declared):
                wanted.setdefault(url.host, {}).setdefault(url.path, level)
        return {
            host: tuple(RepositoryNeed(path, level) for path, level in paths.items()) for host, paths in wanted.items()
        }
