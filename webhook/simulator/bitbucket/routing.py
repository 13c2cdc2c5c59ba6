"""How an endpoint is declared, and what its handler is given."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.simulator.bitbucket import replies
from webhook.simulator.bitbucket.access import Need
from webhook.simulator.bitbucket.identity import Caller
from webhook.simulator.bitbucket.model import Account, BitbucketHost, Repository
from webhook.simulator.exchange import Call, Reply


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that was routed: everything a handler may look at."""

    host: BitbucketHost
    call: Call
    caller: Caller
    api: str
    """The API's base URL as this caller reaches it; links in replies start with it."""
    path: str
    """Below the API's base URL."""
    params: Mapping[str, str] = field(default_factory=dict)
    known: Repository | None = None

    @property
    def repository(self) -> Repository:
        """The repository that the path names; other routes have none."""
        if self.known is None:
            raise LookupError("this route names no repository")
        return self.known

    @property
    def person(self) -> Account:
        """Whom the token belongs to; only where scopes were asked for that an access token can't hold."""
        return self.host.accounts[self.caller.nickname or ""]

    def record(self, action: str) -> None:
        """Note that this call changed the repository."""
        token = self.caller.token
        self.host.record(action, self.repository.full_name, token.name if token is not None else None)

    def page(self, items: list[Any]) -> Reply:
        """One page of a list, with the address of the next one inside (Bitbucket docs: pagination)."""
        size = _bounded(self.call.query.get("pagelen"), 10, 100)
        number = _bounded(self.call.query.get("page"), 1, 10_000)
        document: dict[str, Any] = {
            "pagelen": size,
            "size": len(items),
            "page": number,
            "values": items[(number - 1) * size : number * size],
        }
        if number * size < len(items):
            document["next"] = f"{self.api}{self.path}?pagelen={size}&page={number + 1}"
        return Reply.json(200, document)


def _bounded(text: str | None, default: int, most: int) -> int:
    if text is None or not text.isdecimal() or int(text) < 1:
        return default
    return min(int(text), most)


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. Its need is checked before the handler runs."""

    method: str
    path: str
    handler: Callable[[Ask], Reply]
    need: Need | None = None
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)))

    @property
    def names_repository(self) -> bool:
        """Whether the path is a repository's, or below one."""
        return "repo" in self.pattern.groupindex

    @property
    def headers(self) -> dict[str, str]:
        """``X-Accepted-OAuth-Scopes``, in the older vocabulary for every caller, also an anonymous one (recorded)."""
        return {} if self.need is None else {"X-Accepted-OAuth-Scopes": self.need.scope}


def json_body(call: Call) -> dict[str, Any] | Reply:
    """The body as an object."""
    try:
        document = json.loads(call.body)
    except ValueError:
        document = None
    return document if isinstance(document, dict) else replies.error(400, "Bad request")
