"""``./dev bench [--quick]``: requests per second, latencies, provider calls and memory, in one table.

All servers run at the same time and are measured in turns, so that other load on the machine affects all of them alike.
The ratios compare CPU time per request, which depends less on such load than the rate does. They are compared with
``baseline.json``, which ``--save`` writes.
"""

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
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonpatch
import psutil  # type: ignore[import-untyped]
import trustme
import uvloop
from rich.console import Console
from rich.table import Table

from tests.support.ports import free_port
from tests.support.server_process import ServerProcess, running_server
from webhook.simulator import Simulator, example_world

BASELINE = Path(__file__).with_name("baseline.json")
MARGIN = 0.25
"""How far a ratio may be above the baseline, as a share of it, before the table marks it."""
CONNECTIONS = 16
TURNS = 5
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


async def mutated(server: ServerProcess, body: bytes) -> bytes:
    """The review of the validating call that follows a mutating one: labels, annotations and attestation are in it."""
    patch = (await server.review("mutate", body)).json()["response"]["patch"]
    whole = json.loads(body)
    whole["request"]["object"] = jsonpatch.apply_patch(whole["request"]["object"], base64.b64decode(patch).decode())
    return json.dumps(whole, separators=(",", ":")).encode()


@dataclass
class Row:
    """What is sent to which server, and what came of it.

    Attributes:
        seconds: that it was sent for, in all turns.
        processor: seconds that the server's process has worked in these.
        latencies: in seconds.
    """

    name: str
    port: int
    process: psutil.Process
    body: bytes
    stage: str = "validate"
    connections: int = CONNECTIONS
    seconds: float = 0.0
    processor: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of processor time for one request."""
        return self.processor / len(self.latencies) * 1e6

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1000

    async def take_turn(self, context: ssl.SSLContext, seconds: float) -> None:
        """Send it for a while over some connections, on each as soon as its last answer has come."""
        path = f"/{self.stage}?timeout=10s"
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        message = f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body
        async with contextlib.AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(_connected(self.port, context)) for _ in range(self.connections)]
            worked, began = _worked(self.process), time.perf_counter()
            await asyncio.gather(*(self._ask(*stream, message, began + seconds) for stream in streams))
            self.seconds += time.perf_counter() - began
            self.processor += _worked(self.process) - worked

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes, end: float
    ) -> None:
        while (began := time.perf_counter()) < end:
            writer.write(message)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{self.name}: {answer[:60]!r}")
            length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            self.latencies.append(time.perf_counter() - began)


def _worked(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.asynccontextmanager
async def _connected(
    port: int, context: ssl.SSLContext
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection, whose handshake is no part of what is measured."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    try:
        yield reader, writer
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def peer(name: str, folder: Path) -> AsyncIterator[tuple[int, psutil.Process]]:
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
        yield port, psutil.Process(process.pid)
    finally:
        process.kill()
        await process.wait()


def _pin(pid: int, core: int) -> None:
    """Each server on the same core, the load on another, where the platform can do that."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


