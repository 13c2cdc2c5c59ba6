"""Unconfirmed facts about providers, with the code that depends on each.

The documentation of the providers leaves them open. `explain` names those that a verdict rests on, and those that a
response contradicts, so that a recording from a live provider can settle them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from webhook.providers.findings import Exchange
from webhook.providers.hosts import Kind


@dataclass(frozen=True, slots=True)
class Assumption:
    """One uncertain fact.

    Attributes:
        name: a word for reports.
        fact: what is assumed, a whole sentence.
        open: why it is uncertain, a whole sentence.
        code: the dotted name of the module that depends on it.
        concerns: whether an exchange makes a verdict rest on it.
        contradicts: whether an exchange shows that it is wrong.
    """

    name: str
    kind: Kind
    fact: str
    open: str
    code: str
    concerns: Callable[[Exchange], bool]
    contradicts: Callable[[Exchange], bool] = lambda exchange: False


def _asks(exchange: Exchange, method: str, path: str) -> bool:
    return re.fullmatch(method, exchange.method) is not None and re.match(path, exchange.path) is not None


def _header(exchange: Exchange, name: str) -> str | None:
    return dict(exchange.headers).get(name)


ASSUMPTIONS = (
    Assumption(
        "github-permission-before-content",
        Kind("github"),
        "GitHub rejects a write that lacks a permission (403) before it validates the content of the request (422).",
        "No recording of a fine-grained token shows the order.",
        "webhook.providers.github.proofs",
        lambda one: _asks(one, "POST|PUT|PATCH", r"/(repos|repositories)/") and one.status == 422,
    ),
    Assumption(
        "github-webhooks-permission",
        Kind("github"),
        "The permission Webhooks is named repository_hooks in X-Accepted-GitHub-Permissions.",
        "It is known from one public report.",
        "webhook.providers.github.proofs",
        lambda one: (
            _asks(one, "GET|POST|PATCH", r"/.*/hooks") and _header(one, "x-accepted-github-permissions") is not None
        ),
        lambda one: (
            _asks(one, "GET|POST|PATCH", r"/.*/hooks")
            and "repository_hooks" not in (_header(one, "x-accepted-github-permissions") or "repository_hooks")
        ),
    ),
    Assumption(
        "gitlab-granular-scopes",
        Kind("gitlab"),
        "A fine-grained token lists its permissions as granular_scopes of /personal_access_tokens/self or of its id.",
        "The field is in GitLab's source; no recording shows it.",
        "webhook.providers.gitlab.granular",
        lambda one: isinstance(one.body, Mapping) and "granular_scopes" in one.body,
    ),
    Assumption(
        "gitlab-list-filters",
        Kind("gitlab"),
        "GitLab supports min_access_level, id_after and id_before in the list of projects.",
        "It is documented since 13; an older GitLab ignores them.",
        "webhook.providers.gitlab.access",
        lambda one: _asks(one, "GET", r"/projects\?min_access_level") and one.status == 200,
        lambda one: (
            _asks(one, "GET", r"/projects\?min_access_level") and isinstance(one.body, list) and len(one.body) > 1
        ),
    ),
    Assumption(
        "bitbucket-user-with-api-token",
        Kind("bitbucket"),
        "GET /2.0/user answers for API tokens.",
        "A notice says that it will answer 410.",
        "webhook.providers.bitbucket.token",
        lambda one: _asks(one, "GET", r"/user\Z") and one.status is not None,
        lambda one: _asks(one, "GET", r"/user\Z") and one.status == 410,
    ),
    Assumption(
        "bitbucket-server-401-names-the-account",
        Kind("bitbucket-server"),
        "A 401 for a missing permission names the account (X-AUSERNAME); a 401 for an invalid token does not.",
        "The 401 was recorded without credentials only.",
        "webhook.providers.bitbucket_server.replies",
        lambda one: one.status == 401,
    ),
    Assumption(
        "bitbucket-server-bad-token-at-open-endpoint",
        Kind("bitbucket-server"),
        "An invalid token is rejected at application-properties, or treated as anonymous.",
        "No recording shows which of the two.",
        "webhook.providers.bitbucket_server.replies",
        lambda one: _asks(one, "GET", r".*/application-properties") and not _header(one, "x-ausername"),
    ),
    Assumption(
        "gitea-scope-before-content",
        Kind("gitea"),
        "Gitea checks the scopes of a token before the content of the request, so 404 and 422 prove the scope.",
        "It is in the source of Gitea and Forgejo; recordings do not cover every version.",
        "webhook.providers.gitea",
        lambda one: _asks(one, "POST", r"/repos/-/-/hooks") and one.status in (404, 422),
    ),
)


def rests_on(kind: Kind, evidence: Iterable[Exchange]) -> tuple[Assumption, ...]:
    """Return the assumptions that a verdict with this evidence rests on."""
    exchanges = tuple(evidence)
    return tuple(one for one in ASSUMPTIONS if one.kind == kind and any(map(one.concerns, exchanges)))


def contradicted(kind: Kind, evidence: Iterable[Exchange]) -> tuple[Assumption, ...]:
    """Return the assumptions that an exchange shows to be wrong."""
    exchanges = tuple(evidence)
    return tuple(one for one in ASSUMPTIONS if one.kind == kind and any(map(one.contradicts, exchanges)))
