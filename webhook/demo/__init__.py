"""The demo: simulated providers and the real server on one machine, over TLS.

It sends the AdmissionReviews that an API server would send, and shows what users would see.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from webhook.demo import screen
from webhook.demo.certificates import certificates
from webhook.demo.scenes import Act, Scene, acts
from webhook.demo.server import Server, review_of, running
from webhook.files import write_file
from webhook.providers import PROVIDERS
from webhook.simulator import Simulator, example_world
from webhook.simulator.faults import Outage


async def run_demo(*, stay: bool = False, console: Console | None = None) -> None:
    """Play all scenes.

    Args:
        stay: keep the server running afterwards, until the process is stopped.

    Raises:
        RuntimeError: the server did not start.
    """
    console = console or Console(highlight=False, soft_wrap=False, width=output_width())
    world = example_world(datetime.now(UTC))
    with tempfile.TemporaryDirectory(prefix="git-token-webhook-demo-") as folder:
        place = Path(folder)
        async with Simulator(world, ssl_context=certificates(place)) as simulator:
            # `apiUrl` points at the simulator, so that no real host is called.
            providers = [
                {"host": name, "kind": host.kind, "apiUrl": host.api_url, "caFile": str(place / "ca.crt")}
                for name, host in simulator.hosts.items()
                if host.kind in PROVIDERS
            ]
            shown = [act for act in acts(world) if act.kind is None or act.kind in PROVIDERS]
            screen.introduce(console, ", ".join(PROVIDERS[act.kind].profile.title for act in shown if act.kind))
            async with running(place, {"providers": providers}) as server:
                console.print(f"[dim]The server was ready after {server.started_in:.1f} s, at {server.url}.[/dim]\n")
                scenes = await _play(console, shown, {"providers": providers}, server, simulator)
                if not stay:
                    screen.end(console, len(scenes), len(simulator.journal.records))
                    return
                write_file(place / "review.json", json.dumps(review_of(scenes[0])).encode(), mode=0o600)
                screen.invite(console, server.url, place)
                await asyncio.Event().wait()


def output_width() -> int | None:
    """Return the width of the output: None for rich's own choice, that of the terminal or of ``COLUMNS``."""
    return None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal() else 110


async def _play(
    console: Console, shown: list[Act], settings: dict[str, object], server: Server, simulator: Simulator
) -> list[Scene]:
    played: list[Scene] = []
    for act in shown:
        screen.begin(console, act.title)
        for scene in act.scenes:
            played.append(scene)
            if scene.settings:
                settings |= scene.settings
                await server.configure(settings)
            if scene.outage:
                simulator.faults.add(Outage(), host=scene.outage)
            before, began = len(simulator.journal.records), time.perf_counter()
            mutated = await server.review("mutate", scene)
            validated = await server.review("validate", scene)
            seconds = time.perf_counter() - began
            simulator.faults.clear()
            asked = len(simulator.journal.records) - before
            screen.show(console, len(played), screen.Played(scene, mutated, validated, seconds, asked))
    return played
