"""The configuration of hosts: those that tokens may be sent to, and OAuth apps."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator

from webhook.providers import PROVIDERS, urls
from webhook.providers.hosts import Host, Kind
from webhook.providers.known_hosts import derived_api_url
from webhook.settings.values import Section


def _known_kind(value: str) -> Kind:
    if value in PROVIDERS:
        return Kind(value)
    near = difflib.get_close_matches(value, list(PROVIDERS), n=1, cutoff=0.5)
    suggestion = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(PROVIDERS)}"
    raise ValueError(f"there is no such kind of provider; {suggestion}")


KnownKind = Annotated[Kind, AfterValidator(_known_kind), WithJsonSchema({"type": "string", "enum": list(PROVIDERS)})]


def _canonical_host(value: str) -> str:
    try:
        return urls.parse_host(value)
    except urls.MalformedUrl as error:
        raise ValueError(f"{error} (write only the host, such as git.acme.dev or git.acme.dev:8443)") from None


HostName = Annotated[str, AfterValidator(_canonical_host)]


class ProviderSettings(Section):
    """A host that tokens may be sent to, besides the built-in ones; it may also override one of those."""

    host: HostName
    """Its name, with the port if it is not 443."""
    kind: KnownKind
    """The kind of provider."""
    api_url: str | None = None
    """The base URL of its API; by default derived from host and kind."""
    ca_file: Path | None = None
    """CA certificates (PEM) that verify the certificate of the host."""

    @field_validator("api_url")
    @classmethod
    def _https_only(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parsed = urls.parse_git_url(value)
        except urls.MalformedUrl as error:
            raise ValueError(str(error)) from None
        if parsed.scheme != "https" or parsed.insecure:
            raise ValueError("must begin with https://: tokens are never sent in clear")
        return value.rstrip("/")

    def doubt_about_api_url(self) -> str | None:
        """Return a sentence if `api_url` is unusual for this kind of provider; None otherwise."""
        if self.api_url is None:
            return None
        usual = urlsplit(derived_api_url(self.host, self.kind)).path
        own = urlsplit(self.api_url).path
        if usual and not own.endswith(usual):
            return f"{self.host}: the apiUrl of a {self.kind} host usually ends in {usual}; this one does not."
        if not usual and f"{own}/".partition("/rest/")[1]:
            return f"{self.host}: the apiUrl of a {self.kind} host ends before /rest; this one does not."
        return None

    def as_host(self) -> Host:
        """Return the declared host."""
        api_url = self.api_url or derived_api_url(self.host, self.kind)
        return Host(self.host, self.kind, api_url, self.ca_file, declared=True)


class OAuthApp(Section):
    """An OAuth app of a GitHub host with the device flow enabled, for ``token authorize``."""

    host: HostName
    """The host that the app belongs to."""
    client_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """The client id of the app. It is public; no client secret is needed."""
    url: str | None = None
    """The address of the host's web pages. Defaults to ``https://HOST``."""

    @field_validator("url")
    @classmethod
    def _https_only(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("https://"):
            raise ValueError("must begin with https://: tokens are never sent in clear")
        return value
