"""Print a transcript as a tree."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from webhook.explain.transcript import Entry, Transcript
from webhook.report.evidence import Request
from webhook.report.evidence_text import request_line, requirement_lines, role_line


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
    for name, role in entry.roles.items():
        branch = tree.add(Text(role_line(name, role)))
        for line, style in requirement_lines(role):
            branch.add(Text(line, style))
    if entry.requests:
        branch = tree.add(Text(f"Requests to {entry.host}:"))
        for request in entry.requests:
            _add_request(branch, request)
    else:
        tree.add(Text("No request was sent."))
    for one in entry.assumptions:
        verb = "contradicts" if one.contradicted else "rests on"
        style = "red" if one.contradicted else "dim"
        tree.add(Text(f"This {verb} an assumption ({one.name}): {one.fact} {one.open}", style))
    return tree


def _add_request(branch: Tree, request: Request) -> None:
    line = Text(request_line(request))
    if request.tells:
        line.append(f"  shows {request.tells}", "dim")
    branch.add(line)
