"""The evidence of a verdict as lines of text, for the tree of `explain` and the table of `check -v`."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.report.evidence import Evidence, Request, Requirement, RoleEvidence, Source
from webhook.text import join

_STYLES = {"proven": "green", "missing": "red", "blocked": "red", "open": "yellow"}
Line = tuple[str, str]
"""A line and its style."""


def role_line(name: str, role: RoleEvidence) -> str:
    """Return the finding for a role in one line."""
    lacks = f"; lacks {join(role.lacks)}" if role.lacks else ""
    return f"{name}: {role.outcome}{lacks}"


def requirement_lines(role: RoleEvidence) -> Iterator[Line]:
    """Yield one line for each requirement: what is proven about it, and by which parts of which responses."""
    for one in role.requirements:
        yield _requirement_line(one), _STYLES[one.conclusion]


def _requirement_line(one: Requirement) -> str:
    line = f"{one.conclusion:8}{one.requirement}"
    if one.sources:
        line += f" ({'; '.join(_by_request(one.sources))})"
    return f"{line}: {one.why}" if one.why else line


def _by_request(sources: list[Source]) -> Iterator[str]:
    """Yield what counted in each response."""
    parts: dict[int, list[Source]] = {}
    for source in sources:
        parts.setdefault(source.request, []).append(source)
    for request, counted in parts.items():
        yield f"request {request}: {', '.join(_part(one) for one in counted)}"


def _part(source: Source) -> str:
    if source.part == "status":
        return source.value or "no response"
    return source.part if source.value is None else f"{source.part} {source.value}"


def request_line(request: Request) -> str:
    """Return a request and its response in one line."""
    response = str(request.status) if request.status is not None else f"no response: {request.failure}"
    line = f"{request.number} {request.method} {request.path} → {response}"
    return f"{line} (moved to {request.moved})" if request.moved else line


def lines(evidence: Evidence) -> Iterator[tuple[int, Line]]:
    """Yield all lines with their depth."""
    for name, role in evidence.roles.items():
        yield 0, (role_line(name, role), "")
        for line in requirement_lines(role):
            yield 1, line
    for request in evidence.requests:
        yield 0, (f"request {request_line(request)}", "dim")
