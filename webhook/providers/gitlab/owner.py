"""The owner of a token: a person, the bot of a group or project, or a service account."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from webhook.providers.base import Reply
from webhook.providers.gitlab import replies
from webhook.providers.text import plain

# GitLab docs: project and group access tokens, bot users.
_BOT = re.compile(r"(project|group)_[0-9]+_bot")
_USERNAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,254}\Z")


class AccountKind(Enum):
    """The kind of an account, with a word for annotations and the name of its tokens."""

    PERSON = ("personal", "personal access token")
    GROUP = ("group", "group access token")
    PROJECT = ("project", "project access token")
    SERVICE = ("service-account", "service account token")
    UNKNOWN = ("access", "access token")

    @property
    def token_type(self) -> str:
        """The word for annotations."""
        return self.value[0]

    @property
    def described(self) -> str:
        """The name of its tokens in messages, after "this"."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner as ``GET /user`` shows it.

    Attributes:
        username: the name for messages; None if it is not shown.
        number: its id.
    """

    kind: AccountKind = AccountKind.UNKNOWN
    username: str | None = None
    number: int | None = None


def read(reply: Reply, *, secret: str) -> Owner:
    """Return the owner in a reply to ``GET /user``; an unknown one if the request was rejected."""
    body = replies.mapping(reply)
    name = body.get("username")
    if reply.status != 200 or not isinstance(name, str) or not _USERNAME.match(name):
        return Owner()
    return Owner(
        _sort(name, body.get("bot")),
        plain(name, secret=secret) or None,
        replies.number(body.get("id")),
    )


def _sort(username: str, bot: object) -> AccountKind:
    """Return the kind of an account. Versions without ``bot`` do not distinguish people; service accounts are bots."""
    if bot is False:
        return AccountKind.PERSON
    if bot is not True:
        return AccountKind.UNKNOWN
    match = _BOT.match(username)
    return AccountKind.SERVICE if match is None else AccountKind.PROJECT if match[1] == "project" else AccountKind.GROUP
