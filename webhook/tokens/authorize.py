"""Which host authorizes a token for an entry, with which OAuth app and scopes."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.credentials.destination import Target, resolve
from webhook.credentials.entries import Checkable, Undecodable
from webhook.credentials.extract import extract, url_of
from webhook.credentials.matching import Match, classify
from webhook.keyring.opener import Opener
from webhook.providers import PROVIDERS
from webhook.providers.hosts import Host
from webhook.providers.known_hosts import Hosts
from webhook.providers.requirements import Role, union
from webhook.providers.transport.trust import context_from_pem, system_context
from webhook.providers.urls import MalformedUrl, parse_git_url, parse_host
from webhook.settings.hosts import OAuthApp
from webhook.settings.model import Settings
from webhook.subject import SecretObject
from webhook.tokens.changes import NotPossible
from webhook.tokens.device_flow import DeviceFlow


@dataclass(frozen=True, slots=True)
class Authorizer:
    """The host that authorizes a token.

    Attributes:
        scopes: what a token of this entry needs there.
    """

    host: Host
    app: OAuthApp
    scopes: tuple[str, ...]

    @property
    def web_url(self) -> str:
        """The address of the host's web pages."""
        return self.app.url or self.host.web_url


def device_flow(authorizer: Authorizer) -> DeviceFlow:
    """Return the device flow with the host, whose certificate is verified as for its API."""
    file = authorizer.host.ca_file
    trust = context_from_pem(file.read_bytes()) if file is not None else system_context()
    return DeviceFlow(authorizer.web_url, authorizer.app.client_id, trust)


def authorizer_for(
    settings: Settings, secret: SecretObject, user: str | None, opener: Opener | None, url: str | None = None
) -> Authorizer:
    """Return the host that authorizes the token of an entry.

    Args:
        secret: as it is stored, or as it would be created.
        url: the URL of the host, if it is to change.

    Raises:
        NotPossible: the host has no OAuth app, or its tokens from OAuth are of no use in a Secret.
    """
    match = classify(secret, settings.all_rules, url_of(secret))
    roles = match.roles or frozenset({Role.USER if user is not None else Role.RUNTIME})
    hosts = settings.hosts()
    default = settings.defaults.user_host
    name = _host_of_url(url) if url is not None else _host_of_entry(secret, match, user, opener, hosts, default)
    host = hosts.find(name)
    if host is None:
        raise NotPossible(f"{name} is not a declared Git host. Add it under providers: in the configuration.")
    if not PROVIDERS[host.kind].profile.lasting_oauth:
        raise NotPossible(
            f"{name} is a {host.kind} host. Its tokens from OAuth expire after an hour or two, so they are of no use "
            "in a Secret. Create an access token there, and store it with token set."
        )
    app = next((app for app in settings.oauth if app.host == host.name), None)
    if app is None:
        raise NotPossible(
            f"No OAuth app of {name} is configured. Add oauth: [{{host: {name}, clientId: …}}] to the configuration, "
            "or create an access token, and store it with token set."
        )
    needed = union(settings.requirement(host.kind, role) for role in sorted(roles))
    return Authorizer(host, app, needed.scopes)


def _host_of_url(url: str) -> str:
    try:
        return parse_git_url(url).host
    except MalformedUrl as error:
        raise NotPossible(f"The URL {error}.") from None


def _host_of_entry(
    secret: SecretObject, match: Match, user: str | None, opener: Opener | None, hosts: Hosts, default: str
) -> str:
    """Return the host of the entry as it is stored, of the Secret's own URL, or the default."""
    try:
        entries = extract(secret, match, opener) if match else {}
    except Undecodable:
        entries = {}
    for entry in entries.values():
        if isinstance(entry.content, Checkable) and (user is None or entry.key == user):
            target = resolve(entry.content, hosts, default)
            if isinstance(target, Target):
                return target.host.name
    url = url_of(secret)
    try:
        return parse_git_url(url).host if url else parse_host(default)
    except MalformedUrl:
        return default
