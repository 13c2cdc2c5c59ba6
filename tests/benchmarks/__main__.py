"""``./dev bench [--quick]``: requests per second, latencies, provider calls and memory, in one table."""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import trustme
import uvloop
from rich.console import Console
from rich.table import Table

from tests.ports import free_port
from tests.server_process import ServerProcess, running_server
from webhook.simulator import Simulator, example_world

CONNECTIONS = 16
ARGOCD = {"argocd.argoproj.io/secret-type": "repo-creds"}
USER = {"io.codefresh.integration-type": "git"}

ASKED = (
    ("GitHub, classic", "https://github.com", "git", "wide-classic"),
    ("GitHub, classic", "https://github.com/acme/apps", "git", "wide-classic"),
    ("GitHub, fine-grained", "https://github.com/acme/apps", "git", "good-fine-grained"),
    ("GitLab", "https://gitlab.com", "git", "gitlab-wide"),
    ("GitLab", "https://gitlab.com/acme", "git", "gitlab-wide"),
    ("GitLab", "https://gitlab.com/acme/apps", "git", "gitlab-wide"),
    ("Bitbucket Cloud, API token", "https://bitbucket.org", "ada@acme.example", "bitbucket-good-runtime"),
    ("Bitbucket Cloud, API token", "https://bitbucket.org/acme/apps", "ada@acme.example", "bitbucket-good-runtime"),
    ("Bitbucket Cloud, access token", "https://bitbucket.org/acme/apps", "x-token-auth", "bitbucket-workspace-token"),
    ("Bitbucket Server", "https://bitbucket.acme.dev/bitbucket/scm/acme/apps.git", "git", "server-good-runtime"),
    ("Gitea", "https://gitea.acme.dev/acme/apps", "git", "gitea-good-runtime"),
)
"""Whose calls are counted: what the row is called, where the token goes, the user name beside it, and its name."""


