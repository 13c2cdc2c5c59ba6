"""The real server as a process of its own, for tests that look at everything that leaves it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trustme
import yaml

from webhook.demo.server import until_serving


@dataclass
class ServerProcess:
    """A running server.

    Attributes:
        url: of the admission port.
        health: of the plain port.
        output: all that it wrote to stdout and stderr.
    """

    url: str
    health: str
    output: Path
    process: asyncio.subprocess.Process
    client: httpx.AsyncClient = field(repr=False)

    def written(self) -> str:
        """All that it has written so far."""
        return self.output.read_text(errors="replace")

    async def review(self, stage: str, review: Mapping[str, Any] | bytes, **headers: str) -> httpx.Response:
        """Send one review, as the API server would."""
        headers = {"content-type": "application/json", **headers}
        if isinstance(review, bytes):
            return await self.client.post(f"{self.url}/{stage}?timeout=10s", content=review, headers=headers)
        return await self.client.post(f"{self.url}/{stage}?timeout=10s", json=review, headers=headers)

    async def metrics(self) -> str:
        """What Prometheus would read."""
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{self.health}/metrics")).text


@contextlib.asynccontextmanager
async def running_server(
    folder: Path, ca: trustme.CA, settings: Mapping[str, Any], *arguments: str
) -> AsyncIterator[ServerProcess]:
    """Start the server with `settings`, wait until it is ready, and stop it afterwards."""
    leaf = ca.issue_cert("localhost", "127.0.0.1")
    certificate, key, config = folder / "tls.crt", folder / "tls.key", folder / "config.yaml"
    leaf.cert_chain_pems[0].write_to_path(certificate)
    leaf.private_key_pem.write_to_path(key)
    config.write_text(yaml.safe_dump(dict(settings)))
    command = [
        *(sys.executable, "-m", "webhook", "serve", "--config", str(config)),
        *("--tls-cert", str(certificate), "--tls-key", str(key), "--shutdown-delay", "0s"),
        *("--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0", *arguments),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")}
    output = folder / "server.log"
    context = ssl.create_default_context()
    ca.configure_trust(context)
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(*command, stdout=file, stderr=file, env=environment)
        async with httpx.AsyncClient(verify=context, timeout=30, trust_env=False) as client:
            try:
                listen, health = await until_serving(process, output)
                yield ServerProcess(f"https://{listen}", f"http://{health}", output, process, client)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                await asyncio.wait_for(process.wait(), 30)
