"""Run the console: listen on the loopback addresses, open the browser, and end with Ctrl-C or when idle."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from aiohttp import web

from webhook.cluster.requests import ApiError
from webhook.cluster.secrets import StoredSecrets
from webhook.console.actions import Actions
from webhook.console.app import Parts, application
from webhook.console.authorizations import Authorizations
from webhook.console.changes import Changes
from webhook.console.checks import Checks
from webhook.console.overview import Overview
from webhook.console.pages import Pages
from webhook.console.permissions import Permissions
from webhook.console.rendering import Renderer
from webhook.console.security import Guard
from webhook.errors import ConfigurationError
from webhook.keyring.ring import KeyRing
from webhook.settings.model import Settings

_ADDRESSES = ("127.0.0.1", "::1")
_LOOK_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """How the console runs.

    Attributes:
        port: 0 for a free one.
        idle: seconds without use after which it ends.
        namespaces: those to show; empty for all that the user may list.
        cluster: the name of the cluster on the pages.
    """

    port: int = 0
    idle: float = 1800.0
    namespaces: tuple[str, ...] = ()
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Console:
    """A running console.

    Attributes:
        guard: issues links.
        origin: ``http://127.0.0.1:PORT``.
    """

    guard: Guard
    overview: Overview
    checks: Checks
    origin: str

    def link(self) -> str:
        """Return a new one-time link. Older ones open nothing any more."""
        return self.origin + self.guard.link()

    async def until_idle(self) -> None:
        """Wait until it was not used for the idle time."""
        while self.guard.idle_for < self.guard.idle:  # noqa: ASYNC110 - every request moves the end
            await asyncio.sleep(_LOOK_EVERY)


@contextlib.asynccontextmanager
async def serving(
    secrets: StoredSecrets, settings: Settings, ring: KeyRing | None, options: Options
) -> AsyncIterator[Console]:
    """Serve the console.

    Raises:
        ConfigurationError: the port is in use.
    """
    guard = Guard(options.idle)
    renderer = Renderer(guard.prefix)
    overview = Overview(secrets, settings, options.namespaces)
    checks = Checks(secrets, settings, overview, ring)
    pages = Pages(guard, renderer, overview, checks, user=await _user(secrets), cluster=options.cluster)
    changes, permissions = Changes(secrets, settings, ring), Permissions(secrets.client)
    authorizations = Authorizations(secrets, settings, ring, changes)
    actions = Actions(f"/{guard.prefix}", pages, overview, checks, changes, permissions, authorizations)
    runner = web.AppRunner(
        application(Parts(guard, renderer, pages, actions)), access_log=None, handle_signals=False, shutdown_timeout=1.0
    )
    await runner.setup()
    watching = asyncio.create_task(overview.run())
    try:
        port = await _listen(runner, options.port)
        guard.hosts = frozenset(f"{host}:{port}" for host in ("127.0.0.1", "[::1]", "localhost"))
        yield Console(guard, overview, checks, f"http://127.0.0.1:{port}")
    finally:
        pages.closing.set()
        watching.cancel()
        await asyncio.wait([watching])
        await checks.stop()
        await authorizations.stop()
        await runner.cleanup()


async def _user(secrets: StoredSecrets) -> str:
    try:
        return await secrets.username()
    except ApiError:
        return "unknown user"


async def _listen(runner: web.AppRunner, wanted: int) -> int:
    """Listen on both loopback addresses, on IPv4 alone where there is no IPv6, and return the port."""
    port = wanted
    for address in _ADDRESSES:
        try:
            await web.TCPSite(runner, address, port).start()
        except OSError as error:
            if address == _ADDRESSES[0]:
                raise ConfigurationError(f"--port: cannot listen on {address}: {error.strerror}") from None
            continue
        if not port:
            port = int(runner.addresses[0][1])
    return port


async def run(console: Console, say: Callable[[str], None], open_browser: Callable[[str], bool] | None) -> None:
    """Print or open the link, and wait for Ctrl-C or the idle timeout. Enter prints a new link."""
    link = console.link()
    if open_browser is None or not open_browser(link):
        say(f"Open this link. It works once, for ten minutes: {link}")
    else:
        say("The console opens in your browser. Press Enter for a new link, and Ctrl-C to end it.")
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)

    def entered() -> None:
        if not sys.stdin.readline():
            loop.remove_reader(sys.stdin)
            return
        say(f"Open this link. It works once, for ten minutes: {console.link()}")

    if sys.stdin.isatty():
        loop.add_reader(sys.stdin, entered)
    waiting = [asyncio.ensure_future(one) for one in (stopped.wait(), console.until_idle())]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.is_set():
            say("The console ends, because it was not used.")
    finally:
        for one in waiting:
            one.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        with contextlib.suppress(ValueError):
            if sys.stdin.isatty():
                loop.remove_reader(sys.stdin)
