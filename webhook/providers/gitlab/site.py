"""Where things are on one GitLab: its web site, and what a Secret's URL names there."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from webhook.providers.hosts import Host

_API = "/api/v4"


def root(host: Host) -> str | None:
    """The path that a GitLab is installed at, `""` for the usual one.

    Returns:
        None where that can't be known, since its API isn't where GitLab has it below its own root.
    """
    path = urlsplit(host.api_url).path.rstrip("/")
    return path.removesuffix(_API) if path.endswith(_API) else None


def web_url(host: Host) -> str:
    """Where people look at it in a browser, without a slash at the end."""
    return f"{host.web_url}{root(host) or ''}"


def named(path: tuple[str, ...], host: Host) -> str:
    """The full path of the project or group that a URL's path names, such as ``acme/platform/charts``; `""` for none.

    What stands behind ``/-/`` is a page of the project (GitLab docs: reserved project and group names).
    """
    installed_at = tuple(segment for segment in (root(host) or "").split("/") if segment)
    if path[: len(installed_at)] == installed_at:
        path = path[len(installed_at) :]
    return "/".join(path[: path.index("-")] if "-" in path else path)


def encoded(path: str) -> str:
    """A full path as the API takes it in place of a number (GitLab docs: api/rest, namespaced paths)."""
    return quote(path, safe="")
