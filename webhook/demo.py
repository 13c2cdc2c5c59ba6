"""The whole thing on one machine: a simulated GitHub, the real server as a process of its own, real TLS.

Sends the AdmissionReviews that an API server would send, and shows what people would see.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shlex
import ssl
import sys
import tempfile
import textwrap
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from webhook.certificates import issue_ca, issue_serving_certificate, write_file, write_key_pair
from webhook.providers import PROVIDERS
from webhook.simulator import Simulator, World, example_world
from webhook.simulator.faults import Outage

ARGOCD = {"argocd.argoproj.io/secret-type": "repo-creds"}
_READY_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One write of a Secret, and why it is worth looking at."""

    title: str
    name: str
    data: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] | None = field(default=None, repr=False)
    outage: bool = False


def scenes(world: World) -> list[Scene]:
    """What a newcomer wants to see, in an order that tells the story."""

    def token(name: str) -> str:
        return world.token(name).value

    def repo_creds(title: str, name: str, url: str = "https://github.com/acme", **more: Any) -> Scene:
        data = {"type": "git", "url": url, "username": "git", "password": token(name)}
        return Scene(title, "runtime-repo-creds-secret", data, ARGOCD, **more)

    def app(title: str, slug: str) -> Scene:
        found = world.app(slug)
        data = {
            "url": "https://github.com/acme",
            "githubAppID": str(found.id),
            "githubAppInstallationID": str(found.id + 1000),
            "githubAppPrivateKey": found.private_key_pem,
        }
        return Scene(title, "repo-creds-app", data, ARGOCD)

    apps = "https://github.com/acme/apps"
    return [
        repo_creds("A classic token without admin:repo_hook", "weak-classic"),
        repo_creds("The same with both scopes", "good-classic"),
        repo_creds("A token that was revoked", "revoked"),
        repo_creds("A token that ends in five days", "expiring"),
        repo_creds("A fine-grained token, its permissions proven on the repository", "good-fine-grained", apps),
        repo_creds("A fine-grained token that can't manage webhooks", "no-hooks-fine-grained", apps),
        app("A GitHub App, installed with all it needs", "good-app"),
        app("A GitHub App that somebody suspended", "suspended-app"),
        repo_creds(
            "A good token that an organisation's SSO keeps out", "good-classic", "https://github.com/sso-corp/apps"
        ),
        Scene(
            "Two users' tokens in one Secret, one of them weak",
            "git-default-acme",
            {"alice": token("user-classic"), "bob": token("no-scope-classic")},
        ),
        Scene(
            "A later UPDATE that gives bob a token without repo: only his is asked about",
            "git-default-acme",
            {"alice": token("user-classic"), "bob": token("hooks-only-classic")},
            before={"alice": token("user-classic"), "bob": token("good-classic")},
        ),
        Scene(
            "A look-alike host: nothing is sent there",
            "repo-creds-elsewhere",
            {"url": "https://github.com.example.net/acme", "password": token("good-classic")},
            ARGOCD,
        ),
        Scene(
            "An SSH key, of which nothing can be checked",
            "repo-creds-ssh",
            {"url": "git@github.com:acme", "sshPrivateKey": "(a key)"},
            ARGOCD,
        ),
        Scene(
            "A password inside the URL",
            "repo-creds-odd",
            {"url": "https://octocat:hunter2@github.com/acme", "password": token("good-classic")},
            ARGOCD,
        ),
        repo_creds("GitHub is down", "wide-classic", outage=True),
    ]


