"""The console over real HTTP: on an API server in memory, with the webhook's reviewer and simulated providers."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.api_server.webhook_process import Simulation
from webhook.audit.questions import asking
from webhook.cluster.secrets import StoredSecrets
from webhook.console.server import Console, Options, serving
from webhook.demo.admission import WebhookAdmission
from webhook.keyring.ring import ephemeral_keyring
from webhook.review.reviewer import Reviewer
from webhook.settings.model import Settings
from webhook.settings.source import parse_settings
from webhook.simulator.cluster import ADMIN, ApiServer, Document, Grant, User
from webhook.simulator.cluster.store import Collection

READER = User("reader", (Grant(("get", "list", "watch"), ("secrets",)),))
TEAM = User("team-lead", (Grant(("*",), ("secrets",), "team"), Grant(("list",), ("namespaces",))))
RUNTIME = {"argocd.argoproj.io/secret-type": "repo-creds"}


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """The simulated providers."""
    with Simulation(tmp_path_factory.mktemp("providers")) as simulation:
        yield simulation


def secret(name: str, data: Mapping[str, str], namespace: str = "team", **metadata: Any) -> Document:
    """A Secret as an API object."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"labels": {}, "annotations": {}, **metadata, "name": name, "namespace": namespace},
        "data": encoded,
    }


@dataclass
class Page:
    """A response of the console."""

    status: int
    text: str
    headers: Mapping[str, str]
    url: str

    @property
    def words(self) -> str:
        """The text without elements, and with single spaces."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.text)).split())

    @property
    def csrf(self) -> str:
        """The CSRF token of the first form."""
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.text)
        assert found is not None, self.text
        return found[1]


@dataclass
class Visitor:
    """A browser without JavaScript, which keeps cookies by path and follows redirects."""

    console: Console
    seen: list[Page] = field(default_factory=list)

    async def __aenter__(self) -> Visitor:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    @property
    def base(self) -> str:
        """The address of the start page."""
        return f"{self.console.origin}/{self.console.guard.prefix}"

    async def enter(self) -> Page:
        """Open the console by a new link."""
        return await self.get(self.console.link())

    async def get(self, url: str, **options: Any) -> Page:
        """Load a page; a path is below the start page."""
        return await self._request("GET", url, **options)

    async def post(self, url: str, data: Mapping[str, Any], *, csrf: str | None = None, **options: Any) -> Page:
        """Send a form, by default with the session's CSRF token."""
        if csrf is None:
            csrf = (await self.get("/add")).csrf
        headers = {"Origin": self.console.origin, **options.pop("headers", {})}
        fields = {"csrf": csrf, **data}
        return await self._request("POST", url, data=fields, headers=headers, **options)

    async def _request(self, method: str, url: str, **options: Any) -> Page:
        address = url if url.startswith("http") else f"{self.base}{url}"
        async with self._session.request(method, address, **options) as response:
            headers = {f"{number}:{name}": value for number, (name, value) in enumerate(response.headers.items())}
            page = Page(response.status, await response.text(), {**response.headers, **headers}, str(response.url))
        self.seen.append(page)
        return page


@dataclass
class World:
    """A cluster with a console."""

    github: Simulation
    folder: Path
    settings: Settings
    server: ApiServer
    stack: AsyncExitStack
    lenient: WebhookAdmission

    async def console(self, user: str = "admin", **options: Any) -> Console:
        """Start a console with the rights of a user."""
        file = self.folder / f"{user}.yaml"
        file.write_text(json.dumps(self.server.kubeconfig(user)))
        secrets = await self.stack.enter_async_context(await StoredSecrets.connect(file))
        running = serving(secrets, self.settings, None, Options(cluster="test", **options))
        return await self.stack.enter_async_context(running)

    async def visitor(self, user: str = "admin", **options: Any) -> Visitor:
        """Start a console and enter it."""
        visitor = await self.stack.enter_async_context(Visitor(await self.console(user, **options)))
        assert (await visitor.enter()).status == 200
        return visitor

    async def runtime(self, name: str, token: str, namespace: str = "team") -> None:
        """Write a runtime's Secret through the webhook, which allows everything with a warning."""
        data = {"type": "git", "url": "https://github.com/acme", "username": "git", "password": token}
        await self.write(secret(name, data, namespace, labels=dict(RUNTIME)))

    async def write(self, document: Document) -> None:
        """Write a Secret through the webhook in the mode `warn`."""
        admitted = await self.lenient("CREATE", document, None, ADMIN)
        await self.server.put("secrets", admitted or document)

    def stored(self, name: str, key: str, namespace: str = "team") -> str | None:
        """A value of a stored Secret; None if there is none."""
        found = self.server.store.find(Collection("api/v1", "secrets"), namespace, name)
        value = (found or {}).get("data", {}).get(key)
        return base64.b64decode(value).decode() if value is not None else None

    async def until(self, visitor: Visitor, path: str, words: str) -> Page:
        """Load a page again until it has these words."""
        async with asyncio.timeout(10):
            while words not in (page := await visitor.get(path)).words:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return page


@pytest.fixture
async def world(github: Simulation, tmp_path: Path) -> AsyncIterator[World]:
    """A cluster with the namespace `team`, an administrator, a reader, and a user with rights in `team` only."""
    origin = github._simulator.hosts["github.com"].origin
    oauth = [{"host": "github.com", "clientId": "app", "url": origin}]
    settings = parse_settings(json.dumps({"providers": github.settings(), "oauth": oauth}))
    ring = ephemeral_keyring()
    async with AsyncExitStack() as stack:
        questions = await stack.enter_async_context(asking(settings))
        enforcing = WebhookAdmission(Reviewer(settings, questions, ring=lambda: ring))
        server = await stack.enter_async_context(ApiServer(users=(ADMIN, READER, TEAM), admission=enforcing))
        await server.put("namespaces", {"metadata": {"name": "team"}})
        await server.put("namespaces", {"metadata": {"name": "other"}})
        warning = Reviewer(settings.model_copy(update={"mode": "warn"}), questions, ring=lambda: ring)
        yield World(github, tmp_path, settings, server, stack, WebhookAdmission(warning))
