"""URLs that may end inside a name.

Argo CD uses the credential of ``https://github.com/acme/gitops-`` for every repository whose URL has that prefix, also
if a repository has exactly that name (argoproj/argo-cd#2207).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.findings import Question
from webhook.providers.github import repository
from webhook.providers.text import plain

LISTING = "/user/repos?sort=pushed&per_page=100"
"""The account's repositories, the last used ones first."""


def may_end_inside(question: Question) -> bool:
    """Return whether the URL's last segment may be the beginning of a repository's name."""
    return question.open_ended and len(question.path) == 2 and repository.named(question.path) is not None


def names_in(
    listing: Reply | ProviderUnavailable | None, question: Question, *, secret: str
) -> Iterator[tuple[str, bool]]:
    """Return the listed repositories that the URL covers, and whether each is private; those of the named owner first.

    GitHub and Argo CD don't tell letter cases apart. Archived and disabled ones are left out: they prove nothing.
    """
    body = listing.body if isinstance(listing, Reply) and listing.status == 200 else None
    rows = body.get("repositories") if isinstance(body, Mapping) else body
    names: list[tuple[str, bool]] = []
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, Mapping) or row.get("archived") or row.get("disabled"):
            continue
        full_name = plain(row.get("full_name"), secret=secret, limit=201)
        name = repository.named(tuple(full_name.split("/")))
        if name is not None and _is_for(question, name.lower().split("/")):
            names.append((name, repository.is_private(row) is True))
    owner = question.path[0].lower() if question.path else ""
    yield from sorted(names, key=lambda one: one[0].partition("/")[0].lower() != owner)


def _is_for(question: Question, name: list[str]) -> bool:
    wanted = [segment.lower() for segment in question.path[:2]]
    whole, last = wanted[:-1], wanted[-1:]
    if not question.open_ended:
        return name[: len(wanted)] == wanted
    return name[: len(whole)] == whole and all(name[len(whole)].startswith(one) for one in last)


def taken_as_prefix(question: Question, listing: Reply | ProviderUnavailable | None, *, secret: str) -> str:
    """Return a warning that the URL names no repository, with what the token is checked for instead.

    Empty where nothing shows that the URL is a prefix: neither a repository whose name begins so nor a separator at its
    end. Then its name may be misspelt, or hidden from the account.
    """
    name = "/".join(question.path)
    example = next(names_in(listing, question, secret=secret), None)
    if example is None and not name.endswith(("-", "_", ".")):
        return ""
    such = f", such as {example[0]}" if example is not None else ""
    return f"{_no_repository(question)}{such}, and the token is checked for {question.path[0]}."


def taken_as_prefix_of(question: Question, name: str) -> str:
    """Return the same warning, if permissions were probed on a repository with that prefix."""
    return f"{_no_repository(question)}, and the token is probed on {name}."


def _no_repository(question: Question) -> str:
    name = "/".join(question.path)
    return f"{question.host.name} shows no repository {name}; the URL is treated as a prefix of repository names"
