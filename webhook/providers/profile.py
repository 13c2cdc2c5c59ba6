"""What is known of a kind of provider without asking it: its words, its hosts, the shape of its tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from webhook.providers.hosts import Kind
from webhook.providers.requirements import Requirement, Role
from webhook.providers.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of provider.

    Attributes:
        kind: its name in configuration, labels and metrics.
        title: its name for people.
        vocabulary: its names for what tokens can do.
        defaults: what a token of each role needs, unless configured otherwise.
        api_url: where the API of a host with this name is, unless configured otherwise.
        hosts: names of its public hosts, the usual one first; none where everybody runs their own.
        tenants: matches the whole name of a public host that is one customer's.
        token_prefixes: beginnings that only this kind's tokens have.
        tenant_domain: the domain that those public hosts are below, one label each.
        without_scopes: returns what a token is ("a deploy token"), by its shape or its user name, where it is of a kind
            that the provider tells nothing about; empty for others.
        shape_in_text: a regular expression (any letter case, ASCII) that finds a token of this kind, and nothing else,
            inside other text; empty where tokens have no shape of their own.
        repository_path: matches the part of a request's path, below the API's URL, that names one repository; None
            where no redirect of a repository is followed (see `redirects`).
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
