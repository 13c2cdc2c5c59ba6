"""What the demonstration prints: to each write, what the person who writes it would see."""

from __future__ import annotations

import base64
import json
import shlex
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from webhook.demo.scenes import Scene

_LABEL_WIDTH = 13
_INDENT = " " * 4
# The same in every case, so that they are told once, in the introduction.
_EVERYWHERE = ("encryption", "validated-at")


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a scene: both answers, how long they took together, and how many requests providers got."""

    scene: Scene
    mutated: Mapping[str, Any]
    validated: Mapping[str, Any]
    seconds: float
    asked: int

    @property
    def allowed(self) -> bool:
        """Whether the Secret is stored."""
        return bool(self.validated["allowed"])

    @property
    def warnings(self) -> list[str]:
        """What kubectl prints beside."""
        return list(dict.fromkeys([*self.mutated.get("warnings", []), *self.validated.get("warnings", [])]))


def introduce(console: Console, titles: str) -> None:
    """What is going to be seen."""
    console.print()
    console.print(Text("git-token-webhook", "bold"), "refuses Git tokens that can't do their job.")
    console.print(
        f"[dim]The real server, over TLS, and simulated providers ({titles}), on this machine alone. Each case is what "
        "an API server sends when somebody writes a Secret: to /mutate, then to /validate, which has the last word. "
        "What is stored also gets the time of the check.[/dim]"
    )


def begin(console: Console, title: str) -> None:
    """The headline of an act."""
    console.print(Rule(Text(title, "bold cyan"), align="left", style="dim"))
    console.print()


def show(console: Console, number: int, played: Played) -> None:
    """One scene and what came of it."""
    scene = played.scene
    console.print(_headline(number, played))
    _print_row(console, "write", f"{scene.name}: {_goes_to(scene)}", "")
    rows = [("configured", text, "") for text in _settings(scene.settings)]
    if not played.allowed:
        status = played.validated["status"]
        causes = [f"{c['field']}: {c['message']}" for c in status.get("details", {}).get("causes", [])]
        rows += [(f"{status['code']} {status['reason']}", text, "red") for text in causes or [status["message"]]]
    rows += [("warning", warning, "yellow") for warning in played.warnings]
    if played.allowed:
        for where, marks in _marks(played.mutated).items():
            told = [f"{name}={value.replace(',', ', ')}" for name, value in marks.items()]
            rows.append((where, "  ".join(told), "green"))
    for label, text, style in rows:
        _print_row(console, label, text, style)
    console.print()


def _headline(number: int, played: Played) -> Table:
    verdict = Text("refused", "bold red")
    if played.allowed:
        verdict = Text("stored", "bold yellow" if played.warnings else "bold green")
    requests = "1 request" if played.asked == 1 else f"{played.asked or 'no'} requests"
    line = Table.grid(expand=True, padding=(0, 1))
    line.add_column(width=3, justify="right")
    line.add_column(width=7)
    line.add_column(ratio=1)
    line.add_column(justify="right", no_wrap=True)
    cost = Text(f"{requests}, {played.seconds * 1000:.0f} ms", "dim")
    line.add_row(Text(str(number), "dim"), verdict, Text(played.scene.title, "bold"), cost)
    return line


def _goes_to(scene: Scene) -> str:
    """Where the Secret's token goes, or whose tokens it holds."""
    user = scene.data.get("username")
    return f"{scene.data['url']}{f' as {user}' if user else ''}" if "url" in scene.data else ", ".join(scene.data)


def _settings(value: Any, path: str = "") -> list[str]:
    """Settings as lines: ``repositories.read: https://…``."""
    if isinstance(value, Mapping):
        return [line for key, one in value.items() for line in _settings(one, f"{path}.{key}" if path else key)]
    return [f"{path}: {', '.join(value) if isinstance(value, list) else value}"]


def _print_row(console: Console, label: str, text: str, style: str) -> None:
    """One row; a link that is longer than the line is left whole, so that it can be copied and clicked."""
    width = max(40, console.width - len(_INDENT) - _LABEL_WIDTH - 2)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        head = Text(f"{_INDENT}{label if number == 0 else '':<{_LABEL_WIDTH}}", "dim")
        console.print(head.append(Text(line, style)), soft_wrap=True)


def _marks(answer: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The labels and annotations that the patch sets, without our prefix."""
    marks: dict[str, dict[str, str]] = {}
    for operation in json.loads(base64.b64decode(answer.get("patch", "W10="))):
        _, _, where, *name = operation["path"].split("/")
        value = operation.get("value")
        values = value if isinstance(value, dict) else {"/".join(name).replace("~1", "/"): value}
        for key, text in values.items():
            mark = key.removeprefix("git-token-webhook/")
            if text is not None and mark not in _EVERYWHERE:
                marks.setdefault(where, {})[mark] = f"{text[:3]}… (signed)" if mark == "attestation" else text
    return marks


def end(console: Console, scenes: int, asked: int) -> None:
    """What it all came to, and how to go on."""
    console.print(Rule(style="dim"))
    console.print(
        f"{scenes} writes, {asked} requests to providers. No token was printed above: none ever is, in no message, log "
        "line, metric, annotation or error."
    )
    console.print("Go on:")
    for command, what in _GO_ON:
        console.print(f"  [bold]{command:<62}[/bold] {what}", highlight=False)


_GO_ON = (
    ("./dev demo --serve", "keep the server up, and try it with curl"),
    ("kind create cluster --config manifests/kind.yaml; tilt up", "in a cluster, with simulated providers"),
    ("kubectl apply -k manifests/overlays/own-certificates", "in your cluster: README.md, Install"),
    ("./dev run audit --all-namespaces", "what the Secrets of your cluster hold today"),
    ("./dev test", "all of this, against a real kube-apiserver"),
)


def invite(console: Console, url: str, place: Path) -> None:
    """How to try the server that stays up."""
    console.print(Rule(style="dim"))
    console.print("The server stays up until Ctrl-C. Try:\n")
    for stage in ("validate", "mutate"):
        command = (
            f"curl --cacert {shlex.quote(str(place / 'ca.crt'))} -w '\\n' -H 'Content-Type: application/json' "
            f"--data @{shlex.quote(str(place / 'review.json'))} '{url}/{stage}?timeout=10s'"
        )
        console.print(f"  {command}", soft_wrap=True)
    console.print(f"\nIts log, one JSON line a decision: {place / 'server.log'}", soft_wrap=True)
