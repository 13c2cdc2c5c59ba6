"""The username that is stored beside a token: Bitbucket's API and Git don't take the same.

The API takes an API token with its account's e-mail address. Git takes it with ``x-bitbucket-api-token-auth`` or the
account's Bitbucket username, and never with the e-mail address. An access or OAuth token needs no name for the API, and
``x-token-auth`` for Git (Bitbucket docs: using API tokens; using access tokens).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection

from webhook.providers.bitbucket.kinds import API_TOKEN, APP_PASSWORD, TokenKind
from webhook.requirements import Role

_FOR_API_TOKENS = "x-bitbucket-api-token-auth"
_FOR_OTHERS = "x-token-auth"
# Of no more characters than an address can have (RFC 5321, 4.5.3.1): a header with a megabyte in it ends the connection
# that others' requests share.
_EMAIL = re.compile(r"[^@\s:]{1,64}@[^@\s:]{1,255}\Z")


def is_email(username: str | None) -> bool:
    """Whether a username is an e-mail address."""
    return username is not None and _EMAIL.match(username) is not None


def bearer(token: str) -> str:
    """The header of every token but an API token."""
    return f"Bearer {token}"


def basic(username: str, token: str) -> str:
    """The header of an API token."""
    return f"Basic {base64.b64encode(f'{username}:{token}'.encode()).decode()}"


def email_is_missing(username: str | None) -> str:
    """Why an API token could not be checked: a clause after the host's name."""
    stored = "the stored username is none" if username else "no username is stored"
    return (
        f"takes an API token only together with the e-mail address of its account, and {stored} (an access token with "
        f"the username {_FOR_OTHERS} can be checked, and works for Git as well)"
    )


def warnings(
    host: str, kind: TokenKind, username: str | None, git_name: str | None, roles: Collection[Role]
) -> list[str]:
    """Whole sentences on a stored username that works for one of API and Git, and not for the other.

    The stored name itself is not shown: people put tokens there, too.

    Args:
        git_name: the account's Bitbucket username, where Bitbucket told it.
        roles: a runtime token's username goes to Git, by way of Argo CD; what Git is given beside a person's token
            isn't known.
    """
    if not username or kind is APP_PASSWORD:
        return []
    if kind is not API_TOKEN:
        if username == _FOR_OTHERS:
            return []
        return [f"Beside this {kind.described}, Git needs the username {_FOR_OTHERS}, and not the one that is stored."]
    if is_email(username):
        if Role.RUNTIME not in roles:
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
            f"The stored username {works}fails for the API of {host} wherever that is given it: beside an API token, "
            "the API needs the e-mail address of its account."
        ]
    return [
        f"Beside this {kind.described}, Git needs the username {_FOR_API_TOKENS} or the account's Bitbucket username, "
        "and the API the e-mail address of its account; the stored one is none of them."
    ]
