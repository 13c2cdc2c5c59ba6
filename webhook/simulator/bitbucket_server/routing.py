"""How an endpoint is declared, and what its handler is given."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.simulator.bitbucket_server.identity import Caller
from webhook.simulator.bitbucket_server.model import (
    BitbucketServerHost,
    Project,
    ProjectPermission,
    Repository,
    RepositoryPermission,
)
from webhook.simulator.exchange import Call, Reply


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that was routed: everything a handler may look at."""

    host: BitbucketServerHost
    call: Call
    caller: Caller
    base: str
    """The server's address as this caller reaches it, context path included; links in replies start with it."""
    params: Mapping[str, str]
    known_project: Project | None = None
    known_repository: Repository | None = None

    @property
    def project(self) -> Project:
        """The project that the path names; only routes that need a right on one have it."""
        if self.known_project is None:
            raise LookupError("this route names no project")
        return self.known_project

    @property
    def repository(self) -> Repository:
        """The repository that the path names; only routes that need a right on one have it."""
        if self.known_repository is None:
            raise LookupError("this route names no repository")
        return self.known_repository

    def query(self, name: str) -> str:
        """A query parameter without the space around it; empty where absent."""
        return self.call.query.get(name, "").strip()

    def body(self) -> dict[str, Any]:
        """The body as an object; anything else counts as ``{}``."""
        try:
            document = json.loads(self.call.body or b"{}")
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    def page(self, items: list[dict[str, Any]]) -> Reply:
        """One page of a list (Atlassian: the paging of the REST API)."""
        limit = min(_number(self.query("limit"), 25), 1000)
        start = _number(self.query("start"), 0)
        shown, last = items[start : start + limit], start + limit >= len(items)
        document = {"size": len(shown), "limit": limit, "isLastPage": last, "values": shown, "start": start}
        return Reply.json(200, document if last else {**document, "nextPageStart": start + limit})


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() else default


Handler = Callable[[Ask], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. With a ``need``, its path names a project or a repository, and the right is checked beforehand."""

    method: str
    path: str
    handler: Handler
    need: ProjectPermission | RepositoryPermission | None = None
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        expression = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path.replace(".", r"\."))
        object.__setattr__(self, "pattern", re.compile(expression.replace("/VERSION", r"/(?:1\.0|latest)")))
