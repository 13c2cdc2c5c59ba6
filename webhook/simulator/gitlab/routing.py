"""How an endpoint is declared, and what its handler is given."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.gitlab import replies
from webhook.simulator.gitlab.granular import Permission
from webhook.simulator.gitlab.identity import WHOLE_API, Caller, Scopes
from webhook.simulator.gitlab.model import Account, GitLabHost, Group, Level, Project, Token


@dataclass(frozen=True, slots=True)
class Ask:
    """A routed and authenticated call: everything that a handler may use."""

    host: GitLabHost
    call: Call
    caller: Caller
    web: str
    """Where people look at this GitLab; links in replies start with it."""
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    place: Project | Group | None = None

    @property
    def project(self) -> Project:
        """The project that the path names; only routes in a project have one."""
        if not isinstance(self.place, Project):
            raise LookupError("this route names no project")
        return self.place

    @property
    def group(self) -> Group:
        """The group that the path names; only routes in a group have one."""
        if not isinstance(self.place, Group):
            raise LookupError("this route names no group")
        return self.place

    @property
    def token(self) -> Token:
        """The caller's; only public routes may be without."""
        if self.caller.token is None:
            raise LookupError("the caller is anonymous")
        return self.caller.token

    @property
    def account(self) -> Account:
        """The caller's user; only public routes may be without."""
        if self.caller.account is None:
            raise LookupError("the caller is anonymous")
        return self.caller.account

    def record(self, action: str, target: str) -> None:
        """Note that this call changed something."""
        self.host.record(action, target, self.token.name)

    def page(self, items: list[Any]) -> tuple[list[Any], dict[str, str]]:
        """One page of a list and its headers (GitLab docs: api/rest, offset-based pagination)."""
        size = min(_number(self.call.query.get("per_page"), 20), 100)
        number = _number(self.call.query.get("page"), 1)
        last = max(1, -(-len(items) // size))
        headers = {
            "X-Page": str(number),
            "X-Per-Page": str(size),
            "X-Next-Page": str(number + 1) if number < last else "",
            "X-Prev-Page": str(number - 1) if number > 1 else "",
            "X-Total": str(len(items)),
            "X-Total-Pages": str(last),
        }
        return items[(number - 1) * size : number * size], headers


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else default


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: who may call it, since when it is there, and whether its ``{id}`` is a project's or a group's."""

    method: str
    path: str
    handler: Callable[[Ask], Reply]
    permission: Permission
    """Of a fine-grained token."""
    scopes: Scopes = WHOLE_API
    since: tuple[int, int] = (0, 0)
    place: Literal["project", "group"] | None = None
    public: bool = False
    """Whether it accepts requests without a token."""
    personal_only: bool = False
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)))


def least_level(call: Call, default: int = 0) -> int | Reply:
    """``min_access_level``, or what is wrong with it."""
    wanted = call.query.get("min_access_level")
    if wanted is None:
        return default
    known = [str(int(level)) for level in Level if level is not Level.NONE]
    return int(wanted) if wanted in known else replies.error(400, "min_access_level does not have a valid value")


def parameters(call: Call) -> dict[str, Any]:
    """What a write was given in a JSON body or in the address."""
    try:
        document = json.loads(call.body) if call.body.strip() else {}
    except ValueError:
        document = {}
    return {**call.query, **(document if isinstance(document, dict) else {})}
