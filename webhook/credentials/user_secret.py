"""The entries of a Secret of the user role: one token, or one for each user, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from webhook.credentials.destination import tokenless
from webhook.credentials.destination_fields import make_destination, read_destination
from webhook.credentials.entries import Checkable, Content, Destination, Entry, External, Malformed, Unsupported
from webhook.credentials.placeholders import placeholder
from webhook.credentials.runtime_secret import OTHER_CREDENTIALS, is_used
from webhook.credentials.token_entry import JWE, checkable, token_entry
from webhook.credentials.token_search import described_holds_credential, document_holds_credential, may_hold_credential
from webhook.credentials.values import METADATA_KEYS, TOKEN_KEYS, Values
from webhook.keyring.jwe import sealing_key
from webhook.providers.urls import MalformedUrl


def user_keys(values: Values) -> list[str]:
    """Return the keys of users' tokens, and other keys whose values could be used as tokens."""
    named = _own_keys(values)
    known = {*named, *TOKEN_KEYS}
    return [*named, *(key for key in values if key not in known and _shows_token(key, values))]


def _own_keys(values: Values) -> list[str]:
    """Return the keys of users' tokens: that of the only token, or one for each user."""
    present = [key for key in TOKEN_KEYS if key in values]
    if present:
        return [key for key in present if values.is_set(key)] or present[:1]
    return [key for key in values if key not in METADATA_KEYS]


def user_entries(values: Values) -> Iterable[Entry]:
    """Return the entry of the only token, or one for each user."""
    if not len(values):
        return []  # before the first user, or after the last one
    named = user_keys(values)
    other = next(((key, what) for key, what in OTHER_CREDENTIALS if what and is_used(values, key)), None)
    if not named and other is not None:
        return [Entry(other[0], Unsupported(other[1]))]  # for any host
    common = read_destination(values)
    if isinstance(common, Entry):
        return [common]
    if not named:
        return [Entry("", Malformed("holds no token; put it under token"))]
    own = frozenset(_own_keys(values))
    return [user_entry(key, values, common) if key in own else _extra_entry(key, values, common) for key in named]


def _extra_entry(key: str, values: Values, common: Destination) -> Entry:
    """Return the entry of a value that could be a second token."""
    entry = user_entry(key, values, common)
    if not isinstance(entry.content, Malformed):
        return entry
    return Entry(key, Malformed("holds a value that could be a second token; remove it from this Secret"))


def _shows_token(key: str, values: Values) -> bool:
    """Return whether a value beside the token could be used as one."""
    value = values.raw(key)
    if values.shown_in(key):
        return True
    return described_holds_credential(value) if key in METADATA_KEYS else may_hold_credential(value, key)


def user_entry(key: str, values: Values, common: Destination) -> Entry:
    text = values.text(key) or ""
    entry = token_entry(key, values, common) if not text.lstrip().startswith("{") else _json_entry(key, text, common)
    if (template := placeholder(text)) is not None:
        return Entry(key, Malformed(template))
    content = entry.content
    if isinstance(content, Checkable) and (what := tokenless(content.destination.url)):
        return Entry(key, Unsupported(what))
    return entry


def _json_entry(key: str, text: str, common: Destination) -> Entry:
    """Return a user's entry from ``{"token", "username", "url", "provider"}``."""
    return Entry(key, _json_content(text, common))


def _json_content(text: str, common: Destination) -> Content:
    try:
        document, fields = json_fields(text)
    except _UnreadableJson as error:
        return Malformed(str(error))
    token, username = fields["token"], fields["username"] or ""
    provider = (fields["provider"] or "").encode("utf-8", "surrogatepass")
    others = {name: value for name, value in document.items() if name not in fields}
    named = username != token and described_holds_credential(username.encode("utf-8", "surrogatepass"))
    if named or described_holds_credential(provider) or document_holds_credential(others):
        return Malformed('is JSON with a value that could be a token under a name other than "token"')
    if not token:
        return Malformed('is JSON without a "token"')
    try:
        destination = make_destination(fields["url"], fields["host"], fields["provider"], common)
    except MalformedUrl as error:
        return Malformed(f"has a url that {error}")
    if sealing_key(token) is not None:
        what = "is JSON around a sealed value, which cannot be opened there"
        return Malformed(f"{what}; write the token itself")
    if JWE.match(token):
        return External("is a JWE that no key of this webhook opens")
    if fields["url"]:
        destination = replace(destination, own_url=True)
    return checkable(token, fields["username"], destination)


class _UnreadableJson(ValueError):
    """The JSON of an entry is not readable; the text is a clause that follows the name of the entry."""


def json_fields(text: str) -> tuple[dict[str, object], dict[str, str | None]]:
    """Return the JSON object of a user's entry, and the fields that are used.

    Raises:
        _UnreadableJson: it is not JSON of this form.
    """
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except _DuplicateName:
        raise _UnreadableJson("is JSON with a duplicate name") from None
    except (ValueError, RecursionError):
        raise _UnreadableJson("begins like JSON but is not valid JSON") from None
    fields = {name: document.get(name) for name in ("token", "username", "url", "host", "provider")}
    if any(value is not None and not isinstance(value, str) for value in fields.values()):
        raise _UnreadableJson("is JSON whose token, username, url, host and provider must be strings")
    return document, fields


class _DuplicateName(ValueError):
    pass


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _DuplicateName
    return document
