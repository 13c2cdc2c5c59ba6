"""All installations of a GitHub App, for a credential that names none and is for a whole server.

Argo CD lists them, too, and picks the one on the owner of each repository (Argo CD: util/git/creds.go,
DiscoverGitHubAppInstallationID; argoproj/argo-cd#25339). So each of them has to suffice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from webhook.providers.base import ProviderUnavailable, Reply
from webhook.providers.findings import Finding, Outcome
from webhook.providers.github import replies
from webhook.providers.github.installations import lacking, level_of
from webhook.providers.requirements import Level, Requirement
from webhook.providers.text import plain
from webhook.text import join

_SIZE = 100  # the most that GitHub lists on one page; one row has about 3 KiB
_MOST_PAGES = 10
_MOST_NAMED = 5
FIRST_PAGE = f"/app/installations?per_page={_SIZE}"
_LAST_PAGE = re.compile(r"[?&]page=([0-9]{1,6})[^>]{0,200}>; ?rel=\"last\"")


def more_pages(first: Reply | None) -> list[str]:
    """Return the paths of the further pages, by the ``Link`` header of the first one."""
    if first is None or first.status != 200:
        return []
    last = min(_last_page(first), _MOST_PAGES)
    return [f"{FIRST_PAGE}&page={number}" for number in range(2, last + 1)]


def _last_page(first: Reply) -> int:
    found = _LAST_PAGE.search(first.headers.get("link", "")[:2000])
    return int(found[1]) if found else 1


@dataclass(frozen=True, slots=True)
class Listed:
    """Installations as GitHub lists them.

    Attributes:
        rows: by account, in GitHub's order.
        complete: False if there are more than are requested.
    """

    rows: tuple[tuple[str, Mapping[object, object]], ...]
    complete: bool

    @property
    def common_permissions(self) -> dict[object, object]:
        """The permissions that all installations have in common, with the lowest level of each."""
        granted = [permissions for _, row in self.rows if isinstance(permissions := row.get("permissions"), Mapping)]
        if not granted or len(granted) < len(self.rows):
            return {}
        common: dict[object, object] = {}
        for name in granted[0]:
            levels = [level_of(one.get(name)) for one in granted]
            held = [level for level in levels if level is not None]
            if len(held) == len(levels):
                common[name] = str(min(held, key=list(Level).index))
        return common


def read(pages: Sequence[Reply], begins: str, *, secret: str) -> Listed:
    """Read the pages of the list.

    Args:
        begins: the prefix of the accounts that count, in any letter case.

    Raises:
        ProviderUnavailable: a page is no list of installations.
    """
    rows = []
    for page in pages:
        if page.status != 200 or not isinstance(page.body, list):
            clause = f"answers {page.status} to the request for the App's installations, which says nothing about it"
            raise ProviderUnavailable(clause)
        for row in page.body:
            if not isinstance(row, Mapping) or not isinstance(row.get("permissions"), Mapping):
                raise ProviderUnavailable("did not return the permissions of each of the App's installations")
            account = plain(replies.login_of(row.get("account")), secret=secret)
            if begins and not account.lower().startswith(begins.lower()):
                continue
            rows.append((account or "an account whose name is not shown", row))
    return Listed(tuple(rows), _last_page(pages[0]) <= len(pages))


def judge(listed: Listed, needed: Requirement, described: str) -> Finding:
    """Return the finding on all installations for one role."""
    suspended = [account for account, row in listed.rows if row.get("suspended_at")]
    by_lack: dict[tuple[str, ...], list[str]] = {}
    for account, row in listed.rows:
        granted = row.get("permissions")
        lacks = lacking(needed, granted if isinstance(granted, Mapping) else {})
        if lacks and account not in suspended:
            by_lack.setdefault(lacks, []).append(account)
    clauses = [f"the one on {_few(suspended)} is suspended"] if suspended else []
    clauses += [f"the one on {_few(accounts)} lacks {join(lacks)}" for lacks, accounts in by_lack.items()]
    if clauses:
        shown = clauses[:_MOST_NAMED] + ([f"{len(clauses) - _MOST_NAMED} more"] if len(clauses) > _MOST_NAMED else [])
        outcome = Outcome.BLOCKED if suspended else Outcome.INSUFFICIENT
        return Finding(outcome, reason=f"says that of the installations of this {described} {join(shown)}")
    if not listed.complete:
        reason = f"lists more installations of this {described} than are checked ({len(listed.rows)}), all sufficient"
        return Finding(Outcome.UNVERIFIED, reason=f"{reason}; use a Secret for each organisation")
    return Finding(Outcome.SUFFICIENT)


def _few(names: Sequence[str]) -> str:
    """Return a few of the names, and the number of the others."""
    more = len(names) - _MOST_NAMED
    return join(names) if more <= 0 else f"{', '.join(names[:_MOST_NAMED])} and {more} more"
