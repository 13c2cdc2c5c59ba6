"""The tokens inside a Secret, each with the place that it goes to.

Values are decoded here, straight into `SecretStr`. Nothing that is raised or returned for people quotes one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import SecretStr

from webhook.credentials.destination_fields import read_destination
from webhook.credentials.entries import (
    Checkable,
    Content,
    Destination,
    Entry,
    External,
    Malformed,
    Undecodable,
    Unsupported,
)
from webhook.credentials.matching import Match
from webhook.credentials.runtime_secret import runtime_entries, runtime_keys
from webhook.credentials.sealed_hosts import host_for, opened_data
from webhook.credentials.user_secret import user_entries, user_entry, user_keys
from webhook.credentials.values import Values, tokens_of
from webhook.keyring.jwe import Closed, Why
from webhook.keyring.opener import OpenedData, Opener
from webhook.providers.requirements import Role
from webhook.subject import SecretObject


def extract(secret: SecretObject, match: Match, opener: Opener | None = None) -> dict[str, Entry]:
    """Return the entries of a Secret by key; empty if there is nothing to check.

    Args:
        opener: opens users' values that this webhook sealed. The runtime role always sees values as they are stored, so
            a sealed value under a key of Argo CD's is malformed.

    Raises:
        Undecodable: a value is not valid base64.
    """
    opened = opened_data(secret, opener) if opener is not None else OpenedData(secret.data)
    values = Values(opened.data, {key: _closed(why) for key, why in opened.closed.items()})
    values.decode_all()
    kids = opened.kids
    entries: dict[str, Entry] = {}
    if Role.RUNTIME in match.roles:
        sealed = dict.fromkeys(
            opened.opened, Malformed("is sealed, but Argo CD cannot open sealed values; write the token in plain text")
        )
        stored = Values(secret.data, {**values.closed, **sealed})
        entries |= {entry.key: entry for entry in runtime_entries(secret, stored)}
    if Role.USER in match.roles:
        for entry in user_entries(values):
            # If both roles read a key, the entry that can be checked counts.
            before = entries.get(entry.key)
            if before is None or isinstance(before.content, Unsupported):
                entries[entry.key] = entry
            elif isinstance(before.content, Checkable):
                destination = replace(before.content.destination, not_git="")
                entries[entry.key] = replace(before, content=replace(before.content, destination=destination))
    if len(entries) > 1:
        entries.pop("", None)  # one role found nothing, the other did
    return {key: _traced(entry, values, kids.get(key, "")) for key, entry in entries.items()}


def _traced(entry: Entry, values: Values, kid: str) -> Entry:
    """Return an entry with what only all values together show."""
    if values.shown_in(entry.key):
        why = "has a key that is itself a token, and keys are shown in plain text; use the user's id as the key"
        return Entry(entry.key, Malformed(why), values.origin(entry.key), hidden=True, kid=kid)
    if not isinstance(entry.content, Checkable):
        return replace(entry, origin=values.origin(entry.key), kid=kid)
    return replace(entry, kid=kid) if kid else entry


def _closed(closed: Closed) -> Content:
    """Return the content of a sealed value that does not open; a value of an unknown key is another program's."""
    return External(str(closed)) if closed.why is Why.UNKNOWN_KEY else Malformed(str(closed))


@dataclass(frozen=True, slots=True)
class UserValue:
    """A value with a user's token: the token, or the JSON around it.

    Attributes:
        host: where it goes; empty if unknown.
        kid: the key that sealed it; empty if it is stored in plain text.
    """

    key: str
    plaintext: SecretStr
    host: str = ""
    kid: str = ""
    hidden: bool = False

    @property
    def field(self) -> str:
        """The path that a denial names."""
        return "data" if self.hidden else f"data.{self.key}"

    @property
    def tokens(self) -> list[str]:
        """The token, or those in JSON; none if the JSON is invalid."""
        return tokens_of(self.plaintext.get_secret_value())


def user_values(secret: SecretObject, match: Match, opener: Opener) -> dict[str, UserValue]:
    """Return the values to seal, by key: each that holds a user's token, valid or not.

    Empty values, values that another program encrypted, closed values and those of the runtime role are left out.

    Raises:
        Undecodable: as for `extract`.
    """
    if Role.USER not in match.roles:
        return {}
    opened = opened_data(secret, opener)
    values = Values(opened.data)
    common = read_destination(values)
    kids = opened.kids
    platform = runtime_keys(secret) if Role.RUNTIME in match.roles else frozenset()
    found: dict[str, UserValue] = {}
    for key in user_keys(values):
        text = values.text(key)
        if text is None or key in platform or key in opened.closed:
            continue
        if not isinstance(user_entry(key, values, Destination()).content, External):
            host = host_for(text, common, opener)
            found[key] = UserValue(key, SecretStr(text), host, kids.get(key, ""), values.shown_in(key))
    return found


def url_of(secret: SecretObject) -> str | None:
    """Return the ``url`` of a Secret, for rules that select by it; an invalid URL if the value is not text."""
    try:
        return Values(secret.data).raw("url").decode("utf-8", "replace") or None
    except Undecodable:
        return "\N{REPLACEMENT CHARACTER}"
