"""The commands `console` and `demo --console` as processes: the printed link, Ctrl-C, the idle timeout."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from webhook.simulator.cluster import ApiServer

pytestmark = pytest.mark.slow

LINK = re.compile(r"http://127\.0\.0\.1:\d+/enter\?key=[\w-]+")


@asynccontextmanager
async def command(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running command, which is killed at the end if it has not ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-m", "webhook", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def link_of(process: asyncio.subprocess.Process) -> str:
    """The link that a command prints."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            if (found := LINK.search(line.decode())) is not None:
                return found[0]
    raise AssertionError("the command ended without a link")


async def opens(link: str) -> int:
    """The status that a link gets."""
    async with aiohttp.ClientSession() as session, session.get(link) as response:
        return response.status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_demo_prints_a_link_and_ends_with_ctrl_c(number: signal.Signals) -> None:
    """The demo's console opens with nothing installed, and a signal ends it without an error."""
    async with command("demo", "--console", "--no-browser") as process:
        link = await link_of(process)
        assert (await opens(link), await opens(link)) == (200, 403)
        process.send_signal(number)
        async with asyncio.timeout(15):
            assert await process.wait() == 0


async def test_the_console_uses_the_kubeconfig_and_ends_when_idle(tmp_path: Path) -> None:
    """The command connects with the kubeconfig, and ends after the idle timeout."""
    async with ApiServer() as server:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps(server.kubeconfig()))
        options = ["--kubeconfig", str(kubeconfig), "--no-browser", "--idle", "2s"]
        async with command("console", *options) as process:
            assert await opens(await link_of(process)) == 200
            assert process.stdout is not None
            async with asyncio.timeout(20):
                rest = (await process.stdout.read()).decode()
                assert await process.wait() == 0
    assert "The console ends, because it was not used." in rest
    assert ("GET", "/api/v1/secrets") in server.requests


async def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    """A port that another program uses is an error that names the option."""
    async with ApiServer() as server:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(json.dumps(server.kubeconfig()))
        port = server.url.rpartition(":")[2]
        options = ["--kubeconfig", str(kubeconfig), "--no-browser", "--port", port]
        async with command("console", *options) as process:
            assert process.stdout is not None
            output = (await process.stdout.read()).decode()
            assert await process.wait() == 2
    assert "--port: cannot listen on 127.0.0.1" in output
