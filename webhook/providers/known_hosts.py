"""Which Git hosts exist for us, of which kind they are, and where their API is.

A token is only ever sent to a host of this list: built in, or declared by the operator under ``providers:``.
A host is found by equality, never because its name contains another one.
"""

from __future__ import annotations

from collections.abc import Iterable

from webhook.argocd import ArgoUrl, Origins
from webhook.providers import PROVIDERS
from webhook.providers.hosts import Host, Kind
from webhook.providers.urls import ALIASES


def derived_api_url(name: str, kind: Kind) -> str:
    """Where the API of a host of this kind is, unless ``apiUrl`` says otherwise."""
    return PROVIDERS[kind].profile.api_url(name)


_BUILT_IN = {name: kind for kind, provider in PROVIDERS.items() for name in provider.profile.hosts}
_TENANT_DOMAINS = [domain for provider in PROVIDERS.values() if (domain := provider.profile.tenant_domain)]
_TENANTS = [(provider.profile.tenants, kind) for kind, provider in PROVIDERS.items() if provider.profile.tenants]


class Hosts:
    """The hosts of one configuration: the built-in ones and the declared ones, which win."""

    def __init__(self, declared: Iterable[Host] = ()) -> None:
        self._hosts = {name: _built_in(name, kind) for name, kind in _BUILT_IN.items()}
        self._hosts |= {host.name: host for host in declared}
        self._origins = [(ALIASES.get(name, name), name, Origins.of(name)) for name in (*self._hosts, *ALIASES)]

    def find(self, name: str) -> Host | None:
        """The host of this canonical name, or None where its kind isn't certain."""
        if (host := self._hosts.get(name)) is not None:
            return host
        return next((_built_in(name, kind) for pattern, kind in _TENANTS if pattern.fullmatch(name)), None)

    def taken_for(self, url: ArgoUrl, own: str | None) -> str | None:
        """Return a known host other than `own` for which Argo CD may use a Secret with this URL, or None."""
        for canonical, name, origins in self._origins:
            if canonical != own and url.may_be_at(origins):
                return name
        below = next((domain for domain in _TENANT_DOMAINS if url.may_be_below(domain)), None)
        if below is None or (own is not None and own.removesuffix(f".{below}") != own and self.find(own) is not None):
            return None
        return f"NAME.{below}"

    def of_kind(self, kind: Kind) -> list[Host]:
        """All built-in and declared hosts of a kind, declared ones last."""
        return [host for host in self._hosts.values() if host.kind == kind]


def _built_in(name: str, kind: Kind) -> Host:
    return Host(name, kind, derived_api_url(name, kind))
