"""Where a credential goes, as the fields of a Secret or of a JSON value say it."""

from __future__ import annotations

from dataclasses import replace

from webhook.credentials.entries import Destination, Entry, Malformed
from webhook.credentials.placeholders import placeholder
from webhook.credentials.values import Values
from webhook.providers.other_services import host_of
from webhook.providers.token_shapes import name_holds_token
from webhook.providers.urls import MalformedUrl, parse_git_url, parse_host, read_git_url


def read_destination(values: Values) -> Destination | Entry:
    """Return where a Secret's tokens go, or the malformed entry that says why this is not known."""
    texts = {key: values.text(key) for key in ("url", "host", "provider", "githubAppEnterpriseBaseUrl")}
    for key, text in texts.items():
        if text is None and values.is_set(key):
            return Entry(key, Malformed("is not valid UTF-8"))
    url, host, provider, base = texts.values()
    key = "url"
    try:
        destination = make_destination(url, None, provider, None)
        if host:
            key = "host"
            destination = make_destination(url, host, provider, None)
        key = "githubAppEnterpriseBaseUrl"
        return destination if base is None else replace(destination, app_base_url=parse_git_url(base))
    except MalformedUrl as error:
        return Entry(key, Malformed(f"{error}"))


def make_destination(
    url: str | None, host: str | None, provider: str | None, common: Destination | None
) -> Destination:
    """Return the destination that fields name.

    Args:
        common: the destination of the Secret around them, if they name none.

    Raises:
        MalformedUrl: they name none that can be used, or two that differ.
    """
    for text in (url, host):
        if text and (what := placeholder(text)) is not None:
            raise MalformedUrl(what)
    if any(name_holds_token(text) for text in (url, host) if text):
        raise MalformedUrl("holds what looks like a token; put the token under its own key")
    service = host_of(url) if url else None
    parsed_url = read_git_url(url) if url and service is None else None
    parsed_host = service
    if host:
        # A host is sometimes written as a URL.
        parsed_host = parse_git_url(host).host if "://" in host else parse_host(host)
    url_host = parsed_url.host if parsed_url is not None else service
    if url_host is not None and parsed_host is not None and url_host != parsed_host:
        raise MalformedUrl("names a different host than the url")
    if common is not None and parsed_url is None and parsed_host is None:
        # A provider alone does not replace the url or host of the Secret.
        if not provider or common.url is not None or common.host is not None:
            return common
    return Destination(parsed_url, parsed_host, provider or None)
