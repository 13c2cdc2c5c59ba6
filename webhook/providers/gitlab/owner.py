"""Whose a token is: a person's, a group's or project's bot's, or a service account's."""

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


class Sort(Enum):
    """Whom an account stands for: one word for annotations, and what its tokens are called."""

    PERSON = ("personal", "personal access token")
    GROUP = ("group", "group access token")
    PROJECT = ("project", "project access token")
    SERVICE = ("service-account", "service account token")
    UNTOLD = ("access", "access token")

    @property
    def token_type(self) -> str:
        """One word."""
        return self.value[0]

    @property
    def described(self) -> str:
        """For people, after "this"."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Owner:
    """What ``GET /user`` tells.

    Attributes:
        username: as it may be shown; None where it isn't told.
        number: its id.
    """

    sort: Sort = Sort.UNTOLD
    username: str | None = None
    number: int | None = None


def read(reply: Reply, *, secret: str) -> Owner:
    """The owner that a reply to ``GET /user`` tells of; one of whom nothing is known where it was refused."""
    body = replies.mapping(reply)
    name = body.get("username")
    if reply.status != 200 or not isinstance(name, str) or not _USERNAME.match(name):
        return Owner()
    return Owner(
        _sort(name, body.get("bot")),
        plain(name, secret=secret) or None,
        replies.number(body.get("id")),
    )


def _sort(username: str, bot: object) -> Sort:
    """Versions that don't say ``bot`` don't tell people from the rest. Service accounts count as bots."""
    if bot is False:
        return Sort.PERSON
    if bot is not True:
        return Sort.UNTOLD
    match = _BOT.match(username)
    return Sort.SERVICE if match is None else Sort.PROJECT if match[1] == "project" else Sort.GROUP
