"""A fresh example world for each test, served over real HTTPS by a certificate authority of this run."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest

from tests.support.real_tls import authority as authority  # fixtures, which pytest finds here
from tests.support.real_tls import client_context as client_context
from tests.support.real_tls import server_context as server_context
from webhook.simulator import Simulator, World, example_world
from webhook.simulator.bitbucket import Token, TokenKind

Ask = Callable[..., Awaitable[httpx.Response]]
AskBitbucket = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def world() -> World:
    """The example world, now."""
    return example_world(datetime.now(UTC))


@pytest.fixture
async def simulator(world: World, server_context: ssl.SSLContext) -> AsyncIterator[Simulator]:
    """The world, served."""
    async with Simulator(world, ssl_context=server_context) as running:
        yield running


@pytest.fixture
async def client(client_context: ssl.SSLContext) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTPS client."""
    async with httpx.AsyncClient(verify=client_context, timeout=10) as running:
        yield running


@pytest.fixture
def ask(simulator: Simulator, client: httpx.AsyncClient) -> Ask:
    """``await ask("good-classic", "/user")``: a request to an API with a token by name, or with none."""

    async def send(
        token: str | None, path: str, method: str = "GET", host: str = "github.com", **options: Any
    ) -> httpx.Response:
        headers = options.pop("headers", {})
        if token is not None:
            headers = {"Authorization": f"Bearer {simulator.world.token(token).value}", **headers}
        url = simulator.hosts[host].api_url + path
        return await client.request(method, url, headers=headers, **options)

    return send


@pytest.fixture
def ask_gitlab(ask: Ask) -> Ask:
    """The same of gitlab.com, unless another host is named."""
    return partial(ask, host="gitlab.com")


@pytest.fixture
def ask_bitbucket(simulator: Simulator, client: httpx.AsyncClient) -> AskBitbucket:
    """``await ask_bitbucket("bitbucket-oauth", "/user")``: a token by name, shown as its kind asks for.

    With ``user``, it is shown as the password of that user name, and with ``user=None`` as ``Bearer``.
    """

    async def send(
        token: str | None, path: str, method: str = "GET", user: str | None = "(usual)", **options: Any
    ) -> httpx.Response:
        if token is not None:
            shown = simulator.world.bitbucket().tokens[token]
            name = _usual_name(simulator.world, shown) if user == "(usual)" else user
            if name is None:
                options["headers"] = {"Authorization": f"Bearer {shown.value}", **options.get("headers", {})}
            else:
                options["auth"] = httpx.BasicAuth(name, shown.value)
        return await client.request(method, simulator.hosts["bitbucket.org"].api_url + path, **options)

    return send


def _usual_name(world: World, token: Token) -> str | None:
    """The user name that Bitbucket's API wants beside a token, ``None`` where it wants a bearer."""
    if token.kind is TokenKind.API_TOKEN:
        return world.bitbucket().accounts[token.owner or ""].email
    return token.owner if token.kind is TokenKind.APP_PASSWORD else None