async def run_demo(*, stay: bool = False, console: Console | None = None) -> bool:
    """Play all scenes; True if the server answered each of them."""
    console = console or Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else 110)
    world = example_world(datetime.now(UTC))
    with tempfile.TemporaryDirectory(prefix="git-token-webhook-demo-") as folder:
        place = Path(folder)
        ca = issue_ca("git-token-webhook demo")
        leaf = issue_serving_certificate(ca, ["localhost"], [IPv4Address("127.0.0.1")], lifetime=timedelta(days=1))
        write_key_pair(ca, place / "ca.crt", place / "ca.key")
        write_key_pair(leaf, place / "tls.crt", place / "tls.key")
        provider_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        provider_tls.load_cert_chain(place / "tls.crt", place / "tls.key")
        async with Simulator(world, ssl_context=provider_tls) as simulator:
            # No host of the simulator is really called; its API stands in for those of the hosts that it plays.
            # It plays a Gitea, too, which the server can't ask.
            providers = [
                {"host": name, "kind": host.kind, "apiUrl": host.api_url, "caFile": str(place / "ca.crt")}
                for name, host in simulator.hosts.items()
                if host.kind in PROVIDERS
            ]
            (place / "config.yaml").write_text(json.dumps({"providers": providers}))
            _introduce(console)
            async with _server(place) as (url, started), _client(place) as client:
                console.print(f"[dim]The server was ready after {started:.1f} s, at {url}.[/dim]\n")
                for number, scene in enumerate(scenes(world), 1):
                    fault = simulator.faults.add(Outage(), host="github.com") if scene.outage else None
                    before = len(simulator.journal.records)
                    began = time.perf_counter()
                    answers = [await _review(client, f"{url}/{stage}", scene) for stage in ("mutate", "validate")]
                    milliseconds = (time.perf_counter() - began) * 1000
                    if fault is not None:
                        simulator.faults.clear()
                    asked = len(simulator.journal.records) - before
                    _show(console, number, scene, answers, milliseconds, asked)
                _go_on(console, url, place, stay=stay)
                if stay:
                    _write_example(place, scenes(world)[0])
                    await asyncio.Event().wait()
    return True


@contextlib.asynccontextmanager
async def _server(place: Path) -> AsyncIterator[tuple[str, float]]:
    """The real server as a process of its own, until the end of the demo."""
    arguments = [
        *("serve", "--config", str(place / "config.yaml")),
        *("--tls-cert", str(place / "tls.crt"), "--tls-key", str(place / "tls.key")),
        *("--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0", "--shutdown-delay", "0s"),
    ]
    log = place / "server.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")}
    began = time.perf_counter()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "webhook", *arguments, stdout=output, stderr=output, env=environment
        )
        try:
            listen, _ = await until_serving(process, log)
            yield f"https://{listen}", time.perf_counter() - began
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()


async def until_serving(process: asyncio.subprocess.Process, log: Path) -> tuple[str, str]:
    """Wait until a server answers, and return the addresses of its two ports, which its `log` tells.

    Raises:
        RuntimeError: it came to nothing; with the end of the log.
    """
    end = time.monotonic() + _READY_WITHIN
    while time.monotonic() < end and process.returncode is None:
        for line in _text(log).split("\n")[:-1]:  # the last one may be half there
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("event") == "serving":
                return entry["listen"], entry["health"]
        await asyncio.sleep(0.05)
    raise RuntimeError(f"the server did not become ready:\n{_text(log)[-2000:]}")


def _text(log: Path) -> str:
    return log.read_text(errors="replace")


def _client(place: Path) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=place / "ca.crt")
    return httpx.AsyncClient(verify=context, timeout=15, trust_env=False)


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
        "operation": "CREATE" if scene.before is None else "UPDATE",
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        "object": secret(scene.data),
        "oldObject": None if scene.before is None else secret(scene.before),
        "dryRun": False,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


async def _review(client: httpx.AsyncClient, url: str, scene: Scene) -> dict[str, Any]:
    response = await client.post(f"{url}?timeout=10s", json=review_of(scene))
    response.raise_for_status()
    answer: dict[str, Any] = response.json()["response"]
    return answer


def _introduce(console: Console) -> None:
    console.print()
    console.print(
        Text("git-token-webhook", style="bold"), Text("refuses Git tokens that can't do their job.", style="")
    )
    console.print(
        "[dim]A simulated GitHub and the real server run on this machine alone, over TLS. Each case is what an API\n"
        "server sends when somebody writes one: first to /mutate, then to /validate, which has the last word.[/dim]"
    )


