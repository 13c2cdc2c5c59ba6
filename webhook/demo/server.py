"""The real server as a process of its own, and what an API server would send it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import ssl
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from webhook.demo.scenes import Scene
from webhook.files import write_file

_READY_WITHIN = 30.0
_LOOK_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        url: of the port that the API server calls.
        started_in: seconds.
        log: the file that it writes one JSON line a decision into.
    """

    url: str
    started_in: float
    log: Path
    _config: Path
    _process: asyncio.subprocess.Process
    _client: httpx.AsyncClient = field(repr=False)

    async def review(self, stage: str, scene: Scene) -> dict[str, Any]:
        """The answer to one call of the API server."""
        response = await self._client.post(f"{self.url}/{stage}?timeout=10s", json=review_of(scene))
        response.raise_for_status()
        answer: dict[str, Any] = response.json()["response"]
        return answer

    async def configure(self, settings: Mapping[str, Any]) -> None:
        """Write another configuration, and wait until the server goes by it."""
        before = _events(self.log, "reloaded")
        _write(self._config, settings)
        await _until(lambda: len(_events(self.log, "reloaded")) > len(before), self._process, self.log)


@contextlib.asynccontextmanager
async def running(place: Path, settings: Mapping[str, Any]) -> AsyncIterator[Server]:
    """The server, until the end of the demonstration; its CA and certificate are in `place`."""
    config, log = place / "config.yaml", place / "server.log"
    _write(config, settings)
    arguments = [
        *("serve", "--config", str(config)),
        *("--tls-cert", str(place / "tls.crt"), "--tls-key", str(place / "tls.key")),
        *("--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0", "--shutdown-delay", "0s"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")}
    trusted = ssl.create_default_context(cafile=place / "ca.crt")
    began = time.perf_counter()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "webhook", *arguments, stdout=output, stderr=output, env=environment
        )
        try:
            listen, _ = await until_serving(process, log)
            async with httpx.AsyncClient(verify=trusted, timeout=15, trust_env=False) as client:
                yield Server(f"https://{listen}", time.perf_counter() - began, log, config, process, client)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


def _write(config: Path, settings: Mapping[str, Any]) -> None:
    """Replace the configuration, so that the server never reads half of it."""
    write_file(config, json.dumps(settings).encode(), mode=0o644)


async def until_serving(process: asyncio.subprocess.Process, log: Path) -> tuple[str, str]:
    """Wait until a server answers, and return the addresses of its two ports, which its `log` tells.

    Raises:
        RuntimeError: it came to nothing; with the end of the log.
    """
    await _until(lambda: bool(_events(log, "serving")), process, log)
    (serving,) = _events(log, "serving")
    return serving["listen"], serving["health"]


async def _until(happened: Callable[[], bool], process: asyncio.subprocess.Process, log: Path) -> None:
    end = time.monotonic() + _READY_WITHIN
    while not happened():
        if time.monotonic() > end or process.returncode is not None:
            raise RuntimeError(f"the server did not become ready:\n{_text(log)[-2000:]}")
        await asyncio.sleep(_LOOK_EVERY)


def _events(log: Path, name: str) -> list[dict[str, Any]]:
    lines = _text(log).split("\n")[:-1]  # the last one may be half there
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    return [entry for entry in entries if entry.get("event") == name]


def _text(log: Path) -> str:
    return log.read_text(errors="replace")


def review_of(scene: Scene) -> dict[str, Any]:
    """The AdmissionReview that an API server would send."""

    def secret(data: Mapping[str, str]) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": {"name": scene.name, "namespace": "argocd", "labels": dict(scene.labels)},
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        }

    request = {
        "uid": str(uuid.uuid4()),
        "kind": {"group": "", "version": "v1", "kind": "Secret"},
        "resource": {"group": "", "version": "v1", "resource": "secrets"},
        "name": scene.name,
        "namespace": "argocd",
        "operation": "CREATE",
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        "object": secret(scene.data),
        "oldObject": None,
        "dryRun": False,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
