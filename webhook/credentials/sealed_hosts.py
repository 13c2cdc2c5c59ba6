"""Which host each sealed value of a Secret is for. A value opens only for the host that it was sealed for."""

from __future__ import annotations

import contextlib

from pydantic import SecretStr

from webhook.credentials.destination import destination_host
from webhook.credentials.destination_fields import make_destination, read_destination
from webhook.credentials.entries import Destination, Entry, Malformed, Undecodable
from webhook.credentials.user_secret import json_fields
from webhook.credentials.values import Values
from webhook.keyring.jwe import Closed
from webhook.keyring.opener import OpenedData, Opener
from webhook.keyring.ring import KeyRing
from webhook.providers.known_hosts import Hosts
from webhook.providers.token_shapes import kind_of_token
from webhook.subject import SecretObject


def opener_for(old: SecretObject | None, ring: KeyRing, hosts: Hosts, default_host: str) -> Opener:
    """Return an opener for one review. Values that are bound to no host open for the host of the stored Secret.

    Args:
        old: the stored Secret.
    """
    opener = Opener(ring, hosts, default_host)
    if old is not None:
        with contextlib.suppress(Undecodable):
            opened_data(old, opener)
    return opener


def opened_data(secret: SecretObject, opener: Opener) -> OpenedData:
    """Return the data of a Secret with the sealed values opened whose host is the one that they were sealed for.

    Raises:
        Undecodable: as for `extract`.
    """
    opened = opener.open(secret)
    if not opened.opened:
        return opened
    closed: dict[str, Closed] = {}
    for key, host in _hosts_of(opened, opener).items():
        if (why := opener.closed_for(secret, key, opened.opened[key], host)) is not None:
            closed[key] = why
    return opened.without(closed, secret.data)


def hosts_of(secret: SecretObject, opener: Opener) -> dict[str, str]:
    """Return the current host of each sealed value of a Secret, by the Secret and the settings; empty if unknown.

    Raises:
        Undecodable: as for `extract`.
    """
    return _hosts_of(opener.open(secret), opener)


def _hosts_of(opened: OpenedData, opener: Opener) -> dict[str, str]:
    common = read_destination(Values(opened.data))
    return {key: host_for(value.plaintext.get_secret_value(), common, opener) for key, value in opened.opened.items()}


def named_host(secret: SecretObject, plaintext: SecretStr) -> str | None:
    """Return the host that a user's value or its Secret names, whatever the settings are.

    None if neither names one, and empty if it cannot be read.

    Raises:
        Undecodable: as for `extract`.
    """
    common = read_destination(Values(secret.data))
    found = _token_and_destination(plaintext.get_secret_value(), common)
    if found is None:
        return ""
    _, destination = found
    return destination.url.host if destination.url is not None else destination.host


def host_for(text: str, common: Destination | Entry, opener: Opener) -> str:
    """Return the host of a user's value, as `resolve` finds it, in its canonical form; empty if unknown."""
    found = _token_and_destination(text, common)
    if found is None:
        return ""
    token, destination = found
    host = destination_host(destination, kind_of_token(token), opener.hosts, opener.default_host)
    return "" if isinstance(host, Malformed) else host.name


def _token_and_destination(text: str, common: Destination | Entry) -> tuple[str, Destination] | None:
    """Return the token of a user's value and its destination; None if the value is not readable.

    Args:
        text: the token, or the JSON around it.
        common: the destination of the Secret, or why that is unknown.
    """
    if isinstance(common, Entry):
        return None
    if not text.lstrip().startswith("{"):
        return text, common
    try:
        _, fields = json_fields(text)
        return fields["token"] or "", make_destination(fields["url"], fields["host"], fields["provider"], common)
    except ValueError:
        return None
