"""The known Git hosts, their kinds and their APIs.

A token is sent only to a host of this list, which is built in or declared under ``providers:``. Host names are compared
as a whole, never by a part of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from webhook.argocd import ArgoUrl, Origins
from webhook.providers import PROVIDERS
from webhook.providers.hosts import Host, Kind
from webhook.providers.urls import ALIASES


def derived_api_url(name: str, kind: Kind) -> str:
    """Return the URL of a host's API, unless ``apiUrl`` sets another one."""
    return PROVIDERS[kind].profile.api_url(name)


_BUILT_IN = {name: kind for kind, provider in PROVIDERS.items() for name in provider.profile.hosts}
_TENANT_DOMAINS = [domain for provider in PROVIDERS.values() if (domain := provider.profile.tenant_domain)]
_TENANTS = [(provider.profile.tenants, kind) for kind, provider in PROVIDERS.items() if provider.profile.tenants]


class Hosts:
    """The built-in and the declared hosts of a configuration. Declared hosts take precedence."""

    def __init__(self, declared: Iterable[Host] = ()) -> None:
        self._hosts = {name: _built_in(name, kind) for name, kind in _BUILT_IN.items()}
        self._hosts |= {host.name: host for host in declared}
        self._origins = [(ALIASES.get(name, name), name, Origins.of(name)) for name in (*self._hosts, *ALIASES)]

    def find(self, name: str) -> Host | None:
        """Return the host of a canonical name; None if it is not known."""
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
        """Return all hosts of a kind, the declared ones last."""
        return [host for host in self._hosts.values() if host.kind == kind]


def _built_in(name: str, kind: Kind) -> Host:
    return Host(name, kind, derived_api_url(name, kind))
