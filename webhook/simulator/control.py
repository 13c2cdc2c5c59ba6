"""A client for the control API of ``python -m webhook.simulator``, blocking and async."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from pydantic import TypeAdapter

from webhook.simulator.faults import AnyEffect, Fault
from webhook.simulator.journal import Counts, RequestRecord
from webhook.simulator.provider import Mutation
from webhook.simulator.server import RunningHost
from webhook.simulator.world import World

_HOSTS = TypeAdapter(dict[str, RunningHost])
_REQUESTS = TypeAdapter(list[RequestRecord])
_MUTATIONS = TypeAdapter(list[Mutation])


class ControlError(Exception):
    """The simulator refused a control request."""


class Control:
    """Looks into and changes a running simulator: ``Control("http://127.0.0.1:PORT").counters().requests``."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError(f"the control API is at a plain http:// URL, not at {url!r}")
        self._host, self._port, self._timeout = parts.hostname, parts.port or 80, timeout

    def hosts(self) -> dict[str, RunningHost]:
        """Where the simulated hosts are."""
        return _HOSTS.validate_json(self._send("GET", "/hosts"))

    def requests(self, **chosen: str) -> list[RequestRecord]:
        """The log; ``host``, ``token``, ``method`` and ``path`` choose."""
        return _REQUESTS.validate_json(self._send("GET", f"/requests?{urlencode(chosen)}"))

    def counters(self) -> Counts:
        """Totals since the last reset."""
        return Counts.model_validate_json(self._send("GET", "/counters"))

    def mutations(self) -> list[Mutation]:
        """What requests changed at the providers."""
        return _MUTATIONS.validate_json(self._send("GET", "/mutations"))

    def reset(self) -> None:
        """Back to the beginning: the world as it was, no faults, nothing logged."""
        self._send("POST", "/reset")

    def add_fault(self, effect: AnyEffect | Fault, **where: str | int | None) -> None:
        """Put a fault in force: ``add_fault(Outage(), host="github.com", times=1)``."""
        fault = effect if isinstance(effect, Fault) else Fault.model_validate({"effect": effect, **where})
        self._send("POST", "/faults", fault.model_dump_json())

    def clear_faults(self) -> None:
        """Let everything work again."""
        self._send("DELETE", "/faults")

    def world(self) -> World:
        """A copy of the world that is served."""
        return World.from_yaml(self._send("GET", "/world").decode())

    def replace_world(self, world: World) -> None:
        """Serve another world with the same host names."""
        self._send("PUT", "/world", world.to_yaml())

    def token_value(self, name: str) -> str:
        """A token, to put into a Secret."""
        return str(json.loads(self._send("GET", f"/tokens/{quote(name, safe='')}"))["value"])

    def change_token(self, name: str, /, **changes: Any) -> None:
        """Change a token's properties: ``change_token("good-classic", revoked=True)``."""
        self._send("PATCH", f"/tokens/{quote(name, safe='')}", json.dumps(changes, default=str))

    def app(self, slug: str) -> Mapping[str, Any]:
        """An App with ``private_key`` and ``installations``."""
        document: dict[str, Any] = json.loads(self._send("GET", f"/apps/{quote(slug, safe='')}"))
        return document

    def _send(self, method: str, path: str, body: str | None = None) -> bytes:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        try:
            connection.request(method, path, None if body is None else body.encode())
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise ControlError(f"{method} {path.partition('?')[0]}: {response.status} {_reason(answer)}")
        return answer


def _reason(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["error"])
    except (ValueError, LookupError, TypeError):
        return answer.decode(errors="replace")[:200]


class AsyncControl:
    """``Control`` for use inside an event loop; each call runs in a thread."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self._control = Control(url, timeout)

    async def hosts(self) -> dict[str, RunningHost]:
        """Where the simulated hosts are."""
        return await asyncio.to_thread(self._control.hosts)

    async def requests(self, **chosen: str) -> list[RequestRecord]:
        """The log; ``host``, ``token``, ``method`` and ``path`` choose."""
        return await asyncio.to_thread(self._control.requests, **chosen)

    async def counters(self) -> Counts:
        """Totals since the last reset."""
        return await asyncio.to_thread(self._control.counters)

    async def mutations(self) -> list[Mutation]:
        """What requests changed at the providers."""
        return await asyncio.to_thread(self._control.mutations)

    async def reset(self) -> None:
        """Back to the beginning."""
        await asyncio.to_thread(self._control.reset)

    async def add_fault(self, effect: AnyEffect | Fault, **where: str | int | None) -> None:
        """Put a fault in force."""
        await asyncio.to_thread(self._control.add_fault, effect, **where)

    async def clear_faults(self) -> None:
        """Let everything work again."""
        await asyncio.to_thread(self._control.clear_faults)

    async def world(self) -> World:
        """A copy of the world that is served."""
        return await asyncio.to_thread(self._control.world)

    async def replace_world(self, world: World) -> None:
        """Serve another world with the same host names."""
        await asyncio.to_thread(self._control.replace_world, world)

    async def token_value(self, name: str) -> str:
        """A token, to put into a Secret."""
        return await asyncio.to_thread(self._control.token_value, name)

    async def change_token(self, name: str, /, **changes: Any) -> None:
        """Change a token's properties."""
        await asyncio.to_thread(self._control.change_token, name, **changes)

    async def app(self, slug: str) -> Mapping[str, Any]:
        """An App with ``private_key`` and ``installations``."""
        return await asyncio.to_thread(self._control.app, slug)
