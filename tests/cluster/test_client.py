"""The client of the API server renews its credentials and CA, waits out rate limits, and names the proxy."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import stat
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from aiohttp import web
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import incluster_config

from webhook.cluster.client import Loaded, RenewingClient
from webhook.cluster.connect import connect, connect_from_pod
from webhook.cluster.objects import SECRET, ApiObjects
from webhook.cluster.requests import ApiError
from webhook.errors import ConfigurationError

OBJECT = {"metadata": {"name": "a", "namespace": "n"}}


class Server:
    """An API server with TLS that accepts one token."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = "one"
        self.seen: list[tuple[str, str]] = []
        self.limits: list[dict[str, str]] = []
        """Headers of the 429s to come."""
        self.runner: web.ServerRunner | None = None
        self.port = 0

    async def start(self, authority: trustme.CA) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.runner = web.ServerRunner(web.Server(self.answer), shutdown_timeout=0)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port, ssl_context=context).start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()

    async def answer(self, request: web.BaseRequest) -> web.Response:
        token = request.headers.get("Authorization", "")
        self.seen.append((request.method, token))
        if token != f"Bearer {self.token}" and token != f"bearer {self.token}":
            return web.json_response({"message": "Unauthorized"}, status=401)
        if self.limits:
            return web.json_response({}, status=429, headers=self.limits.pop(0))
        return web.json_response(OBJECT)

    def write(self, authority: trustme.CA, **user: Any) -> Path:
        """Write a kubeconfig."""
        ca = self.folder / "ca.crt"
        authority.cert_pem.write_to_path(ca)
        file = self.folder / "kubeconfig"
        document = {
            "clusters": [
                {"name": "c", "cluster": {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": str(ca)}}
            ],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        file.write_text(yaml.safe_dump(document))
        return file


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def server(tmp_path: Path, authority: trustme.CA) -> AsyncIterator[Server]:
    made = Server(tmp_path)
    await made.start(authority)
    yield made
    await made.stop()


async def read(client: RenewingClient) -> object:
    return await ApiObjects(client, timeout=5).read(SECRET, "n", "a")


def passes(client: RenewingClient, seconds: float) -> None:
    """Let time pass for a client."""
    client._not_before -= seconds
    client._due -= seconds


# --- credentials ----------------------------------------------------------------------------------------------------


async def test_a_renewed_token_file_is_read_after_a_401(server: Server, authority: trustme.CA, tmp_path: Path) -> None:
    """The request is sent again with the new token."""
    token = tmp_path / "token"
    token.write_text("one")
    async with await connect(server.write(authority, tokenFile=str(token))) as client:
        assert await read(client) == OBJECT
        server.token = "two"
        token.write_text("two")
        passes(client, 10)
        assert await read(client) == OBJECT
        assert [sent for _, sent in server.seen] == ["Bearer one", "Bearer one", "Bearer two"]
        assert client.access.problem is None


async def test_a_renewed_token_file_is_read_every_minute(server: Server, authority: trustme.CA, tmp_path: Path) -> None:
    """Before the API server rejects the old one."""
    token = tmp_path / "token"
    token.write_text("one")
    async with await connect(server.write(authority, tokenFile=str(token))) as client:
        await read(client)
        server.token = "two"
        token.write_text("two")
        passes(client, 61)
        await read(client)
        assert [sent for _, sent in server.seen] == ["Bearer one", "Bearer two"]


async def test_an_inline_token_is_replaced_in_the_kubeconfig(server: Server, authority: trustme.CA) -> None:
    """Another process wrote the file."""
    file = server.write(authority, token="one")
    async with await connect(file) as client:
        await read(client)
        server.token = "two"
        server.write(authority, token="two")
        passes(client, 10)
        assert await read(client) == OBJECT


async def test_a_rejected_token_is_a_problem_until_it_works(server: Server, authority: trustme.CA) -> None:
    """And costs two requests at most, not an endless loop."""
    file = server.write(authority, token="old")
    async with await connect(file) as client:
        passes(client, 10)
        with pytest.raises(ApiError, match="answers 401"):
            await read(client)
        assert client.access.problem == "the API server rejects the credentials (401)"
        assert len(server.seen) == 2
        with pytest.raises(ApiError, match="answers 401"):
            await read(client)
        assert len(server.seen) == 3
        server.write(authority, token="one")
        passes(client, 10)
        assert await read(client) == OBJECT
        assert client.access.problem is None


async def test_many_requests_renew_once(server: Server, authority: trustme.CA) -> None:
    """Each of them is sent again."""
    file = server.write(authority, token="one")
    async with await connect(file) as client:
        await read(client)
        server.token = "two"
        server.write(authority, token="two")
        passes(client, 10)
        assert await asyncio.gather(*(read(client) for _ in range(10))) == [OBJECT] * 10


async def test_an_unreadable_kubeconfig_is_a_problem_and_no_end(server: Server, authority: trustme.CA) -> None:
    """The credentials in use stay in use."""
    file = server.write(authority, token="one")
    async with await connect(file) as client:
        file.write_text("{")
        passes(client, 61)
        assert await read(client) == OBJECT


def plugin(folder: Path, *, expires_in: float | None) -> dict[str, Any]:
    """An exec plugin that returns the token in a file, and counts its runs."""
    script = folder / "plugin"
    status = "{'token': open(here / 'current').read()"
    if expires_in is not None:
        until = datetime.now(UTC) + timedelta(seconds=expires_in)
        status += f", 'expirationTimestamp': '{until:%Y-%m-%dT%H:%M:%SZ}'"
    script.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib\n"
        "here = pathlib.Path(__file__).parent\n"
        "(here / 'runs').open('a').write('x')\n"
        f"status = {status}}}\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential', "
        "'status': status}))\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (folder / "current").write_text("one")
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}}


async def test_an_exec_plugin_runs_again_before_its_token_expires(
    server: Server, authority: trustme.CA, tmp_path: Path
) -> None:
    """Five minutes before; until then it runs once."""
    file = server.write(authority, **plugin(tmp_path, expires_in=900))
    async with await connect(file) as client:
        await read(client)
        passes(client, 500)
        await read(client)
        assert (tmp_path / "runs").read_text() == "x"
        passes(client, 101)
        await read(client)
        assert (tmp_path / "runs").read_text() == "xx"


async def test_an_exec_plugin_runs_again_after_a_401(server: Server, authority: trustme.CA, tmp_path: Path) -> None:
    """Also if it does not say when its token expires."""
    file = server.write(authority, **plugin(tmp_path, expires_in=None))
    async with await connect(file) as client:
        await read(client)
        (tmp_path / "current").write_text("two")
        server.token = "two"
        passes(client, 3600)
        assert await read(client) == OBJECT
        assert (tmp_path / "runs").read_text() == "xx"


async def test_a_plugin_that_hangs_is_started_once_and_reported(
    server: Server, authority: trustme.CA, tmp_path: Path
) -> None:
    """However many requests give up meanwhile; those with accepted credentials go on."""
    user = plugin(tmp_path, expires_in=900)
    async with await connect(server.write(authority, **user)) as client:
        client._patience = 0.5
        script = tmp_path / "plugin"
        script.write_text(script.read_text() + "import time; time.sleep(3)\n")
        for _ in range(10):
            passes(client, 601)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(read(client), 0.05)
        await asyncio.sleep(0.6)
        assert (tmp_path / "runs").read_text() == "xx"
        assert client.access.problem == "the credentials are still being read; an exec plugin may hang"
        assert await read(client) == OBJECT
        assert client.access.problem is not None
        assert client._reading is not None
        await client._reading
        assert client.access.problem is None


async def test_credentials_that_cannot_be_read_again_stay_reported(server: Server, authority: trustme.CA) -> None:
    """Requests that still work do not hide it, and it is not reported again for each of them."""
    file = server.write(authority, token="one")
    reported: list[str | None] = []
    async with await connect(file) as client:
        client.access.on_change = reported.append
        file.write_text("{")
        for _ in range(3):
            passes(client, 61)
            assert await read(client) == OBJECT
        file = server.write(authority, token="one")
        passes(client, 61)
        await read(client)
    assert len(reported) == 2
    assert (
        reported[0] is not None
        and reported[0].startswith("the credentials cannot be read again")
        and reported[1] is None
    )


async def test_an_unchanged_configuration_keeps_its_connections(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if requests go through the proxy of the environment."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    file = Server(tmp_path).write(authority, token="one")
    file.write_text(file.read_text().replace("127.0.0.1:0", "10.255.255.1:6443"))
    async with await connect(file) as client:
        pool = client.rest_client
        passes(client, 61)
        with pytest.raises(ApiError):
            await read(client)
        assert client._version == 1 and client.rest_client is pool


async def test_a_pod_reads_its_token_and_ca_again(
    server: Server, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kubelet renews both."""
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("one")
    authority.cert_pem.write_to_path(ca)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(ca))
    async with await connect_from_pod() as client:
        assert await read(client) == OBJECT
        await server.stop()
        other = trustme.CA()
        await server.start(other)
        other.cert_pem.write_to_path(ca)
        server.token = "two"
        token.write_text("two")
        passes(client, 10)
        assert await read(client) == OBJECT


# --- the CA ---------------------------------------------------------------------------------------------------------


async def test_a_rotated_ca_is_read_again(server: Server, authority: trustme.CA) -> None:
    """The first handshake that fails makes the client read it."""
    file = server.write(authority, token="one")
    async with await connect(file) as client:
        await read(client)
        await server.stop()
        other = trustme.CA()
        await server.start(other)
        passes(client, 10)
        with pytest.raises(ApiError, match="certificate cannot be verified"):
            await read(client)
        assert client.access.problem == "the certificate of the API server cannot be verified"
        server.write(other, token="one")
        passes(client, 10)
        assert await read(client) == OBJECT
        assert client.access.problem is None


# --- rate limits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["read", "create"])
async def test_a_rate_limit_is_waited_out(server: Server, authority: trustme.CA, method: str) -> None:
    """The API server has not processed the request, so a write is repeated as well."""
    server.limits = [{"Retry-After": "0"}] * 3
    async with await connect(server.write(authority, token="one")) as client:
        objects = ApiObjects(client, timeout=5)
        found = await (objects.read(SECRET, "n", "a") if method == "read" else objects.create(SECRET, "n", OBJECT))
        assert found == OBJECT
        assert len(server.seen) == 4


async def test_a_rate_limit_without_a_time_is_an_error(server: Server, authority: trustme.CA) -> None:
    """As client-go treats it."""
    server.limits = [{}]
    async with await connect(server.write(authority, token="one")) as client:
        with pytest.raises(ApiError, match="answers 429"):
            await read(client)


async def test_rate_limits_without_end_are_an_error(server: Server, authority: trustme.CA) -> None:
    """After ten repetitions."""
    server.limits = [{"Retry-After": "0"}] * 100
    async with await connect(server.write(authority, token="one")) as client:
        with pytest.raises(ApiError, match="answers 429"):
            await read(client)
        assert len(server.seen) == 11


# --- proxies --------------------------------------------------------------------------------------------------------


def configured(host: str, environment: dict[str, str], proxy: str | None = None) -> Any:
    """Return the configuration of a client for a server."""
    configuration: Any = Configuration(host=host)
    configuration.proxy = proxy

    async def load() -> Loaded:
        raise NotImplementedError

    return RenewingClient(Loaded(configuration), load, environment=environment).configuration


@pytest.mark.parametrize(
    ("host", "exceptions", "proxied"),
    [
        ("https://10.1.2.3:6443", "10.0.0.0/8", False),
        ("https://10.1.2.3:6443", "192.168.0.0/16", True),
        ("https://[fd00::1]:6443", "fd00::/8", False),
        ("https://api.acme.example:6443", ".acme.example", False),
        ("https://api.acme.example", "api.acme.example:8443", True),
        ("https://127.0.0.1:6443", "", False),
    ],
)
async def test_no_proxy_is_read_as_go_reads_it(host: str, exceptions: str, proxied: bool) -> None:
    """Networks, IPv6, domains and ports count, as for the providers."""
    found = configured(host, {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": exceptions})
    assert found.proxy == ("http://proxy.example:3128" if proxied else None)


async def test_credentials_of_the_proxy_are_sent_to_the_proxy_alone() -> None:
    """Its URL, which errors may show, has none."""
    found = configured("https://api.example", {"HTTPS_PROXY": "http://user:pass@proxy.example"})
    assert found.proxy == "http://proxy.example:80"
    assert list(found.proxy_headers) == ["Proxy-Authorization"]


async def test_the_proxy_of_the_kubeconfig_comes_first() -> None:
    """As for kubectl."""
    found = configured("https://api.example", {"HTTPS_PROXY": "http://a.example"}, proxy="http://b.example:8080")
    assert found.proxy == "http://b.example:8080"


async def test_a_proxy_that_is_not_there_is_named(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    """The API server is not what is wrong."""
    server = Server(tmp_path)
    file = server.write(authority, token="one")
    file.write_text(file.read_text().replace("127.0.0.1:0", "10.255.255.1:6443"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{unused_tcp_port}")
    monkeypatch.setenv("NO_PROXY", "192.168.0.0/16")
    async with await connect(file) as client:
        with pytest.raises(ApiError, match=rf"cannot connect to the proxy 127.0.0.1:{unused_tcp_port}$"):
            await read(client)


async def test_an_unusable_proxy_is_a_configuration_error(
    tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named by its variable and not quoted: it may hold a password."""
    file = Server(tmp_path).write(authority, token="one")
    file.write_text(file.read_text().replace("127.0.0.1:0", "10.255.255.1:6443"))
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:secret@proxy.example")
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY must be a URL that begins with http") as caught:
        await connect(file)
    assert "secret" not in str(caught.value)


async def test_a_change_of_the_access_is_reported_once(server: Server, authority: trustme.CA) -> None:
    """When it fails and when it works again, and not for each request."""
    file = server.write(authority, token="old")
    reported: list[str | None] = []
    async with await connect(file) as client:
        client.access.on_change = reported.append
        for _ in range(3):
            with pytest.raises(ApiError):
                await read(client)
        server.write(authority, token="one")
        passes(client, 10)
        await read(client)
        await read(client)
    assert reported == ["the API server rejects the credentials (401)", None]