def _show(
    console: Console, number: int, scene: Scene, answers: list[dict[str, Any]], milliseconds: float, asked: int
) -> None:
    mutated, validated = answers
    warnings = list(dict.fromkeys([*mutated.get("warnings", []), *validated.get("warnings", [])]))
    allowed = validated["allowed"]
    verdict = Text("refused", "bold red") if not allowed else Text("stored", "bold green")
    if allowed and warnings:
        verdict = Text("stored, with a warning", "bold yellow")
    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column(width=3, justify="right")
    head.add_column(ratio=1)
    head.add_column(justify="right")
    requests = "nobody asked" if not asked else "1 request" if asked == 1 else f"{asked} requests"
    head.add_row(Text(str(number), "dim"), Text(scene.title, "bold"), verdict)
    console.print(head)
    kind = "UPDATE" if scene.before is not None else "CREATE"
    rows = [("write", f"{kind} Secret argocd/{scene.name}: {', '.join(scene.data)}", "")]
    if not allowed:
        status = validated["status"]
        causes = [f"{c['field']}: {c['message']}" for c in status.get("details", {}).get("causes", [])]
        rows += [(f"{status['code']} {status['reason']}", text, "red") for text in causes or [status["message"]]]
    rows += [("warning", warning, "yellow") for warning in warnings]
    if allowed:
        for where, marks in _marks(mutated).items():
            rows.append((where, ", ".join(f"{name}={value}" for name, value in marks.items()), "green"))
    rows.append(("took", f"{milliseconds:.0f} ms for both calls; GitHub: {requests}", "dim"))
    for label, text, style in rows:
        _print_row(console, label, text, style)
    console.print()


def _print_row(console: Console, label: str, text: str, style: str) -> None:
    """One row; a link that is longer than the line is left whole, so that it can be copied and clicked."""
    width = max(40, console.width - 19)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        head = Text(f"    {label if number == 0 else '':<13}", "dim")
        console.print(head.append(Text(line, style)), soft_wrap=True)


def _marks(answer: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The labels and annotations that the patch sets, without our prefix."""
    marks: dict[str, dict[str, str]] = {}
    for operation in json.loads(base64.b64decode(answer.get("patch", "W10="))):
        _, _, where, *name = operation["path"].split("/")
        value = operation.get("value")
        values = value if isinstance(value, dict) else {"/".join(name).replace("~1", "/"): value}
        for key, text in values.items():
            if text is not None:
                marks.setdefault(where, {})[key.removeprefix("git-token-webhook/")] = text
    return marks


def _write_example(place: Path, scene: Scene) -> None:
    write_file(place / "review.json", json.dumps(review_of(scene)).encode(), mode=0o600)


def _go_on(console: Console, url: str, place: Path, *, stay: bool) -> None:
    console.print(Rule(style="dim"))
    if stay:
        curl: Callable[[str], str] = lambda stage: (  # noqa: E731
            f"curl --cacert {shlex.quote(str(place / 'ca.crt'))} -H 'Content-Type: application/json' "
            f"--data @{shlex.quote(str(place / 'review.json'))} '{url}/{stage}?timeout=10s'"
        )
        console.print("The server stays up until Ctrl-C. Try:\n")
        for stage in ("validate", "mutate"):
            console.print(f"  {curl(stage)}", soft_wrap=True)
        console.print(f"\nIts log, one JSON line a decision: {place / 'server.log'}", soft_wrap=True)
        return
    console.print(
        "No token was printed above: none ever is, in no message, log line, metric, annotation or error.\n"
        "Go on: [bold]./dev demo --serve[/bold] keeps the server up to try with curl; README.md says how to put it in\n"
        "front of a real API server; [bold]./dev test[/bold] proves all of this against a real kube-apiserver."
    )
