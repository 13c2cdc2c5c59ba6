"""What one requester with large bodies takes from all others: a bounded part of the memory, and little time."""

from __future__ import annotations

import asyncio
import http.client
import ssl
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from tests.admission.reviews import as_go_writes, make_object, make_review
from tests.fuzz.bodies import Body
from tests.fuzz.connection import Connection
from tests.support.server_process import ServerProcess, running_server
from webhook.admission.handler import MAX_BODY

pytestmark = pytest.mark.slow

MIB = 2**20
POD_LIMIT = 512 * MIB
"""Of memory, in manifests/base/deployment.yaml."""
_SMALL = Body("validate", as_go_writes(make_review(name="other", object=make_object(name="other"))))


def _unread(value: bytes) -> bytes:
    return as_go_writes(make_review()).rstrip()[:-2] + b',"unknown":' + value + b"}}\n"


def _filled(piece: bytes, last: bytes) -> bytes:
    return _unread(b"[" + piece * ((MAX_BODY - 4000) // len(piece)) + last + b"]")


LARGE = {
    "lists": _filled(b"[],", b"[]"),
    "nested lists": _filled(b"[[],[]],", b"[]"),
    "objects": _filled(b'{"a":{}},', b"0"),
    "strings": _filled(b'"",', b'""'),
    "as many values as are allowed": _unread(b"[" + b"[],".ljust(16) * 240_000 + b"0]"),
    "an annotation": as_go_writes(make_review(object=make_object(annotations={"a": "<" * (MAX_BODY // 6 - 2000)}))),
    "keys": as_go_writes(make_review(object=make_object(data={f"{number:06}": "" for number in range(20_000)}))),
}


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def serving(folder: Path, ca: trustme.CA) -> AsyncIterator[tuple[ServerProcess, ssl.SSLContext]]:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    async with running_server(folder, ca, {}) as server:
        connection = Connection(server.url, context)
        for _ in range(20):
            assert (await connection.post(_SMALL))[0] == 200
        await connection.aclose()
        yield server, context


def _memory(server: ServerProcess, which: str) -> int:
    """Bytes: VmRSS now, VmHWM at the most."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{which}:"))


async def _once(server: ServerProcess, context: ssl.SSLContext, content: bytes) -> int:
    connection = Connection(server.url, context)
    status, _ = await connection.post(Body("validate", content))
    await connection.aclose()
    return status


@pytest.mark.parametrize("kind", LARGE)
async def test_the_memory_that_one_takes(kind: str, tmp_path: Path, ca: trustme.CA) -> None:
    """At most 100 MB above the rest while it is decoded."""
    async with serving(tmp_path, ca) as (server, context):
        rest = _memory(server, "VmRSS")
        assert await _once(server, context, LARGE[kind]) in (200, 400, 413)
        assert _memory(server, "VmHWM") - rest <= 100_000_000


@pytest.mark.parametrize("kind", ["lists", "an annotation", "keys"])
async def test_six_at_once_fit_into_the_pod(kind: str, tmp_path: Path, ca: trustme.CA) -> None:
    """The server isn't killed for its memory, and goes on answering."""
    async with serving(tmp_path, ca) as (server, context):
        statuses = await asyncio.gather(*(_once(server, context, LARGE[kind]) for _ in range(6)))
        assert set(statuses) <= {200, 400, 413, 503}
        assert _memory(server, "VmHWM") < POD_LIMIT * 0.75
        assert await _once(server, context, _SMALL.content) == 200


async def test_small_reviews_meanwhile(tmp_path: Path, ca: trustme.CA) -> None:
    """While large bodies come one after another without end, no small review waits for as long as one took to decode.

    That was 2 to 7 s. The bound is loose on purpose: even bodies that are rejected at their first byte, for which there
    is nothing to decode, slow small reviews down three to four times (8 MiB of TLS each), and tests share the machine.
    """
    async with serving(tmp_path, ca) as (server, context):
        alone = await _slowest(server, context, 300)
        ended = threading.Event()
        attacker = asyncio.create_task(asyncio.to_thread(_attack, server.url, context, LARGE["lists"], ended))
        try:
            meanwhile = await _slowest(server, context, 300)
        finally:
            ended.set()
        assert await attacker > 0
    print(f"p99 alone {alone * 1000:.1f} ms, meanwhile {meanwhile * 1000:.1f} ms")
    assert meanwhile <= max(10 * alone, 0.1)


def _attack(url: str, context: ssl.SSLContext, content: bytes, ended: threading.Event) -> int:
    """Send a body again and again, from a thread, so that the other client isn't kept waiting by it."""
    host, _, port = url.removeprefix("https://").partition(":")
    sent = 0
    while not ended.is_set():
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
        connection.request("POST", "/validate", content, {"Content-Type": "application/json"})
        assert connection.getresponse().status == 413
        connection.close()
        sent += 1
    return sent


async def _slowest(server: ServerProcess, context: ssl.SSLContext, number: int) -> float:
    """Seconds in which 99 of 100 small reviews are answered."""
    connection = Connection(server.url, context)
    await connection.post(_SMALL)
    seconds = []
    for _ in range(number):
        started = time.perf_counter()
        await connection.post(_SMALL)
        seconds.append(time.perf_counter() - started)
        await asyncio.sleep(0.005)
    await connection.aclose()
    return sorted(seconds)[int(number * 0.99) - 1]
