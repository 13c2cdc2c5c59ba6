"""The profile of a kind of provider: its vocabulary, its hosts and the form of its tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from webhook.providers.hosts import Kind
from webhook.providers.requirements import Requirement, Role
from webhook.providers.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything about a kind of provider that is known without a request. No other module lists the kinds.

    Attributes:
        kind: the name in the configuration, labels and metrics.
        title: the name in messages.
        vocabulary: the names of scopes and permissions.
        defaults: what a token of each role needs, unless the configuration says otherwise.
        api_url: returns the API's URL for a host name, unless the configuration has another one.
        hosts: the names of its public hosts, the usual one first; empty if it is only self-hosted.
        tenants: matches the whole name of a public host that belongs to one customer.
        token_prefixes: prefixes that only tokens of this kind have.
        tenant_domain: the domain of those hosts, which have one label below it.
        without_scopes: returns what a token is ("a deploy token"), by its form or its user name, if the provider says
            nothing about tokens of that type; empty for others.
        shape_in_text: a regular expression (any letter case, ASCII) that finds a token of this kind, and nothing else,
            inside other text; empty if tokens have no form of their own.
        repository_path: matches the part of a request's path, below the API's URL, that names one repository; None
            if no redirect of a repository is followed (see `redirects`).
        reading: what a token needs to read a repository, independent of its role. Without scopes and permissions, the
            check of the repository alone decides.
        reading_is_certain: a missing permission always prevents reading. With other kinds the repository may be public,
            or the permission is missing only for the check.
        lasting_oauth: whether tokens from OAuth do not expire, so that they can be stored.
        uses_username: whether the verdict can depend on the user name beside a token.
    """

    kind: Kind
    title: str
    vocabulary: Vocabulary
    defaults: Mapping[Role, Requirement]
    api_url: Callable[[str], str]
    hosts: tuple[str, ...] = ()
    tenants: re.Pattern[str] | None = None
    token_prefixes: tuple[str, ...] = ()
    tenant_domain: str = ""
    without_scopes: Callable[[str, str | None], str] = lambda token, username: ""
    shape_in_text: str = ""
    repository_path: re.Pattern[str] | None = None
    uses_username: bool = True
    lasting_oauth: bool = False
    reading: Requirement = field(default_factory=Requirement)
    reading_is_certain: bool = False
