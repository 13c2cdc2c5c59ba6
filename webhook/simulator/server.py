"""The simulator on sockets: HTTPS on loopback, one port for each simulated host."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from webhook.simulator.bitbucket import BitbucketSite
from webhook.simulator.bitbucket_server import BitbucketServerSite
from webhook.simulator.exchange import Call, Reply
from webhook.simulator.faults import FaultBook, answer_through
from webhook.simulator.gitea import GiteaSite
from webhook.simulator.github import GitHubSite
from webhook.simulator.gitlab import GitLabSite
from webhook.simulator.journal import Journal, RequestRecord
from webhook.simulator.provider import Site
from webhook.simulator.world import AnyHost, World

SITES: dict[str, Callable[[Any], Site]] = {
    "bitbucket-server": BitbucketServerSite,
    "github": GitHubSite,
    "gitlab": GitLabSite,
    "bitbucket": BitbucketSite,
    "gitea": GiteaSite,
}
"""How each kind of host behaves. Each is made of the model of its own kind, which pydantic has seen to."""


@dataclass(frozen=True, slots=True)
class RunningHost:
    """Where a simulated host can be reached."""

    name: str
    kind: str
    port: int
    origin: str
    """``https://localhost:PORT``: what stands for ``https://NAME``."""
    api_url: str
    git_url: str
    """What a repository's path is put behind to clone it."""

    def repository_url(self, full_name: str) -> str:
        """A repository's clone URL on this origin."""
        return f"{self.git_url}/{full_name}.git"


class Simulator:
    """Serves a world: ``async with Simulator(world, ssl_context=context) as sim: sim.hosts["github.com"].api_url``."""

    def __init__(
        self,
        world: World,
        *,
        ssl_context: ssl.SSLContext,
        listen: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
        url_host: str = "localhost",
    ) -> None:
        unknown = set(ports or {}) - set(world.hosts)
        if unknown:
            raise ValueError(f"ports for hosts that the world doesn't have: {', '.join(sorted(unknown))}")
        self.world = world
        self.journal = Journal()
        self.faults = FaultBook()
        self.hosts: dict[str, RunningHost] = {}
        self._original = world.copy_of()
        self._ssl_context = ssl_context
        self._listen = listen
        self._ports = dict(ports or {})
        self._url_host = url_host
        self._sites: dict[str, Site] = {}
        self._runners: list[web.ServerRunner] = []
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Simulator:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open all ports; none stays open if one can't be."""
        try:
            for name, host in self.world.hosts.items():
                self._sites[name] = SITES[host.kind](host)
                self.hosts[name] = await self._open(name, host)
        except BaseException:
            await self.stop()
            raise

    async def _open(self, name: str, host: AnyHost) -> RunningHost:
        # A client that gave up is no longer in flight, and hanging requests must not hold up the end.
        server = web.Server(self._handler(name), access_log=None, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        tls, chosen = self._ssl_context, self._ports.get(name, 0)
        await web.TCPSite(runner, self._listen, chosen, ssl_context=tls, backlog=1024).start()
        port = int(runner.addresses[0][1])
        origin = f"https://{self._url_host}:{port}"
        site = self._sites[name]
        return RunningHost(name, host.kind, port, origin, site.api_url(origin), site.git_url(origin))

    async def stop(self) -> None:
        """Close everything, hanging requests too."""
        self._closing.set()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    def replace_world(self, world: World) -> None:
        """Serve another world with the same host names; its predecessor's counters are forgotten."""
        if set(world.hosts) != set(self.hosts):
            raise ValueError(f"the hosts must be the same: {', '.join(sorted(self.hosts))}")
        if any(world.hosts[name].kind != running.kind for name, running in self.hosts.items()):
            raise ValueError("a host can't change its kind")
        sites = {name: SITES[host.kind](host) for name, host in world.hosts.items()}
        if any(sites[name].api_url("") != self._sites[name].api_url("") for name in self.hosts):
            raise ValueError("a host can't change where its API is")
        self.world, self._sites, self._original = world, sites, world.copy_of()

    def reset(self) -> None:
        """Back to the beginning: the world as it was, no faults, nothing logged or counted."""
        self.faults.clear()
        self.journal.clear()
        self.replace_world(self._original)

    def _handler(self, host: str) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(host, request)

        return handle

    async def _handle(self, host: str, request: web.BaseRequest) -> web.StreamResponse:
        call = Call(
            method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
            body=await request.read(),
            peer=request.remote or "127.0.0.1",
            raw_path=request.rel_url.raw_path,
        )
        site = self._sites[host]
        token = site.token_name(call)
        effects = self.faults.meet(host, call, token)
        record = RequestRecord(
            number=0,
            host=host,
            method=call.method,
            path=call.path,
            at=site.model.now(),
            token=token,
            fault="+".join(effect.kind for effect in effects) or None,
            user_agent=call.header("User-Agent"),
        )
        started = time.monotonic()
        status: int | None = None
        self.journal.begin(record)
        try:
            reply = answer_through(effects, call, site)
            response = await self._deliver(request, reply)
            status = None if reply.delivery.hang or reply.delivery.cut_before_headers else reply.status
            return response
        finally:
            self.journal.end(record, status, time.monotonic() - started)

    async def _deliver(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        delivery = reply.delivery
        if delivery.delay:
            await self._pause(delivery.delay)
        if delivery.hang:
            await self._closing.wait()
        if delivery.hang or delivery.cut_before_headers:
            _cut(request)
            return web.Response()
        if delivery.cut_after is None:
            return web.Response(status=reply.status, headers=CIMultiDict(reply.headers), body=reply.body)
        response = web.StreamResponse(status=reply.status, headers=CIMultiDict(reply.headers))
        # Announced as longer than it is, so that the end is a fault whatever the body's size.
        response.content_length = max(len(reply.body), delivery.cut_after) + 1
        await response.prepare(request)
        await response.write(reply.body[: delivery.cut_after])
        await asyncio.sleep(0)
        _close(request)
        return response

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not past the end of the simulator."""
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return


def _cut(request: web.BaseRequest) -> None:
    """Reset the connection without a word."""
    if request.transport is not None:
        request.transport.abort()


def _close(request: web.BaseRequest) -> None:
    """End the connection after what was written."""
    if request.transport is not None:
        request.transport.close()
