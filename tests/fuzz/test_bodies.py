"""Whatever is sent to a running server: it answers, in time, in bounded memory, and writes marks that are true.

GIT_TOKEN_WEBHOOK_FUZZ says how many bodies are sent; .ci/run sends 100,000.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import ssl
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonpatch
import psutil  # type: ignore[import-untyped]
import pytest
import trustme

from tests.fuzz.bodies import HOST, Body, Generator, forged_marks, is_ours
from tests.fuzz.connection import Connection
from tests.support.ports import free_port
from tests.support.server_process import running_server

BODIES = int(os.environ.get("GIT_TOKEN_WEBHOOK_FUZZ", "1500"))
CONNECTIONS = 8
_PATIENCE = 30
_GROWTH = 64 * 2**20
"""Bytes by which the process may grow while it answers."""


@dataclass
class Answers:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    marked: int = 0


def fault_of(body: Body, status: int, answer: bytes) -> str | None:
    """What is wrong with an answer."""
    if status >= 500:
        return f"HTTP {status}"
    if status != 200:
        return None
    response = json.loads(answer)["response"]
    if body.review is None:
        return None
    request = body.review["request"]
    if response["uid"] != request["uid"]:
        return "another uid"
    secret = request.get("object")
    if body.stage != "mutate" or not response["allowed"] or request["operation"] not in ("CREATE", "UPDATE"):
        return None
    if not is_ours(request):
        return None
    patch = json.loads(base64.b64decode(response.get("patch", "W10=")))
    stored = jsonpatch.apply_patch(secret, patch)
    return f"forged marks: {forged_marks(stored)}" if forged_marks(stored) else None


async def send(connection: Connection, generator: Generator, number: int, answers: Answers) -> None:
    for _ in range(number):
        body = generator.body()
        async with asyncio.timeout(_PATIENCE):
            status, answer = await connection.post(body)
        answers.statuses[status] += 1
        if (fault := fault_of(body, status, answer)) is not None and len(answers.faults) < 10:
            answers.faults.append(f"{fault}: /{body.stage} {body.content[:3000]!r} {answer[:1500]!r}")
    await connection.aclose()


@pytest.mark.timeout(60 + BODIES // 50)
async def test_generated_bodies(tmp_path: Path) -> None:
    """No 5xx, no hang, bounded memory, no forged mark and no token in any output."""
    ca = trustme.CA()
    context = ssl.create_default_context()
    ca.configure_trust(context)
    sentinel = secrets.token_hex(8)
    closed = f"https://{HOST}:{free_port()}"
    settings: dict[str, Any] = {
        "providers": [{"host": HOST, "kind": "github", "apiUrl": closed}],
        "defaults": {"userHost": HOST},
        "limits": {"providerTimeout": "1s", "decisionTimeout": "2s"},
    }
    answers = Answers()
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    async with running_server(tmp_path, ca, settings) as server:
        process = psutil.Process(server.process.pid)

        def fleet(first: int, number: int) -> Any:
            return asyncio.gather(
                *(
                    send(Connection(server.url, context), Generator(seed + first + index, sentinel), number, answers)
                    for index in range(CONNECTIONS)
                )
            )

        await fleet(0, BODIES // CONNECTIONS // 10)  # after which all is imported and all pools are full
        before = process.memory_info().rss
        await fleet(CONNECTIONS, BODIES // CONNECTIONS)
        growth = process.memory_info().rss - before
        metrics = await server.metrics()
    print(dict(answers.statuses), f"grown by {growth / 2**20:.0f} MiB")
    assert not answers.faults, "\n".join(answers.faults)
    assert growth < _GROWTH
    assert answers.statuses[200] > BODIES // 4
    assert set(answers.statuses) <= {200, 400, 413}
    written = server.written()
    assert sentinel not in written
    assert sentinel not in metrics
    assert "Traceback" not in written