async def measure(seconds: float, console: Console) -> dict[str, float]:
    """Run everything, print it, and return the CPU time of each row as a ratio to the bare server."""
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
    facts: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Simulator(world, ssl_context=provider_tls) as simulator, contextlib.AsyncExitStack() as stack:
            ca.cert_pem.write_to_path(folder / "ca.crt")
            providers = [
                {"host": name, "kind": host.kind, "apiUrl": host.api_url, "caFile": str(folder / "ca.crt")}
                for name, host in simulator.hosts.items()
            ]
            server = await stack.enter_async_context(running_server(folder, ca, {"providers": providers}))
            _pin(server.process.pid, 0)
            ours = (int(server.url.rpartition(":")[2]), psutil.Process(server.process.pid))
            bare = await stack.enter_async_context(peer("bare", folder))
            kopf = await stack.enter_async_context(peer("kopf", folder))
            facts.append(("resident memory when ready", f"{ours[1].memory_info().rss / 2**20:.0f} MiB"))
            rows = [
                Row("/validate, cached verdict", *ours, cached),
                Row("/validate, attested by /mutate", *ours, await mutated(server, cached)),
                Row("/mutate, cached verdict", *ours, cached, "mutate"),
                Row("/validate, not ours", *ours, unmatched),
                Row("bare aiohttp and pydantic: allow", *bare, cached),
                Row("kopf's server: allow", *kopf, cached),
            ]
            for row in rows:
                await replace(row, name="warm up", latencies=[]).take_turn(context, min(0.5, seconds))
            for _ in range(TURNS):
                for row in rows:
                    await row.take_turn(context, seconds / TURNS)
            decisions = sum(len(row.latencies) for row in rows[:3])
            facts.append(("provider calls", f"{len(simulator.journal.records)} for {decisions} decisions on one token"))
            alone = Row("small ones alone", *ours, unmatched, connections=2)
            beside = replace(alone, name="small ones beside large", latencies=[])
            await alone.take_turn(context, seconds)
            loading = Row("large", *ours, large, connections=1)
            await asyncio.gather(loading.take_turn(context, seconds), beside.take_turn(context, seconds))
            facts.append(("resident memory after all", f"{ours[1].memory_info().rss / 2**20:.0f} MiB"))
            calls = await provider_calls(server, simulator)
    _print(console, rows, [alone, beside], facts)
    _print_calls(console, calls)
    bare_cost = next(row.cost for row in rows if row.name.startswith("bare"))
    ratios = {row.name: round(row.cost / bare_cost, 2) for row in rows if row.process.pid == ours[1].pid}
    _print_changes(console, ratios)
    return ratios


def _print_changes(console: Console, ratios: dict[str, float]) -> None:
    """Compare with the baseline. A mark is a reason to look, and no failure: other load can cause it."""
    baseline: dict[str, float] = json.loads(BASELINE.read_text())
    table = Table(title="CPU time per request, as a ratio to the bare server")
    for column in ("", "baseline", "now", "change"):
        table.add_column(column, justify="left" if not column else "right")
    for name, ratio in ratios.items():
        before = baseline.get(name, ratio)
        change = ratio / before - 1
        mark = " (more than expected)" if change > MARGIN else ""
        table.add_row(name, f"{before:.2f}", f"{ratio:.2f}", f"{change:+.0%}{mark}")
    console.print(table)


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


def _print(console: Console, rows: list[Row], beside: list[Row], facts: list[tuple[str, str]]) -> None:
    bare = next(row for row in rows if row.name.startswith("bare"))
    table = Table(title="Cost of a decision (servers on one core, TLS, 16 connections; alone and beside: 2)")
    for column in ("", "requests/s", "µs each", "of bare", "p50 ms", "p99 ms", "max ms"):
        table.add_column(column, justify="left" if not column else "right")
    for row in rows + beside:
        # What a large Secret costs beside them isn't theirs.
        costs = [f"{row.cost:.0f}", f"{bare.cost / row.cost:.2f}"] if row in rows else ["", ""]
        quantiles = [f"{row.quantile(share):.2f}" for share in (0.5, 0.99, 1.0)]
        table.add_row(row.name, f"{row.rate:.0f}", *costs, *quantiles)
    console.print(table)
    for label, text in facts:
        console.print(f"{label}: {text}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measure the cost of decisions.")
    parser.add_argument("--quick", action="store_true", help="measure each row for half a second")
    parser.add_argument("--save", action="store_true", help="save the ratios as the new baseline")
    arguments: Any = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 110)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        ratios = runner.run(measure(0.5 if arguments.quick else 5.0, console))
    if arguments.save:
        BASELINE.write_text(json.dumps(ratios, indent=2) + "\n")


if __name__ == "__main__":
    main()
