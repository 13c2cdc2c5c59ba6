"""What a URL names on a Bitbucket Server: a repository, a project or the server; and the context path before it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from webhook.hosts import Host

# Atlassian: keys of projects have letters, digits and underscores; slugs of repositories and people also dots and
# hyphens. Dots alone are no name.
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}\Z")
_SLUG = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,128}\Z")
_CONTEXT = re.compile(r"(?!\.+\Z)[A-Za-z0-9._~-]{1,128}\Z")
_GIT, _PROJECTS, _PEOPLE = "scm", "projects", "users"


@dataclass(frozen=True, slots=True)
class Place:
    """What is asked about.

    Attributes:
        project: its key, ``ACME``, or ``~slug`` for somebody's own; None where only the server is named.
        repository: its slug in that project, or None.
        context: the part of the context path that `Host.api_url` doesn't have: empty, or ``/bitbucket``.
    """

    project: str | None = None
    repository: str | None = None
    context: str = ""

    @property
    def name(self) -> str:
        """For people: ``ACME/apps``, ``ACME`` or nothing."""
        return "/".join(part for part in (self.project, self.repository) if part)

    @property
    def api_path(self) -> str:
        """Where the API has the repository, or else the project."""
        inside = f"/repos/{self.repository}" if self.repository else ""
        return f"/projects/{self.project}{inside}"


def locate(path: tuple[str, ...], host: Host) -> Place | None:
    """What the path of a URL names, or None where that is nothing that Bitbucket has.

    Such paths are ``/scm/acme/apps`` (Git's), ``/projects/ACME/repos/apps`` and ``/users/jane/repos/apps`` (people's),
    below the context path: whatever stands before them is that, even where `Host.api_url` doesn't say so
    (Atlassian: change Bitbucket's context path).
    """
    declared = tuple(part for part in urlsplit(host.api_url).path.split("/") if part)
    if path[: len(declared)] == declared:
        path = path[len(declared) :]
    start = next((index for index, part in enumerate(path) if part in (_GIT, _PROJECTS, _PEOPLE)), len(path))
    if not all(_CONTEXT.match(part) for part in path[:start]):
        return None
    context = "".join(f"/{part}" for part in path[:start])
    kind, names = path[start : start + 1], path[start + 1 :]
    if not names:
        return Place(context=context)
    if kind == (_PEOPLE,):
        names = (f"~{names[0]}", *names[1:])
    project = key_of(names[0])
    if project is None:
        return None
    if kind != (_GIT,):
        names = (names[0], *names[2:]) if names[1:2] == ("repos",) else names[:1]
    if len(names) == 1:
        return Place(project, context=context)
    repository = slug_of(names[1])
    return None if repository is None else Place(project, repository, context)


def key_of(text: str) -> str | None:
    """A project's key as Bitbucket writes it, or None. Clone URLs have it in lower case."""
    if text.startswith("~"):
        return text if _SLUG.match(text[1:]) else None
    return text.upper() if _KEY.match(text) else None


def slug_of(text: str) -> str | None:
    """A repository's slug, or None."""
    return text if _SLUG.match(text) else None
