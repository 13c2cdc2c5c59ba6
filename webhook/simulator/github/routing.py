"""How an endpoint is declared, and what its handler is given."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webhook.simulator.exchange import Call, Reply
from webhook.simulator.github import replies
from webhook.simulator.github.access import Need
from webhook.simulator.github.identity import Caller
from webhook.simulator.github.model import GitHubHost, Repository


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that was routed: everything a handler may look at."""

    host: GitHubHost
    call: Call
    caller: Caller
    api: str
    """The API's base URL as this caller reaches it; links in replies start with it."""
    path: str = "/"
    """Below the API's base URL."""
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    known: Repository | None = None

    @property
    def repository(self) -> Repository:
        """The repository that the path names; only routes with a need have one."""
        if self.known is None:
            raise LookupError("this route names no repository")
        return self.known

    @property
    def token_name(self) -> str | None:
        return self.caller.name

    def record(self, action: str) -> None:
        """Note that this call changed the repository."""
        self.host.record(action, self.repository.full_name, self.token_name)

    def page(self, items: list[Any]) -> tuple[list[Any], dict[str, str]]:
        """One page of a list and its ``Link`` header (GitHub docs: using pagination in the REST API)."""
        size = _bounded(self.call.query.get("per_page"), 30, 100)
        number = _bounded(self.call.query.get("page"), 1, 10_000)
        last = max(1, -(-len(items) // size))
        targets: dict[str, int] = {}
        if number > 1:
            targets |= {"prev": min(number - 1, last), "first": 1}
        if number < last:
            targets |= {"next": number + 1, "last": last}
        shown = items[(number - 1) * size : number * size]
        if not targets:
            return shown, {}
        kept = "".join(f"{key}={value}&" for key, value in self.call.query.items() if key not in ("page", "per_page"))
        base = f"{self.api}{self.path}?{kept}per_page={size}&page="
        return shown, {"Link": ", ".join(f'<{base}{target}>; rel="{rel}"' for rel, target in targets.items())}


def _bounded(text: str | None, default: int, most: int) -> int:
    """GitHub ignores what is no number and cuts what is too much."""
    if text is None or not text.isdecimal() or int(text) < 1:
        return default
    return min(int(text), most)


Handler = Callable[[Ask], Reply]
Check = Callable[[Ask], Reply | None]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. With a ``need``, its path names a repository, and the need is checked before the handler runs."""

    method: str
    path: str
    handler: Handler
    need: Need | None = None
    check: Check | None = None
    """Looks at the body of a write; before or after the caller's rights, as the host is set."""
    accepted_scopes: str = ""
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", re.compile(re.sub(r"\{(\w+)(?::([^}]+))?\}", _group, self.path)))


def _group(match: re.Match[str]) -> str:
    """``{name}`` is one segment; ``{name:expression}`` what it says."""
    return f"(?P<{match[1]}>{match[2] or '[^/]+'})"


def json_body(call: Call) -> dict[str, Any] | Reply:
    """The body as an object; an empty one counts as ``{}``."""
    if not call.body.strip():
        return {}
    try:
        document = json.loads(call.body)
    except ValueError:
        return replies.error(400, "Problems parsing JSON")
    return document if isinstance(document, dict) else replies.error(400, "Body should be a JSON object")


def requires(*names: str) -> Check:
    """A check that the body has these members."""

    def check(ask: Ask) -> Reply | None:
        missing = [name for name in names if not isinstance(ask.body.get(name), str) or not ask.body[name]]
        return replies.not_supplied(missing) if missing else None

    return check
