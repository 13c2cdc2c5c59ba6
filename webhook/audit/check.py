"""The run of `check`, which checks the Secrets in manifests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TextIO

from webhook.audit.manifests import Broken, Document, Manifest, SecretManifest, Template, Where, read
from webhook.audit.progress import ProgressDisplay
from webhook.audit.questions import AT_ONCE, Questions, asking
from webhook.audit.retries import ask_again, is_open
from webhook.audit.rows import Rows, place_of
from webhook.audit.selecting import Selection
from webhook.audit.unreadable import look
from webhook.keyring.ring import KeyRing
from webhook.report.model import NotLookedAt, Place, Report, Row, Severity
from webhook.review.reviewer import Reviewer
from webhook.settings.model import Settings

_IN_FLIGHT = 64
"""Secrets that are checked at the same time."""
_INTERRUPTED = "The run was interrupted before everything was checked."
_TEMPLATE = "It is a template; check what it renders: helm template … | git-token-webhook check -."


@dataclass(slots=True)
class _Content:
    """The content of the manifests, before any check."""

    selection: Selection
    secrets: list[SecretManifest] = field(default_factory=list)
    hidden: list[NotLookedAt] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)

    def add(self, document: Document, namespace: str) -> None:
        match document:
            case Broken():
                self.problems.append(f"{document.where} {document.why}.")
            case Template():
                self.hidden.append(NotLookedAt(_at(document.where), "template", _TEMPLATE))
            case SecretManifest():
                if self.selection.may_match(document.secret):
                    self.secrets.append(document)
                else:
                    self.passed_over["Secret"] += 1
            case Manifest():
                hidden = look(document, namespace)
                if hidden is None:
                    self.passed_over[document.kind or "document without a kind"] += 1
                elif hidden.secret is None:
                    self.hidden.append(NotLookedAt(_at(document.where), hidden.what, hidden.why))
                elif self.selection.may_match(hidden.secret):
                    where = document.where
                    place = replace(place_of(hidden.secret), file=where.file, line=where.line)
                    self.hidden.append(NotLookedAt(place, hidden.what, hidden.why))
                else:
                    self.passed_over[hidden.what] += 1


def _at(where: Where) -> Place:
    return Place("", "", file=where.file, line=where.line)


async def check(
    paths: list[str],
    stdin: TextIO,
    settings: Settings,
    *,
    namespace: str = "",
    ring: KeyRing | None = None,
    at_once: int = AT_ONCE,
    seconds: float,
    progress: ProgressDisplay,
) -> Report:
    """Check these files and folders. If cancelled, return a report on what was checked until then.

    Args:
        namespace: the namespace of Secrets that name none.
        ring: the key ring that opens sealed values.
        at_once: concurrent checks per host.
        seconds: the time limit; what is not checked by then is unverified.

    Raises:
        ConfigurationError: a file does not exist or cannot be read.
    """
    started, content = datetime.now(UTC), _Content(Selection(settings.all_rules))
    for document in read(paths, stdin, namespace):
        content.add(document, namespace)
    rows: dict[int, list[Row]] = {}
    deadline = asyncio.get_running_loop().time() + seconds
    async with asking(settings, at_once=at_once, on_problem=content.problems.append, evidence=True) as questions:
        reviewer = Reviewer(settings, questions, ring=(lambda: ring) if ring is not None else None)
        maker, turns = Rows(settings, questions), asyncio.Semaphore(_IN_FLIGHT)

        async def judge(number: int) -> None:
            async with turns:
                manifest = content.secrets[number]
                standing = await reviewer.judge(manifest.secret, deadline)
                if standing.match:
                    rows[number] = maker.of_manifest(standing, manifest)
                else:  # its URL matches no rule
                    content.passed_over["Secret"] += 1
                progress.judged()

        def still_open() -> list[int]:
            return [number for number, found in rows.items() if is_open(found)]

        async def again() -> None:
            numbers = still_open()
            progress.found(len(numbers))
            await asyncio.gather(*map(judge, numbers))

        progress.found(len(content.secrets))
        try:
            await asyncio.gather(*map(judge, range(len(content.secrets))))
            await ask_again(questions, lambda: bool(still_open()), again, deadline=deadline, waiting=progress.waiting)
        except asyncio.CancelledError:
            content.problems.append(_INTERRUPTED)
        return _report(paths, started, content, rows, questions)


def _report(
    paths: list[str], started: datetime, content: _Content, rows: Mapping[int, list[Row]], questions: Questions
) -> Report:
    return Report(
        "check",
        started,
        datetime.now(UTC),
        tuple(paths),
        _ordered_rows(content.secrets, rows),
        tuple(content.hidden),
        secrets=len(rows),
        passed_over=dict(content.passed_over),
        tokens=questions.tokens,
        asked=questions.asked,
        problems=tuple(content.problems),
    )


def _ordered_rows(secrets: list[SecretManifest], rows: Mapping[int, list[Row]]) -> tuple[Row, ...]:
    """Return all rows in the order of the files, with a warning if an earlier document contains the same Secret."""
    first: dict[tuple[str, str], SecretManifest] = {}
    ordered: list[Row] = []
    for number in sorted(rows):
        manifest = secrets[number]
        secret = manifest.secret
        earlier = first.setdefault((secret.namespace, secret.name), manifest) if secret.name else manifest
        for row in rows[number]:
            if earlier is not manifest:
                warning = f"{earlier.where} contains the same Secret. The last one that is applied counts."
                severity = Severity.WARNING if row.severity in (Severity.NONE, Severity.NOTE) else row.severity
                row = replace(row, warnings=(*row.warnings, warning), severity=severity)
            ordered.append(row)
    return tuple(ordered)
