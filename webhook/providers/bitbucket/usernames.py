"""The username stored beside a token: Bitbucket's API and Git need different ones.

The API accepts an API token with its account's e-mail address. Git accepts it with ``x-bitbucket-api-token-auth`` or
the account's Bitbucket username, and never with the e-mail address. An access or OAuth token needs no name for the
API, and ``x-token-auth`` for Git (Bitbucket docs: using API tokens; using access tokens).
"""

from __future__ import annotations

import base64
import re

from webhook.providers.bitbucket.kinds import API_TOKEN, APP_PASSWORD, TokenKind
from webhook.providers.findings import AuthScheme, Finding, Outcome, TokenCredential

_FOR_API_TOKENS = "x-bitbucket-api-token-auth"
_FOR_OTHERS = "x-token-auth"
# Not longer than an address can be (RFC 5321, 4.5.3.1): a header of a megabyte would end the connection, which other
# requests share.
_EMAIL = re.compile(r"[^@\s:]{1,64}@[^@\s:]{1,255}\Z")


def is_email(username: str | None) -> bool:
    """Return whether a username is an e-mail address."""
    return username is not None and _EMAIL.match(username) is not None


def bearer(token: str) -> str:
    """Return the ``Authorization`` header for every token except API tokens."""
    return f"Bearer {token}"


def basic(username: str, token: str) -> str:
    """Return the ``Authorization`` header for an API token."""
    return f"Basic {base64.b64encode(f'{username}:{token}'.encode()).decode()}"


def email_is_missing(username: str | None) -> Finding:
    """Return the finding on an API token that is stored without an e-mail address."""
    stored = "the stored username is not an e-mail address" if username else "no username is stored"
    reason = f"takes an API token only together with the e-mail address of its account, and {stored}"
    remedy = f"Use an access token with the username {_FOR_OTHERS}: it can be checked, and works for Git as well."
    return Finding(Outcome.UNVERIFIED, reason=reason, remedy=remedy)


def warnings(host: str, kind: TokenKind, credential: TokenCredential, git_name: str | None) -> list[str]:
    """Return warnings about a username that works for the API and not for Git, or the reverse.

    The stored name is not shown, because users store tokens there by mistake. It is not known which username Git gets
    beside a user token; for a runtime token `TokenCredential.git_auth` says it.

    Args:
        git_name: the account's Bitbucket username, if Bitbucket shows it.
    """
    auth, username = credential.git_auth, credential.username
    if kind is APP_PASSWORD:
        return []
    if auth is not None and auth.scheme is AuthScheme.BEARER:
        name = _FOR_API_TOKENS if kind is API_TOKEN else _FOR_OTHERS
        return [
            f"Argo CD sends bearerToken to Git as a bearer token, which {host} documents for its API only; store this "
            f"{kind.described} under password, with the username {name}."
        ]
    if auth is not None and not username:
        name = f"{_FOR_API_TOKENS} or the account's Bitbucket username" if kind is API_TOKEN else _FOR_OTHERS
        sent = f"{auth.username} as username" if auth.username else "an empty username"
        return [
            f"The Secret has no username, so Argo CD sends {sent}; beside this {kind.described}, Git needs the "
            f"username {name}."
        ]
    if not username:
        return []
    if kind is not API_TOKEN:
        if username == _FOR_OTHERS:
            return []
        return [f"Beside this {kind.described}, Git needs the username {_FOR_OTHERS}, and not the one that is stored."]
    return _beside_api_token(host, username, git_name, for_git=auth is not None)


def _beside_api_token(host: str, username: str, git_name: str | None, *, for_git: bool) -> list[str]:
    if is_email(username):
        if not for_git:
            return []
        return [
            f"The stored username is an e-mail address, which works for the API of {host} and fails for Git: beside an "
            f"API token, Git needs {_FOR_API_TOKENS} or the account's Bitbucket username. An access token with the "
            f"username {_FOR_OTHERS} works for both."
        ]
    works_for_git = username == _FOR_API_TOKENS or (git_name is not None and username.lower() == git_name.lower())
    if works_for_git or (git_name is None and username != _FOR_OTHERS):
        works = "works for Git and " if works_for_git else ""
        return [
            f"The stored username {works}fails for the API of {host}: beside an API token, "
            "the API needs the e-mail address of its account."
        ]
    return [
        f"Beside this API token, Git needs the username {_FOR_API_TOKENS} or the account's Bitbucket username, "
        "and the API the e-mail address of its account; the stored one is neither."
    ]
