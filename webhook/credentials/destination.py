"""Find the host that the token of an entry is for."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.credentials.entries import (
    Checkable,
    Destination,
    Malformed,
    Unsupported,
)
from webhook.providers import PROVIDERS
from webhook.providers.findings import Credential, TokenCredential
from webhook.providers.github.profile import PROFILE as GITHUB
from webhook.providers.hosts import Host, Kind
from webhook.providers.known_hosts import Hosts, derived_api_url
from webhook.providers.token_shapes import kind_of_token
from webhook.providers.urls import GitUrl, parse_git_url


@dataclass(frozen=True, slots=True)
class Target:
    """A host that a token may be sent to, and the path of the URL there.

    Attributes:
        insecure: the URL starts with ``http://``.
        open_ended: the last segment of `path` may be the start of a name (`findings.Question`).
    """

    host: Host
    path: tuple[str, ...] = ()
    insecure: bool = False
    open_ended: bool = False


@dataclass(frozen=True, slots=True)
class UnknownHost:
    """A host that is neither built in nor declared. No token is sent to it."""

    name: str


# Hosts that one sentence names.
_MOST_NAMED = 5


def resolve(entry: Checkable, hosts: Hosts, default_host: str) -> Target | UnknownHost | Unsupported | Malformed:
    """Return the target of a token, by its URL, host or provider, its prefix, or the default host.

    A token whose prefix contradicts the host is malformed, because another provider would receive it. So is a URL that
    Argo CD interprets differently, because Argo CD would send the token to a host that was not checked.
    """
    destination = entry.destination
    if (unchecked := unchecked_at(destination, hosts)) is not None:
        return unchecked
    credential = entry.credential
    is_token = isinstance(credential, TokenCredential)
    shape: Kind | None = GITHUB.kind
    if isinstance(credential, TokenCredential):
        shape = kind_of_token(credential.token.get_secret_value())
    found = destination_host(destination, shape, hosts, default_host)
    if isinstance(found, UnknownHost):
        return _without_scopes(credential) or found
    if isinstance(found, Malformed):
        return found
    if destination.url is not None and destination.url.fault:
        fault = destination.url.fault
        return Malformed(f"has a url that {fault}") if destination.own_url else Malformed(fault, key="url")
    if shape is not None and shape != found.kind:
        what = f"a {_title(shape)} token" if is_token else "a GitHub App"
        return Malformed(f"is {what}, but goes to {found.name}, which is {_title(found.kind)}")
    url = destination.url
    if not is_token:
        wrong = _wrong_app_base_url(destination.app_base_url, found)
        if wrong is not None:
            return wrong
    if url is None:
        return Target(found)
    return Target(found, url.path, url.insecure, destination.open_ended and bool(url.path))


def unchecked_at(destination: Destination, hosts: Hosts) -> Unsupported | Malformed | None:
    """Return why no credential can be checked at a destination; None if one can be."""
    if (misread := _read_otherwise(destination, hosts)) is not None:
        return misread
    if what := tokenless(destination.url):
        return Unsupported(what)
    if destination.not_git and (destination.url is None or hosts.find(destination.url.host) is None):
        return Unsupported(destination.not_git)
    return None


def _read_otherwise(destination: Destination, hosts: Hosts) -> Malformed | None:
    """Return what is wrong with a URL that Argo CD also uses for another known host; None if it does not."""
    if destination.argocd is None:
        return None
    url = destination.url
    other = hosts.taken_for(destination.argocd, url.host if url is not None and url.uses_token else None)
    if other is None:
        return None
    why = (
        f"is compared as text by Argo CD, which would use it for https://{other} too; write the whole URL of the host, "
        "beginning with https:// and ending with a slash"
    )
    return Malformed(why, key="url")


def _without_scopes(credential: Credential) -> Unsupported | None:
    """Return the kind of a credential if its form shows one whose scopes no provider reports."""
    if not isinstance(credential, TokenCredential):
        return None
    token = credential.token.get_secret_value()
    for provider in PROVIDERS.values():
        if what := provider.profile.without_scopes(token, credential.username):
            return Unsupported(what)
    return None


def _title(kind: Kind) -> str:
    return PROVIDERS[kind].profile.title


def destination_host(
    destination: Destination, shape: Kind | None, hosts: Hosts, default_host: str
) -> Host | UnknownHost | Malformed:
    name = destination.url.host if destination.url else destination.host
    if name is not None:
        return hosts.find(name) or UnknownHost(name)
    if destination.provider is not None:
        kind = _kind_named(destination.provider)
        if kind is None:
            return Malformed(f"names an unknown provider; use one of {', '.join(PROVIDERS)}")
        return _usual_host(kind, hosts, default_host)
    if shape is not None:
        return _usual_host(shape, hosts, default_host)
    return hosts.find(default_host) or UnknownHost(default_host)


def _kind_named(text: str) -> Kind | None:
    kind = Kind(text.strip().lower())
    return kind if kind in PROVIDERS else None


def _usual_host(kind: Kind, hosts: Hosts, default_host: str) -> Host | Malformed:
    """Return the host of a kind if the Secret names none: the default host if it has this kind, or the only one.

    With several hosts of a kind, built-in ones included, the right one is not known, and another must not receive the
    token.
    """
    default = hosts.find(default_host)
    if default is not None and default.kind == kind:
        return default
    candidates = hosts.of_kind(kind)
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        return Malformed(f"is for {_title(kind)}, which has no default host; add its url")
    names = ", ".join(host.name for host in candidates[:_MOST_NAMED])
    return Malformed(f"is for {_title(kind)}, which has several hosts ({names}); add its url")


def _wrong_app_base_url(base: GitUrl | None, host: Host) -> Malformed | None:
    """Return what is wrong with ``githubAppEnterpriseBaseUrl``; without it, Argo CD calls github.com.

    Source: Argo CD, util/git/creds.go.
    """
    right = {_api_place(host.api_url), _api_place(derived_api_url(host.name, host.kind))}
    if base is None:
        if host.name == "github.com":
            return None
        return Malformed(
            f"goes to {host.name}, but githubAppEnterpriseBaseUrl is missing, so Argo CD would call github.com; "
            f"set it to {derived_api_url(host.name, host.kind)}"
        )
    if base.scheme == "https" and not base.insecure and (base.host, base.path) in right:
        return None
    return Malformed(
        f"has a githubAppEnterpriseBaseUrl that is not the API of {host.name}; "
        f"set it to {derived_api_url(host.name, host.kind)}"
    )


def _api_place(url: str) -> tuple[str, tuple[str, ...]]:
    parsed = parse_git_url(url)
    return parsed.host, parsed.path


def tokenless(url: GitUrl | None) -> str:
    """Return the name of a credential for a URL to which Git sends no token; empty for other URLs."""
    if url is None or url.uses_token:
        return ""
    return f"a credential for {_article(url.scheme)} URL, which uses no token"


def _article(scheme: str) -> str:
    return {"ssh": "an SSH", "git": "a git://", "oci": "an OCI"}.get(scheme, f"a {scheme}")
