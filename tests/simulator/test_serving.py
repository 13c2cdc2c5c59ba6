"""The simulator as a server: its ports, its log, and how it looks from another process."""

import asyncio
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.simulator.conftest import Ask
from webhook.simulator import AsyncControl, Control, Simulator, World, example_world
from webhook.simulator.__main__ import main
from webhook.simulator.console import Console
from webhook.simulator.control import ControlError
from webhook.simulator.faults import Latency, Outage


async def test_each_host_has_a_port_of_its_own(simulator: Simulator) -> None:
    """On loopback."""
    assert set(simulator.hosts) == set(simulator.world.hosts) > {"github.com", "git.acme.dev", "acme.ghe.com"}
    assert len({host.port for host in simulator.hosts.values()}) == len(simulator.hosts)
    host = simulator.hosts["github.com"]
    assert host.api_url == host.origin == f"https://localhost:{host.port}"
    assert host.repository_url("acme/apps") == f"{host.origin}/acme/apps.git"


async def test_a_request_is_logged_without_its_token(world: World, simulator: Simulator, ask: Ask) -> None:
    """By the token's name; what nobody knows is unknown."""
    await ask("weak-classic", "/user?page=1")
    await ask(None, "/meta")
    await ask(None, "/user", headers={"Authorization": "token nonsense-nonsense"})
    records = simulator.journal.records
    assert [(one.token, one.path, one.status) for one in records] == [
        ("weak-classic", "/user", 200),
        (None, "/meta", 200),
        ("(unknown)", "/user", 401),
    ]
    assert "nonsense-nonsense" not in repr(records)
    assert world.token("weak-classic").value not in repr(records)
    assert records[0].user_agent.startswith("python-httpx")


async def test_requests_are_counted(simulator: Simulator, ask: Ask) -> None:
    """In all, by host, token and status, and how many at once."""
    simulator.faults.add(Latency(seconds=0.2))
    await asyncio.gather(*(ask("good-classic", "/user") for _ in range(5)))
    counts = simulator.journal.counts()
    assert (counts.requests, counts.in_flight, counts.max_in_flight) == (5, 0, 5)
    assert (counts.by_host, counts.by_token, counts.by_status) == (
        {"github.com": 5},
        {"good-classic": 5},
        {"200": 5},
    )
    assert len(simulator.journal.matching(token="good-classic", method="GET", path="/user")) == 5
    assert simulator.journal.matching(token="weak-classic") == []


async def test_reset_brings_everything_back(simulator: Simulator, ask: Ask) -> None:
    """The world as it was, no faults, nothing logged."""
    simulator.world.token("good-classic").revoked = True
    body = {"config": {"url": "https://hooks.example.com"}}
    await ask("wide-classic", "/repos/acme/apps/hooks", "POST", json=body)
    simulator.faults.add(Outage())
    simulator.reset()
    assert (simulator.journal.total, simulator.world.mutations) == (0, [])
    assert (await ask("good-classic", "/user")).status_code == 200
    assert len((await ask("good-classic", "/repos/acme/apps/hooks")).json()) == 1


async def test_ports_can_be_chosen(world: World, server_context: ssl.SSLContext) -> None:
    """And can't be chosen for hosts that aren't there."""
    with pytest.raises(ValueError, match=r"nowhere\.dev"):
        Simulator(world, ssl_context=server_context, ports={"nowhere.dev": 1})
    async with Simulator(world, ssl_context=server_context) as first:
        taken = first.hosts["github.com"].port
        with pytest.raises(OSError):
            async with Simulator(world, ssl_context=server_context, ports={"git.acme.dev": taken}):
                pass
    async with Simulator(world, ssl_context=server_context, ports={"github.com": taken}) as second:
        assert second.hosts["github.com"].port == taken


@pytest.fixture
async def control(simulator: Simulator) -> AsyncIterator[AsyncControl]:
    """A client of the control API."""
    async with Console(simulator) as console:
        yield AsyncControl(console.url)


async def test_control_looks_into_a_simulator(simulator: Simulator, control: AsyncControl, ask: Ask) -> None:
    """Hosts, requests, counters and mutations."""
    body = {"config": {"url": "https://hooks.example.com"}}
    await ask("good-classic", "/repos/acme/apps/hooks", "POST", json=body)
    await ask("weak-classic", "/user")
    assert await control.hosts() == simulator.hosts
    assert [one.path for one in await control.requests(token="weak-classic")] == ["/user"]
    assert (await control.counters()).requests == 2
    assert [one.target for one in await control.mutations()] == ["acme/apps"]
    await control.reset()
    assert (await control.counters()).requests == 0


