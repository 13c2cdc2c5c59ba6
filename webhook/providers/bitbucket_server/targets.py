"""The repository, project or server that a URL of Bitbucket Server names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from webhook.providers.hosts import Host

# Atlassian: keys of projects have letters, digits and underscores; slugs of repositories and people also dots and
# hyphens. Dots alone are not a name.
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}\Z")
_SLUG = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,128}\Z")
_GIT, _PROJECTS, _PEOPLE = "scm", "projects", "users"

USUAL_CONTEXTS = ("/bitbucket", "/stash")
"""The context paths of Atlassian's documentation (Change Bitbucket's context path; Stash was the product's name)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the requests are about.

    Attributes:
        project: its key, ``ACME``, or ``~slug`` for a user's own; None if only the server is named.
        repository: its slug in that project, or None.
        context: the context path, if it is one of `USUAL_CONTEXTS` and `Host.api_url` has none; never another path of a
            URL, because another program may answer there.
    """

    project: str | None = None
    repository: str | None = None
    context: str = ""

    @property
    def name(self) -> str:
        """The name as shown to users: ``ACME/apps``, ``ACME`` or nothing."""
        return "/".join(part for part in (self.project, self.repository) if part)

    @property
    def api_path(self) -> str:
        """The API path of the repository, or else of the project."""
        inside = f"/repos/{self.repository}" if self.repository else ""
        return f"/projects/{self.project}{inside}"

    @property
    def above(self) -> Target:
        """The project of a repository, or the server of a project."""
        return Target(self.project if self.repository else None, context=self.context)

    def is_same_as(self, other: Target) -> bool:
        """Return whether both name the same; Bitbucket ignores letter case."""
        return self.name.lower() == other.name.lower()


class NoTarget(ValueError):
    """The URL names nothing that can be requested. The text is a clause with the reason, without parts of the URL.

    Attributes:
        remedy: a whole sentence that says what to do.
    """

    def __init__(self, clause: str, remedy: str) -> None:
        super().__init__(clause)
        self.remedy = remedy


def locate(path: tuple[str, ...], host: Host) -> Target:
    """Return what the path of a URL names.

    Such paths are ``/scm/acme/apps`` (for Git), ``/projects/ACME/repos/apps`` and ``/users/jane/repos/apps`` (for
    browsers), below the context path of `Host.api_url`.

    Raises:
        NoTarget: it names nothing that Bitbucket has, or has another context path.
    """
    declared = tuple(part for part in urlsplit(host.api_url).path.split("/") if part)
    if declared and path[: len(declared)] == declared:
        path = path[len(declared) :]
    context = ""
    if not declared and f"/{path[0] if path else ''}" in USUAL_CONTEXTS:
        context, path = f"/{path[0]}", path[1:]
    if path and path[0] not in (_GIT, _PROJECTS, _PEOPLE):
        raise undeclared_context()
    return _named(path[:1], path[1:], context)


def _named(kind: tuple[str, ...], names: tuple[str, ...], context: str) -> Target:
    if not names:
        return Target(context=context)
    if kind == (_PEOPLE,):
        names = (f"~{names[0]}", *names[1:])
    project = key_of(names[0])
    if project is None:
        raise no_name()
    if kind != (_GIT,):
        names = (names[0], *names[2:]) if names[1:2] == ("repos",) else names[:1]
    if len(names) == 1:
        return Target(project, context=context)
    repository = slug_of(names[1])
    if repository is None:
        raise no_name()
    return Target(project, repository, context)


def no_name() -> NoTarget:
    """Return the error for a URL that names nothing that Bitbucket has."""
    clause = "cannot be queried for this URL, which names none of its projects"
    return NoTarget(clause, "Correct the URL: …/scm/PROJECT/REPOSITORY.")


def undeclared_context() -> NoTarget:
    """Return the error for a URL with another context path than that of `Host.api_url`."""
    clause = "is only asked below the context path of its apiUrl, and this URL has another one"
    return NoTarget(clause, "Correct the URL (…/scm/PROJECT/REPOSITORY), or declare the context path in apiUrl.")


def key_of(text: str) -> str | None:
    """Return a project's key as Bitbucket writes it, or None. Clone URLs have it in lower case."""
    if text.startswith("~"):
        return text if _SLUG.match(text[1:]) else None
    return text.upper() if _KEY.match(text) else None


def slug_of(text: str) -> str | None:
    """Return a repository's slug, or None."""
    return text if _SLUG.match(text) else None
