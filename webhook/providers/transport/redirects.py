"""Redirects of renamed and moved repositories: which are followed, and the warnings about them.

GitHub answers requests for a renamed repository with 301 (307 for other methods than GET), GitLab with 302, Gitea with
301 or 307, and Git follows all of them (PROVIDERS.md, Renames). A redirect is followed once, where it changes nothing
but which repository the request is about: the origin, the base path of the API, whatever follows the repository in the
path, and the query stay the same. So a token never reaches another server or service, and a request that proves a
permission proves the same one at the new address.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.hosts import Host
from webhook.providers.profile import Profile
from webhook.providers.urls import MalformedUrl, parse_host

FOLLOWED = frozenset({301, 302, 307, 308})
"""The statuses of a redirect that repeats the request elsewhere, with its method and body. 303 asks for another one."""
LONGEST = 2048
"""Characters of a ``Location``. A repository's path has at most a few hundred, in every provider."""

REMEDY = (
    "Correct the address in the Secret or the host's apiUrl, or configure the redirecting server to pass API requests."
)

PATH = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*\Z")
"""A percent-encoded path with its query."""
DOT_SEGMENT = re.compile(r"/(?:\.|%2[eE]){1,2}(?:[/?]|\Z)")
_API_SUFFIX = re.compile(r"/(?:api/v[0-9]+|2\.0)\Z")
# What Git asks first, below the URL of a repository (gitprotocol-http).
_GIT_REQUESTS = ("/info/refs?service=git-upload-pack", "/info/refs?service=git-receive-pack")


def target(location: str, *, path: str, from_root: bool, authority: str, prefix: str, profile: Profile) -> str:
    """Return the path of the redirected request, in the same form as `path`.

    Args:
        location: the ``Location`` header.
        path: the path that was asked for, below `prefix` unless `from_root`.
        authority: host and port of the API, as `parse_host` writes them.
        prefix: the base path of the API, without a slash at the end.

    Raises:
        ProviderUnavailable: the redirect must not be followed.
    """
    asked = path if from_root else prefix + path
    moved = _path_on_origin(location, f"https://{authority}{asked}", authority)
    if not from_root:
        if not moved.startswith(f"{prefix}/"):
            raise _not_a_repository()
        moved = moved.removeprefix(prefix)
    base = _API_SUFFIX.sub("", prefix) + "/" if from_root else "/"
    if from_root:
        rest, moved_rest = _git_request(path, base), _git_request(moved, base)
    else:
        rest, moved_rest = (_rest(one, base, profile.repository_path) for one in (path, moved))
    if rest is None or rest != moved_rest:
        raise _not_a_repository()
    if moved == path:
        raise ProviderUnavailable("answered with a redirect to the same address", remedy=REMEDY)
    return moved


def _path_on_origin(location: str, asked: str, authority: str) -> str:
    """The path and query that `location` names on the origin of the URL `asked`."""
    malformed = ProviderUnavailable("answered with a redirect without a valid address", remedy=REMEDY)
    if not location or len(location) > LONGEST or not re.fullmatch(r"[!-\[\]-~]+", location) or "#" in location:
        raise malformed
    try:
        given = urlsplit(location)
        if DOT_SEGMENT.search(given.path) or (given.scheme and not given.netloc):
            raise malformed
        url = urlsplit(urljoin(asked, location))
        origin = parse_host(url.netloc)
    except (ValueError, MalformedUrl):  # also userinfo, which would be another credential
        raise malformed from None
    if url.scheme == "http":
        raise ProviderUnavailable("answered with a redirect to plain HTTP, which is not followed", remedy=REMEDY)
    if url.scheme != "https" or origin != authority:
        raise ProviderUnavailable("answered with a redirect to another host, which is not followed", remedy=REMEDY)
    path = f"{url.path}?{url.query}" if url.query else url.path
    if not PATH.match(path) or DOT_SEGMENT.search(path):
        raise malformed
    return path


def _not_a_repository() -> ProviderUnavailable:
    clause = "answered with a redirect to something other than a moved repository, which is not followed"
    return ProviderUnavailable(clause, remedy=REMEDY)


def _git_request(path: str, base: str) -> str | None:
    """What Git asks of the repository in `path`; None where it is another request."""
    if not path.startswith(base):
        return None
    asked = next((one for one in _GIT_REQUESTS if path.endswith(one)), None)
    if asked is None or len(path) < len(base) + len(asked) or "?" in path.removesuffix(asked):
        return None
    return asked


def _rest(path: str, base: str, pattern: re.Pattern[str] | None) -> str | None:
    """What follows the repository in `path`; None where it names none."""
    if pattern is None or not path.startswith(base):
        return None
    match = pattern.match(path, len(base) - 1)
    return None if match is None else path[match.end() :]


def warnings(host: Host, name: str, reply: object, new: str = "") -> tuple[str, ...]:
    """Return a warning if `reply` came from another address than the requested one.

    Args:
        name: the requested repository, for messages.
        reply: the response; there is no warning for anything but a `Reply`.
        new: the repository's full name in its document, checked by `text.plain`; empty if unknown.
    """
    if not isinstance(reply, Reply) or not reply.moved:
        return ()
    to = f" to {new}" if new else ""
    return (
        f"{host.name} says that {name} was renamed or moved{to}; update its address, because the redirect ends as soon "
        "as another repository uses the old address.",
    )