async def test_control_sets_faults(control: AsyncControl, ask: Ask) -> None:
    """And takes them away."""
    await control.add_fault(Outage(), host="github.com")
    assert (await ask("good-classic", "/user")).status_code == 503
    await control.clear_faults()
    assert (await ask("good-classic", "/user")).status_code == 200


async def test_control_gives_tokens_and_changes_them(world: World, control: AsyncControl, ask: Ask) -> None:
    """Revoking one, for example."""
    assert await control.token_value("good-classic") == world.token("good-classic").value
    await control.change_token("good-classic", revoked=True, expires_at=datetime(2030, 1, 1, tzinfo=UTC))
    assert (await ask("good-classic", "/user")).status_code == 401
    for changes in ({"name": "other"}, {"unheard_of": 1}, {"scopes": 1}):
        with pytest.raises(ControlError, match="400"):
            await control.change_token("good-classic", **changes)
    with pytest.raises(ControlError, match=r"404 no token is named 'nobody'"):
        await control.token_value("nobody")


async def test_control_gives_an_app_and_its_installations(world: World, control: AsyncControl) -> None:
    """With the private key, for a Secret."""
    app = await control.app("good-app")
    assert app["private_key"] == world.app("good-app").private_key_pem
    assert [one["id"] for one in app["installations"]] == [3001]


async def test_control_replaces_the_world(control: AsyncControl, ask: Ask) -> None:
    """By one with the same hosts."""
    world = await control.world()
    world.github().tokens["no-scope-classic"].scopes = ["gist"]
    await control.replace_world(world)
    assert (await ask("no-scope-classic", "/user")).headers["X-OAuth-Scopes"] == "gist"
    with pytest.raises(ControlError, match="the hosts must be the same"):
        await control.replace_world(World())


async def test_control_answers_nonsense_politely(simulator: Simulator) -> None:
    """400, without repeating it."""
    async with Console(simulator) as console, httpx.AsyncClient() as client:
        for method, path, content in (
            ("PUT", "/world", "hosts: [unclosed"),
            ("PUT", "/world", "hosts: {github.com: {tokens: hush-hush}}"),
            ("POST", "/faults", '{"effect": {"kind": "hush-hush"}}'),
            ("PATCH", "/tokens/good-classic", "{hush-hush"),
        ):
            reply = await client.request(method, console.url + path, content=content)
            assert reply.status_code == 400
            assert "error" in reply.json()
        assert (await client.get(console.url + "/nothing")).status_code == 404
    with pytest.raises(ValueError, match="http://"):
        Control("https://localhost:1")


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key as files."""
    issued = authority.issue_cert("localhost")
    chain, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return chain, key


@pytest.fixture
def process(certificate: tuple[Path, Path], tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """``python -m webhook.simulator`` and the line it printed when ready."""
    world = tmp_path / "world.yaml"
    example_world(datetime.now(UTC)).save(world)
    chain, key = certificate
    command = [sys.executable, "-m", "webhook.simulator", "--world", str(world), "--tls-cert", str(chain)]
    with subprocess.Popen([*command, "--tls-key", str(key)], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield running, json.loads(running.stdout.readline())
        finally:
            running.kill()


def test_a_process_serves_a_world_file(
    process: tuple[subprocess.Popen[str], dict[str, Any]], client_context: ssl.SSLContext
) -> None:
    """Until it is terminated."""
    running, ready = process
    control = Control(ready["control"])
    token = control.token_value("weak-classic")
    url = ready["hosts"]["github.com"]["api_url"]
    with httpx.Client(verify=client_context) as client:
        reply = client.get(f"{url}/user", headers={"Authorization": f"token {token}"})
    assert reply.headers["X-OAuth-Scopes"] == "read:org, repo"
    assert [one.token for one in control.requests()] == ["weak-classic"]
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=10) == 0


def test_a_wrong_command_line_is_said_to_be(
    certificate: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line; a broken file isn't repeated."""
    chain, key = certificate
    files = ["--tls-cert", str(chain), "--tls-key", str(key)]
    broken = tmp_path / "broken.yaml"
    broken.write_text("hosts: [hush-hush")
    assert main([*files, "--world", str(broken)]) == 2
    assert main([*files, "--world", str(tmp_path / "missing.yaml")]) == 2
    assert main([*files, "--port", "nowhere.dev=1"]) == 2
    output = capsys.readouterr().err
    assert "hush-hush" not in output
    assert "nowhere.dev" in output
    with pytest.raises(SystemExit) as caught:
        main([*files, "--port", "github.com"])
    assert caught.value.code == 2
