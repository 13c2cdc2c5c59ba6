"""Plan the change that replaces, adds or removes one token of a Secret. Pure: no I/O.

As on the platform's own pages, a runtime has one token, under the key that Argo CD reads. A user has one, the only one
of a Secret or the one under the user's id.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from webhook.credentials.entries import Entry, Unsupported
from webhook.credentials.extract import extract
from webhook.credentials.matching import Match
from webhook.credentials.values import METADATA_KEYS, TOKEN_KEYS
from webhook.keyring.opener import Opener
from webhook.names import ARGOCD_SECRET_TYPE, ENCRYPTION, INTEGRATION_TYPE, LAST_APPLIED
from webhook.providers.requirements import Role
from webhook.providers.token_shapes import name_holds_token
from webhook.subject import SecretObject

# The platform's own label and prefix of users' Secrets (DESIGN.md, "Which Secrets").
_USER_LABEL = {INTEGRATION_TYPE: "git"}
_USER_PREFIX = "git-default-"
# GitHub and GitLab accept any user name, but Argo CD sends no password without one. Bitbucket needs the right one.
_ANY_USERNAME = "git"

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")  # Kubernetes: validation.IsConfigMapKey


class NotPossible(Exception):
    """The change is not possible. The text is a sentence that says what to do instead."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token, and the fields that change with it."""

    token: SecretStr
    url: str | None = None
    username: str | None = field(default=None, repr=False)
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The change of a Secret.

    Attributes:
        key: the key of `data` that holds the token.
        data: new values in base64, by key; None removes the key.
        annotations: new annotations; None removes one.
        whole: delete the Secret; the other attributes are empty.
    """

    key: str = ""
    data: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    annotations: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    whole: bool = False

    def applied_to(self, secret: SecretObject) -> SecretObject:
        """Return the changed Secret."""
        return replace(
            secret, data=_merged(secret.data, self.data), annotations=_merged(secret.annotations, self.annotations)
        )


def created(namespace: str, name: str, user: str | None, new: NewToken) -> tuple[SecretObject, str]:
    """Return a new Secret and the key of its token.

    It is a user's Secret if there is a user or the name has the platform's prefix, and otherwise a credential template
    of Argo CD.

    Raises:
        NotPossible: a credential template needs a URL.
    """
    if user is not None or name.startswith(_USER_PREFIX):
        empty = SecretObject(namespace, name, labels=_USER_LABEL)
        change = _set_user(empty, {}, user, new, None)
    else:
        if new.url is None:
            raise NotPossible(
                f"The Secret {namespace}/{name} does not exist; to create it, pass the URL of its token with --url."
            )
        empty = SecretObject(namespace, name, labels={ARGOCD_SECRET_TYPE: "repo-creds"})
        named = new if new.username else replace(new, username=_ANY_USERNAME)
        change = Change("password", {"type": _encoded("git"), **_described("password", named)})
    return change.applied_to(empty), change.key


def with_token(secret: SecretObject, match: Match, user: str | None, new: NewToken, opener: Opener | None) -> Change:
    """Return the change that replaces or adds the token of a runtime or a user.

    Args:
        user: the user's id; None for the only token of a Secret.
        opener: opens sealed values, to keep the other fields of a user's value.

    Raises:
        NotPossible: the Secret cannot hold it.
        Undecodable: a value is not valid base64.
    """
    entries = _entries(secret, match, opener)
    if _is_runtime(match):
        _refuse_user(secret, user)
        change = _set_runtime(secret, entries, new)
    else:
        change = _set_user(secret, entries, user, new, opener)
    return replace(change, annotations=_last_applied(secret, change.data))


def without_token(secret: SecretObject, match: Match, user: str | None) -> Change:
    """Return the change that removes the token of a runtime or a user.

    A runtime's Secret is deleted. Keys that describe users' tokens are removed with the last token.

    Raises:
        NotPossible: there is no such token.
        Undecodable: a value is not valid base64.
    """
    entries = _entries(secret, match, None)
    if _is_runtime(match):
        _refuse_user(secret, user)
        return Change(whole=True)
    held = [key for key in entries if key in secret.data]
    key = _user_key(secret, entries, user)
    if key not in held:
        whose = f" of {user}" if user is not None else ""
        raise NotPossible(f"{_place(secret)} holds no token{whose}.")
    gone = [key] if len(held) > 1 else list(secret.data)
    data: dict[str, str | None] = dict.fromkeys(gone)
    return Change(key, data, _last_applied(secret, data))


def _entries(secret: SecretObject, match: Match, opener: Opener | None) -> dict[str, Entry]:
    if not match:
        raise NotPossible(f"{_place(secret)} is not a credential Secret: no rule matches it.")
    if secret.immutable:
        raise NotPossible(f"{_place(secret)} is immutable: delete it, and create it again.")
    return extract(secret, match, opener)


def _is_runtime(match: Match) -> bool:
    """Return whether Argo CD reads the Secret. One of both roles holds its token where Argo CD reads it."""
    return Role.RUNTIME in match.roles


def _refuse_user(secret: SecretObject, user: str | None) -> None:
    if user is not None:
        raise NotPossible(f"{_place(secret)} is a runtime's Secret with one token; omit --user.")


def _set_runtime(secret: SecretObject, entries: Mapping[str, Entry], new: NewToken) -> Change:
    held = [key for key in TOKEN_KEYS if key in entries and secret.data.get(key)]
    for entry in entries.values():
        if not held and isinstance(entry.content, Unsupported):
            raise NotPossible(f"{_place(secret)} holds {entry.content.what}, which a token would replace.")
        if not held and entry.key == "githubAppPrivateKey":
            raise NotPossible(f"{_place(secret)} holds the key of a GitHub App, which a token would replace.")
    key = held[0] if held else "password"
    if key == "password" and not secret.data.get("username") and not new.username:
        new = replace(new, username=_ANY_USERNAME)
    return Change(key, _described(key, new))


def _set_user(
    secret: SecretObject, entries: Mapping[str, Entry], user: str | None, new: NewToken, opener: Opener | None
) -> Change:
    key = _user_key(secret, entries, user)
    if user is None:
        data = _described(key, new)
        if new.url is not None and "host" in secret.data:
            data["host"] = None  # it named the host of the URL before
        return Change(key, data)
    kept = _kept(secret, key, new, opener)
    said = {"token": new.token.get_secret_value(), "username": new.username, "url": new.url, "provider": new.provider}
    if new.url is not None:
        kept.pop("host", None)
    document = kept | {name: text for name, text in said.items() if text is not None}
    text = document["token"] if len(document) == 1 else json.dumps(document, ensure_ascii=False)
    return Change(key, {key: _encoded(str(text))})


def _user_key(secret: SecretObject, entries: Mapping[str, Entry], user: str | None) -> str:
    """Return the key of a user's token, whether or not it exists.

    Raises:
        NotPossible: the user must be named, or cannot have this id.
    """
    place = _place(secret)
    alone = [key for key in TOKEN_KEYS if secret.data.get(key)]
    others = [key for key in entries if key and key not in TOKEN_KEYS]
    if user is None:
        if not alone and others:
            named = ", ".join(sorted(key for key in others if not entries[key].hidden)) or "…"
            raise NotPossible(f"{place} holds a token for each user; name one with --user: {named}.")
        return alone[0] if alone else "token"
    if alone:
        raise NotPossible(f"{place} holds one token, under {alone[0]}, and not one for each user; omit --user.")
    if name_holds_token(user):
        raise NotPossible(
            "The value of --user looks like a token, and keys are shown in plain text; pass the user's id."
        )
    if user in METADATA_KEYS or user in TOKEN_KEYS or not _KEY.fullmatch(user):
        raise NotPossible(
            f"{user!r} cannot be a user's id: it is invalid as a key, or has another meaning in the Secret."
        )
    return user


def _kept(secret: SecretObject, key: str, new: NewToken, opener: Opener | None) -> dict[str, object]:
    """Return the other fields of a user's value; empty if it is only the token.

    Raises:
        NotPossible: it is sealed, and no key opens it.
    """
    if key not in secret.data:
        return {}
    opened = opener.open(secret) if opener is not None else None
    sealed = secret.annotations.get(ENCRYPTION) is not None and secret.data[key].startswith("ZXlK")
    data = opened.data if opened is not None else secret.data
    if sealed and (opened is None or key not in opened.kids) and new.url is None:
        raise NotPossible(
            f"The value of {key} is sealed, and its other fields would be lost; "
            "pass the key ring with --keys, or the URL of the new token with --url."
        )
    try:
        document = json.loads(base64.b64decode(data[key]))
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _described(key: str, new: NewToken) -> dict[str, str | None]:
    said = {key: new.token.get_secret_value(), "url": new.url, "username": new.username, "provider": new.provider}
    return {name: _encoded(text) for name, text in said.items() if text is not None}


def _last_applied(secret: SecretObject, data: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return kubectl's annotation without the old token; remove the annotation if it cannot be parsed."""
    text = secret.annotations.get(LAST_APPLIED)
    if text is None:
        return {}
    try:
        document = json.loads(text)
        stored = document.get("data") or {}
        plain = document.get("stringData") or {}
        for key, value in data.items():
            plain.pop(key, None)
            stored.pop(key, None)
            if value is not None:
                stored[key] = value
        document |= {"data": stored} | ({"stringData": plain} if "stringData" in document else {})
    except (ValueError, AttributeError, TypeError, RecursionError):
        return {LAST_APPLIED: None}
    return {LAST_APPLIED: json.dumps(document, separators=(",", ":")) + "\n"}


def _merged(current: Mapping[str, str], change: Mapping[str, str | None]) -> dict[str, str]:
    merged: dict[str, str | None] = {**current, **change}
    return {key: value for key, value in merged.items() if value is not None}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _place(secret: SecretObject) -> str:
    return f"{secret.namespace}/{secret.name}"
