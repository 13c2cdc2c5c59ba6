"""What a provider was asked and what it answered, as data: for people who want to see why, and for tests.

`Recorder` stands before an `Api` and keeps one `Exchange` for each request. An exchange holds what may be shown: the
method, the path, the status, headers from a list, and the fields of a body that providers read. It holds no request
header, no token or part of one, and of accounts only names and the ids that the API uses for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.providers.base import Api, ProviderUnavailable, Reply
from webhook.providers.findings import Exchange, GitHubAppCredential, Question
from webhook.providers.text import shows_secret

MAX_EXCHANGES = 200
"""Exchanges of one inspection that are kept. An App with 1,000 installations takes about 20."""
_MAX_TEXT = 500
_MAX_ITEMS = 100
_MAX_DEPTH = 6
_REDACTED = "redacted"

HEADERS = frozenset(
    {
        "content-type",
        "cf-mitigated",
        "github-authentication-token-expiration",
        "ratelimit-reset",
        "retry-after",
        "www-authenticate",
        "x-accepted-github-permissions",
        "x-accepted-oauth-scopes",
        "x-ausername",
        "x-credential-type",
        "x-github-enterprise-version",
        "x-github-request-id",
        "x-github-sso",
        "x-gitlab-meta",
        "x-oauth-scopes",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    }
)
"""The response headers that providers read, and those by which a provider is known."""

FIELDS = frozenset(
    "access access_level account active administrator application archived block bot contents detail disabled "
    "documentation_url error error_description errors exceptionName expires_at expires_in expires_in_seconds full_name "
    "full_path granular granular_scopes group group_access group_id has_code id isLastPage is_private key kind login "
    "marked_for_deletion_at marked_for_deletion_on message mirror name namespace owner parent_id path_with_namespace "
    "permission permissions private project project_access project_id public reason repositories repository "
    "repository_access_level repository_selection resource revoked scope scopes shared_with_groups slug state "
    "suspended_at token type url user user_id username values version visibility workspace".split()
)
"""The fields of a body that are kept, at any depth."""
_PERMISSIONS = "permissions"
"""Whatever this object has is a right and its level."""
_EMAIL = re.compile(r"[^\s@]{1,100}@[^\s@]{1,100}")


@dataclass
class Recorder:
    """An API that keeps what is asked and answered. It has the members of `base.Api`."""

    api: Api
    secret: str = field(repr=False)
    _exchanges: dict[int, Exchange] = field(default_factory=dict)
    _sent: int = 0

    @property
    def needed_by(self) -> float:
        """See `Api.needed_by`."""
        return self.api.needed_by

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        json: object = None,
        from_root: bool = False,
        raw: bool = False,
    ) -> Reply:
        """See `Api.send`."""
        number, shown = self._sent, redacted_text(path, self.secret)
        self._sent += 1
        try:
            reply = await self.api.send(method, path, headers=headers, json=json, from_root=from_root, raw=raw)
        except ProviderUnavailable as failure:
            self._keep(number, Exchange(method, shown, failure=str(failure), transient=failure.transient))
            raise
        self._keep(
            number,
            Exchange(
                method,
                shown,
                reply.status,
                tuple(
                    (name, redacted_text(reply.headers[name], self.secret))
                    for name in sorted(HEADERS & reply.headers.keys())
                ),
                _shown_bytes(reply.body, self.secret) if raw else redacted(reply.body, self.secret),
                redacted_text(reply.moved, self.secret),
            ),
        )
        return reply

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """What was asked and answered so far, in the order in which it was sent."""
        return tuple(self._exchanges[number] for number in sorted(self._exchanges))

    def _keep(self, number: int, exchange: Exchange) -> None:
        if len(self._exchanges) < MAX_EXCHANGES:
            self._exchanges[number] = exchange


def secret_of(question: Question) -> str:
    """Return what must never be shown."""
    credential = question.credential
    secret = credential.private_key if isinstance(credential, GitHubAppCredential) else credential.token
    return secret.get_secret_value()


def redacted_text(text: str, secret: str) -> str:
    """Return a text as it may be shown: printable ASCII of bounded length, without the secret and without addresses."""
    text = text[:_MAX_TEXT]
    if shows_secret(text, secret):
        return _REDACTED
    printable = "".join(character if " " <= character <= "~" else "?" for character in text)
    return _EMAIL.sub(_REDACTED, printable)


def redacted(value: object, secret: str, *, depth: int = 0, rights: bool = False) -> object:
    """Return what of a body may be shown: fields that providers read, in bounded number and depth.

    Args:
        rights: the value is an object whose every field is the name of a right.
    """
    match value:
        case bool() | int() | float() | None:
            return value
        case str():
            return redacted_text(value, secret)
        case list() if depth < _MAX_DEPTH:
            return [redacted(item, secret, depth=depth + 1) for item in value[:_MAX_ITEMS]]
        case dict() if depth < _MAX_DEPTH:
            return {
                name: _REDACTED
                if name == "token"
                else redacted(item, secret, depth=depth + 1, rights=name == _PERMISSIONS)
                for name, item in list(value.items())[:_MAX_ITEMS]
                if name in FIELDS or (rights and re.fullmatch(r"[a-z_]{1,60}", name))
            }
        case _:
            return None


def _shown_bytes(body: object, secret: str) -> object:
    """Return the beginning of a body that is no JSON: Git's first line, or the words of a refusal."""
    if not isinstance(body, bytes):
        return None
    text = body[:200].decode("utf-8", "replace")
    return _REDACTED if shows_secret(text, secret) else re.sub(r"[^\n -~]", "?", text)
