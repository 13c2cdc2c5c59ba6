"""Find the Secrets that hold Git credentials, and their roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from webhook.providers.requirements import Role
from webhook.providers.urls import MalformedUrl, parse_git_url
from webhook.settings.rules import Rule
from webhook.subject import SecretObject

SYSTEM_TYPES = frozenset(
    {
        "kubernetes.io/service-account-token",
        "kubernetes.io/tls",
        "kubernetes.io/ssh-auth",
        "kubernetes.io/dockercfg",
        "kubernetes.io/dockerconfigjson",
        "bootstrap.kubernetes.io/token",
    }
)
"""Types whose data Kubernetes defines, apart from Opaque and kubernetes.io/basic-auth (core/v1 types.go)."""
HELM_TYPES = "helm.sh/"
"""The prefix of the types of Helm's releases."""


@dataclass(frozen=True, slots=True)
class Match:
    """The rules that a Secret matches. Falsy if there is none: then the Secret is ignored."""

    rules: tuple[Rule, ...] = ()
    roles: frozenset[Role] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "roles", frozenset(rule.role for rule in self.rules))

    def __bool__(self) -> bool:
        return bool(self.rules)


_NOTHING = Match()


def classify(secret: SecretObject | None, rules: Iterable[Rule], url: str | None = None) -> Match:
    """Return the rules that a Secret matches.

    In the mutating call of a create with ``generateName``, the name is not known yet, so globs match its prefix.

    Args:
        url: the ``url`` of the Secret, for rules that select by it. A URL that cannot be parsed matches all of them, so
            that no Secret escapes the check with a URL that only Git understands.
    """
    if secret is None:
        return _NOTHING
    name = secret.name or secret.generate_name
    holds_users = not is_system_type(secret.type)
    matched = tuple(
        rule for rule in rules if (holds_users or rule.role is not Role.USER) and _matches(rule, secret, name, url)
    )
    return Match(matched) if matched else _NOTHING


def is_system_type(type_: str) -> bool:
    """Return whether Kubernetes or Helm defines what a Secret of this type holds.

    In the user role every value may be a token, so no value of such a Secret may be read. In the runtime role only
    Argo CD's keys count, and Argo CD doesn't look at the type.
    """
    return type_ in SYSTEM_TYPES or type_.startswith(HELM_TYPES)


def _matches(rule: Rule, secret: SecretObject, name: str, url: str | None) -> bool:
    return (
        _has_labels(secret.labels, rule.labels)
        and _matches_any(name, rule.names)
        and _matches_any(secret.namespace, rule.namespaces)
        and _matches_url(url, rule.urls)
    )


def _has_labels(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= labels.items()


def _matches_any(text: str, globs: tuple[str, ...]) -> bool:
    return not globs or any(fnmatchcase(text, glob) for glob in globs)


def _matches_url(url: str | None, globs: tuple[str, ...]) -> bool:
    """Return whether a glob matches the URL, as written or in canonical form.

    ``WWW.GitHub.com:443/acme/apps.git`` is ``github.com/acme/apps``.
    """
    if not globs or not url:
        return not globs
    try:
        meant = str(parse_git_url(url)).lower()
    except MalformedUrl:
        return True
    # Argo CD uses a short URL as a prefix: https://github.com/acme is also for https://github.com/acme/*.
    forms = (url.lower(), meant, f"{meant}/")
    patterns = {form for glob in globs for form in (glob.lower(), glob.lower().rstrip("/").removesuffix(".git"))}
    return any(fnmatchcase(form, pattern) for form in forms for pattern in patterns)
