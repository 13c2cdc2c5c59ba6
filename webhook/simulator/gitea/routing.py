"""How an endpoint is declared, and what its handler is given."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.gitea import replies
from webhook.simulator.gitea.identity import Caller
from webhook.simulator.gitea.model import Category, GiteaHost, Repository, Role, User


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that was routed: everything a handler may look at."""

    host: GiteaHost
    call: Call
    caller: Caller
    site: str
    """The site's address as this caller reaches it; links in replies start with it."""
    params: Mapping[str, str]
    known: Repository | None = None

    @property
    def user(self) -> User:
        """The person who signed in; not for routes that are open to all."""
        if self.caller.user is None:
            raise LookupError("this route is open to anonymous callers")
        return self.caller.user

    @property
    def repository(self) -> Repository:
        """The repository that the path names; only routes below ``/repos`` have one."""
        if self.known is None:
            raise LookupError("this route names no repository")
        return self.known

    def body(self) -> dict[str, Any] | Reply:
        """The body as an object, or what is wrong with it."""
        if not self.call.body.strip():
            return replies.invalid("", "Empty request body", self.site)
        try:
            document = json.loads(self.call.body)
        except ValueError:
            return replies.invalid("", "invalid character in the request body", self.site)
        return document if isinstance(document, dict) else replies.invalid("", "cannot unmarshal", self.site)

    def page(self, items: list[dict[str, Any]]) -> Reply:
        """One page of a list, its length in a header."""
        limit = min(_number(self.call.query.get("limit"), 30), 50)
        first = (_number(self.call.query.get("page"), 1) - 1) * limit
        return Reply.json(200, items[first : first + limit], {"X-Total-Count": str(len(items))})


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else default


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint below ``/api/v1``, with what is checked before its handler runs, in this order."""

    method: str
    path: str
    handler: Callable[[Ask], Reply]
    categories: tuple[tuple[Category, ...], ...] = ()
    """Of the scopes that a token must have: to read for a GET, to write for anything else.

    All are needed; each group is asked for together, and a refusal names the first group that isn't there whole.
    """
    signed_in: bool = False
    role: Role | None = None
    """Least role in the repository that the path names."""
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)))

    @property
    def scopes(self) -> list[list[str]]:
        """The scopes themselves, in their groups."""
        level = "read" if self.method == "GET" else "write"
        return [[f"{level}:{category}" for category in group] for group in self.categories]