def review(data: dict[str, str], labels: dict[str, str]) -> bytes:
    """A review as the API server sends it for ``kubectl create secret``, managed fields and all."""
    fields: dict[str, object] = {"f:data": {".": {}, **{f"f:{key}": {} for key in data}}, "f:type": {}}
    managed = [{"manager": "kubectl-create", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}]
    metadata = {"name": "creds", "namespace": "argocd", "uid": "3f6c", "labels": labels, "managedFields": managed}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Secret"},
        "resource": {"group": "", "version": "v1", "resource": "secrets"},
        "requestKind": {"group": "", "version": "v1", "kind": "Secret"},
        "requestResource": {"group": "", "version": "v1", "resource": "secrets"},
        "name": "creds",
        "namespace": "argocd",
        "operation": "CREATE",
        "userInfo": {"username": "admin", "groups": ["system:masters", "system:authenticated"]},
        "object": {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": encoded, "type": "Opaque"},
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    whole = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(whole, separators=(",", ":")).encode()


@dataclass
class Measured:
    """One row: `latencies` in seconds, sorted."""

    name: str
    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1000


async def load(
    name: str, port: int, body: bytes, context: ssl.SSLContext, seconds: float, connections: int
) -> Measured:
    """Send `body` over some kept connections, each as soon as its last answer has come."""
    head = "POST /validate?timeout=10s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    message = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        while (began := time.perf_counter()) < end:
            writer.write(message)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{name}: {answer[:60]!r}")
            length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return Measured(name, time.perf_counter() - began, sorted(latencies))


@contextlib.asynccontextmanager
async def peer(name: str, folder: Path) -> AsyncIterator[int]:
    """One of `peers` as a process."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.peers", name, str(port)),
        *(str(folder / "tls.crt"), str(folder / "tls.key")),
        stderr=asyncio.subprocess.DEVNULL,
    )
    _pin(process.pid, 0)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.1)
        yield port
    finally:
        process.kill()
        await process.wait()


def _pin(pid: int, core: int) -> None:
    """Each server on the same core, the load on another, where the platform can do that."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


async def measure(seconds: float, console: Console) -> None:
    """Run everything, and print it."""
    _pin(0, 1)
    world = example_world(datetime.now(UTC))
    ca = trustme.CA()
    provider_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost", "127.0.0.1").configure_cert(provider_tls)
    context = ssl.create_default_context()
    ca.configure_trust(context)
    credentials = {"url": "https://github.com/acme", "username": "git", "password": world.token("good-classic").value}
    cached, unmatched = review(credentials, ARGOCD), review({"a": "b" * 40}, {})
    large = review({"a": "b" * 1_000_000}, {})
    rows: list[Measured] = []
    facts: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Simulator(world, ssl_context=provider_tls) as simulator:
            ca.cert_pem.write_to_path(folder / "ca.crt")
            providers = [
                {"host": name, "kind": host.kind, "apiUrl": host.api_url, "caFile": str(folder / "ca.crt")}
                for name, host in simulator.hosts.items()
            ]
            settings = {"providers": providers}
            async with running_server(folder, ca, settings) as server:
                _pin(server.process.pid, 0)
                port = int(server.url.rpartition(":")[2])
                process = psutil.Process(server.process.pid)
                facts.append(("resident memory when ready", f"{process.memory_info().rss / 2**20:.0f} MiB"))
                await load("warm up", port, cached, context, min(1.0, seconds), CONNECTIONS)
                rows.append(await load("/validate, cached verdict", port, cached, context, seconds, CONNECTIONS))
                asked = len(simulator.journal.records)
                decisions = sum(len(row.latencies) for row in rows)
                facts.append(("provider calls", f"{asked} for more than {decisions} decisions about one token"))
                rows.append(await load("/validate, not ours", port, unmatched, context, seconds, CONNECTIONS))
                small = load("small ones beside large", port, unmatched, context, seconds, 2)
                _, beside = await asyncio.gather(load("large", port, large, context, seconds, 1), small)
                rows.append(beside)
                rows.append(await load("small ones alone", port, unmatched, context, seconds, 2))
                facts.append(("resident memory after all", f"{process.memory_info().rss / 2**20:.0f} MiB"))
                calls = await provider_calls(server, simulator)
        for kind, title in (("bare", "bare aiohttp and pydantic: allow"), ("kopf", "kopf's server: allow")):
            async with peer(kind, folder) as port:
                await load("warm up", port, cached, context, min(1.0, seconds), CONNECTIONS)
                rows.append(await load(title, port, cached, context, seconds, CONNECTIONS))
    _print(console, rows, facts)
    _print_calls(console, calls)


async def provider_calls(server: ServerProcess, simulator: Simulator) -> list[tuple[str, str, int, int]]:
    """How many requests a decision costs that nobody has made before: for a runtime, and for a user."""
    rows = []
    for title, url, username, name in ASKED:
        data = {"type": "git", "url": url, "username": username, "password": simulator.world.token(name).value}
        counts = []
        for labels in (ARGOCD, USER):
            before = len(simulator.journal.records)
            await server.review("validate", review(data, labels))
            counts.append(len(simulator.journal.records) - before)
        rows.append((title, url, counts[0], counts[1]))
    return rows


def _print_calls(console: Console, calls: list[tuple[str, str, int, int]]) -> None:
    table = Table(title="Requests to the provider for one decision")
    for column in ("", "URL", "runtime", "user"):
        table.add_column(column, justify="right" if column in ("runtime", "user") else "left")
    for title, url, runtime, user in calls:
        table.add_row(title, url, str(runtime), str(user))
    console.print(table)


def _print(console: Console, rows: list[Measured], facts: list[tuple[str, str]]) -> None:
    bare = next(row for row in rows if row.name.startswith("bare"))
    table = Table(title="What a decision costs (servers on one core, TLS, 16 connections; beside and alone: 2)")
    for column in ("", "requests/s", "of bare", "p50 ms", "p99 ms", "max ms"):
        table.add_column(column, justify="left" if not column else "right")
    for row in rows:
        quantiles = [f"{row.quantile(share):.2f}" for share in (0.5, 0.99, 1.0)]
        ratio = f"{row.rate / bare.rate:.2f}" if "small" not in row.name else ""
        table.add_row(row.name, f"{row.rate:.0f}", ratio, *quantiles)
    console.print(table)
    for label, text in facts:
        console.print(f"{label}: {text}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    arguments: Any = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(measure(0.5 if arguments.quick else 5.0, Console(width=None if sys.stdout.isatty() else 110)))


if __name__ == "__main__":
    main()
