"""The output of the demo: for each write, what the user would see."""

from __future__ import annotations

import base64
import json
import re
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
# These are the same for every write, so they are not shown.
_EVERYWHERE = ("encryption", "validated-at")


@dataclass(frozen=True, slots=True)
class Played:
    """The result of a scene: both responses, their duration in seconds, and the number of requests to providers."""

    scene: Scene
    mutated: Mapping[str, Any]
    validated: Mapping[str, Any]
    seconds: float
    asked: int

    @property
    def allowed(self) -> bool:
        """Return whether the write was allowed."""
        return bool(self.validated["allowed"])

    @property
    def warnings(self) -> list[str]:
        """Return the warnings of both responses, each once."""
        return list(dict.fromkeys([*self.mutated.get("warnings", []), *self.validated.get("warnings", [])]))


def introduce(console: Console, titles: str) -> None:
    """Print the introduction."""
    console.print()
    console.print(Text("git-token-webhook", "bold"), "denies Git tokens that cannot do their job.")
    console.print(
        f"[dim]This demo runs the real server, over TLS, and simulated providers ({titles}) on this machine only. For "
        "each write of a Secret, it sends what the API server would send: to /mutate, then to /validate, which "
        "decides. An allowed Secret also gets the time of the check.[/dim]"
    )


def begin(console: Console, title: str) -> None:
    """Print the heading of an act."""
    console.print(Rule(Text(title, "bold cyan"), align="left", style="dim"))
    console.print()


def show(console: Console, number: int, played: Played) -> None:
    """Print a scene and its result."""
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
            values = [f"{name}={re.sub(r',(?! )', ', ', value)}" for name, value in marks.items()]
            rows.append((where, "  ".join(values), "green"))
    for label, text, style in rows:
        _print_row(console, label, text, style)
    console.print()


def _headline(number: int, played: Played) -> Table:
    verdict = Text("denied", "bold red")
    if played.allowed:
        verdict = Text("allowed", "bold yellow" if played.warnings else "bold green")
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
    """Return the URL and username of a runtime token, or the users of the tokens."""
    user = scene.data.get("username")
    return f"{scene.data['url']}{f' as {user}' if user else ''}" if "url" in scene.data else ", ".join(scene.data)


def _settings(value: Any, path: str = "") -> list[str]:
    """Return settings as lines, such as ``repositories.read: https://…``."""
    if isinstance(value, Mapping):
        return [line for key, one in value.items() for line in _settings(one, f"{path}.{key}" if path else key)]
    return [f"{path}: {', '.join(value) if isinstance(value, list) else value}"]


def _print_row(console: Console, label: str, text: str, style: str) -> None:
    """Print a row. A link that is longer than the line is not broken, so that it can be copied and clicked."""
    width = max(40, console.width - len(_INDENT) - _LABEL_WIDTH - 2)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        head = Text(f"{_INDENT}{label if number == 0 else '':<{_LABEL_WIDTH}}", "dim")
        console.print(head.append(Text(line, style)), soft_wrap=True)


def _marks(answer: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the labels and annotations that the patch sets, without our prefix."""
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
    """Print the totals and the next steps."""
    console.print(Rule(style="dim"))
    console.print(
        f"{scenes} writes, {asked} requests to providers. The output above contains no token. No message, log line, "
        "metric, annotation or error ever does."
    )
    console.print("Next steps:")
    for command, what in _GO_ON:
        console.print(f"  {what}:\n    [bold]{command}[/bold]", highlight=False, soft_wrap=True)


_GO_ON = (
    ("./dev demo --console", "Open the token page on simulated data"),
    ("./dev demo --serve", "Keep the server running and try it with curl"),
    ("kind create cluster --config manifests/kind.yaml; tilt up", "Run it in a local cluster with simulated providers"),
    ("kubectl apply -k manifests/overlays/own-certificates", "Install it in your cluster (see README.md)"),
    ("./dev run audit --all-namespaces", "Audit the Secrets that your cluster holds"),
    ("./dev test", "Run the tests, also against a real kube-apiserver"),
)


def invite(console: Console, url: str, place: Path) -> None:
    """Print how to send requests to the server while it runs."""
    console.print(Rule(style="dim"))
    console.print("The server runs until you press Ctrl-C. Try:\n")
    for stage in ("validate", "mutate"):
        command = (
            f"curl --cacert {shlex.quote(str(place / 'ca.crt'))} -w '\\n' -H 'Content-Type: application/json' "
            f"--data @{shlex.quote(str(place / 'review.json'))} '{url}/{stage}?timeout=10s'"
        )
        console.print(f"  {command}", soft_wrap=True)
    console.print(f"\nIts log, with one line of JSON for each decision: {place / 'server.log'}", soft_wrap=True)
