"""Print a transcript as a tree."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from webhook.explain.transcript import Entry, Request, Transcript
from webhook.text import join

_SHOWN_HEADERS = (
    "x-oauth-scopes",
    "x-accepted-github-permissions",
    "github-authentication-token-expiration",
    "x-ausername",
)
"""Headers that the tree shows; the transcript has all."""


def write(transcript: Transcript, console: Console) -> None:
    """Print one tree for each entry."""
    for entry in transcript.entries:
        console.print(_tree(entry))
    if not transcript.entries:
        console.print("There is no token that the webhook would check.")


def _tree(entry: Entry) -> Tree:
    style = "red" if entry.verdict == "denied" else "green"
    place = f"{entry.secret} {entry.field}".strip()
    tree = Tree(Text.assemble((place, "bold"), " is ", (entry.verdict, style)))
    if entry.message:
        tree.add(Text(entry.message))
    for warning in entry.warnings:
        tree.add(Text(f"Warning: {warning}", "yellow"))
    _add_roles(tree, entry)
    if entry.requests:
        branch = tree.add(Text(f"Requests to {entry.host} ({len(entry.requests)}):"))
        for request in entry.requests:
            _add_request(branch, request)
    else:
        tree.add(Text("No request was sent."))
    for one in entry.assumptions:
        verb = "contradicts" if one.contradicted else "rests on"
        style = "red" if one.contradicted else "dim"
        tree.add(Text(f"This {verb} an assumption ({one.name}): {one.fact} {one.open}", style))
    return tree


def _add_roles(tree: Tree, entry: Entry) -> None:
    for name, role in entry.roles.items():
        line = f"{name}: {role.outcome}"
        if role.needs:
            line += f"; needs {join(role.needs)}"
        if entry.holds:
            line += f"; has {join(entry.holds[:20])}"
        if role.lacks:
            line += f"; lacks {join(role.lacks)}"
        if role.outcome == "unverified":
            line += f"; reason: {role.reason}"
        tree.add(Text(line))


def _add_request(branch: Tree, request: Request) -> None:
    response = str(request.status) if request.status is not None else f"no response: {request.failure}"
    line = f"{request.method} {request.path} → {response}"
    if request.moved:
        line += f" (moved to {request.moved})"
    node = branch.add(Text(line))
    if request.tells:
        node.add(Text(f"shows {request.tells}", "dim"))
    for name in _SHOWN_HEADERS:
        if name in request.headers:
            node.add(Text(f"{name}: {request.headers[name]}", "dim"))
