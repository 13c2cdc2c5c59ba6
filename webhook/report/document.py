"""Reports as JSON and YAML, as described by ``report.schema.json``.

Every key is always present, with null if the value is unknown. Releases may add keys; only a new `VERSION` changes or
removes one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, TextIO

import msgspec
import yaml

from webhook import __version__
from webhook.report.advice import advice, rank
from webhook.report.model import ApplicationRow, Attested, NotLookedAt, Place, Report, Row
from webhook.text import whole

VERSION = 1


def write_json(report: Report, stream: TextIO) -> None:
    """Write the document as JSON, in ASCII."""
    json.dump(document(report), stream, indent=2)
    stream.write("\n")


def write_yaml(report: Report, stream: TextIO) -> None:
    """Write the document as YAML, in ASCII."""
    # Without aliases for lists that occur twice, which few readers expect in data.
    yaml.dump(document(report), stream, Dumper=_Plain, sort_keys=False, width=120)


class _Plain(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # ten times as fast, if available
    def ignore_aliases(self, data: Any) -> bool:
        return True


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the document."""
    loaded: dict[str, Any] = json.loads(files("webhook.report").joinpath("report.schema.json").read_text("utf-8"))
    return loaded


def document(report: Report) -> dict[str, Any]:
    """Return a report as JSON types, the worst entries first."""
    return {
        "version": VERSION,
        "generator": f"git-token-webhook {__version__}",
        "command": report.command,
        "startedAt": timestamp(report.started_at),
        "finishedAt": timestamp(report.finished_at),
        "sources": [whole(source) for source in report.sources],
        "complete": report.complete,
        "problems": [whole(problem) for problem in report.problems],
        "summary": {
            "secrets": report.secrets,
            "tokens": report.tokens,
            "asked": report.asked,
            "entries": len(report.rows),
            "outcomes": _counted(Counter(row.outcome.value for row in report.rows)),
            "severities": _counted(Counter(row.severity.value for row in report.rows)),
            "passedOver": {whole(what): count for what, count in report.passed_over.items()},
        },
        "entries": [_entry(row, report.finished_at) for row in sorted(report.rows, key=rank)],
        "notLookedAt": [_not_looked_at(item) for item in report.not_looked_at],
        "applications": [_application(application) for application in report.applications],
    }


def timestamp(moment: datetime) -> str:
    """Return the time as RFC 3339 in UTC, without fractions of seconds."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {word: counts[word] for word in sorted(counts)}


def _entry(row: Row, now: datetime) -> dict[str, Any]:
    return {
        **_place(row.place),
        "outcome": row.outcome.value,
        "severity": row.severity.value,
        "roles": [whole(role) for role in row.roles],
        "outcomes": {whole(role): outcome.value for role, outcome in row.outcomes.items()},
        "rules": [whole(rule) for rule in row.rules],
        "user": _text(row.user),
        "message": _text(row.message),
        "warnings": [whole(warning) for warning in row.warnings],
        "advice": _text(advice(row, now)),
        "remedy": _text(row.remedy),
        "provider": _text(row.provider),
        "host": _text(row.host),
        "url": _text(row.url),
        "account": _text(row.account),
        "tokenType": _text(row.token_type),
        "scopes": [whole(scope) for scope in row.scopes],
        "expiresAt": timestamp(row.expires_at) if row.expires_at else None,
        "skipReason": _text(row.skip_reason),
        "attested": None if row.attested is Attested.UNKNOWN else row.attested.value,
        "token": row.token,
        "validatedAt": timestamp(row.validated_at) if row.validated_at else None,
        "applications": [whole(application) for application in row.applications],
        "evidence": None if row.evidence is None else msgspec.to_builtins(row.evidence),
    }


def _place(place: Place) -> dict[str, Any]:
    return {
        "cluster": _text(place.cluster),
        "namespace": _text(place.namespace),
        "name": whole(place.name),
        "field": whole(place.field),
        "file": _text(place.file),
        "line": place.line,
    }


def _not_looked_at(item: NotLookedAt) -> dict[str, Any]:
    return {**_place(item.place), "what": whole(item.what), "why": whole(item.why)}


def _application(row: ApplicationRow) -> dict[str, Any]:
    return {
        "cluster": _text(row.cluster),
        "kind": whole(row.kind),
        "namespace": whole(row.namespace),
        "name": whole(row.name),
        "repository": whole(row.repository),
        "credential": _place(row.credential) if row.credential else None,
        "wouldSync": row.would_sync,
        "message": _text(row.message),
    }


def _text(text: str) -> str | None:
    return whole(text) if text else None
