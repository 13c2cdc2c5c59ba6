"""Reports as SARIF 2.1.0 for code scanning and editors.

Each outcome has a rule, and each finding is a result. Entries without findings are not results.
Source: OASIS, Static Analysis Results Interchange Format (SARIF) 2.1.0.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePath
from typing import Any, TextIO
from urllib.parse import quote

from webhook import __version__
from webhook.providers.findings import Outcome
from webhook.report.advice import advice, rank
from webhook.report.document import timestamp
from webhook.report.model import NotLookedAt, Place, Report, Row, Severity
from webhook.text import STANDARD_INPUT, shown

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

_RULES: dict[Outcome, tuple[str, str, str]] = {
    Outcome.INSUFFICIENT: (
        "error",
        "A Git token lacks something that its role needs",
        "Its provider accepts it. Create a token with what is missing, and replace this one with it.",
    ),
    Outcome.INVALID: (
        "error",
        "A Git token is invalid",
        "It is wrong, revoked or expired. Create a new token, and replace this one with it.",
    ),
    Outcome.BLOCKED: (
        "error",
        "A Git token is valid but blocked",
        "Causes are single sign-on, a token policy, an IP allow list or a suspension. Remove the block, or replace the "
        "token.",
    ),
    Outcome.UNVERIFIED: (
        "warning",
        "A Git token could not be verified",
        "It may be valid or invalid. The message says what to change, or whether to retry.",
    ),
    Outcome.UNSUPPORTED: (
        "warning",
        "A Git credential is of a kind that cannot be checked",
        "Examples are an SSH key or a cloud identity. Verify yourself that it works.",
    ),
    Outcome.UNKNOWN_HOST: (
        "warning",
        "A Git token is for a host that is not declared, so it was not checked",
        "Declare the host under providers: in the configuration, or correct the URL.",
    ),
    Outcome.MALFORMED: (
        "error",
        "A value that should hold a Git token is malformed",
        "Write it again in a valid format.",
    ),
    Outcome.SKIPPED: (
        "note",
        "A Git token is not checked, because a permitted skip flag applies",
        "Remove the skip when it is no longer needed.",
    ),
    Outcome.SUFFICIENT: (
        "warning",
        "A Git token is sufficient, but has a warning",
        "Examples are that it expires soon, or that the webhook never checked it.",
    ),
}
_INDEX = {outcome: index for index, outcome in enumerate(_RULES)}


def write_sarif(report: Report, stream: TextIO) -> None:
    """Write one run."""
    json.dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(report)]}, stream, indent=2)
    stream.write("\n")


def _run(report: Report) -> dict[str, Any]:
    notifications = [{"level": "error", "message": _message(problem)} for problem in report.problems]
    notifications += [_unseen(item) for item in report.not_looked_at]
    return {
        "tool": {
            "driver": {
                "name": "git-token-webhook",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(outcome) for outcome in _RULES],
            }
        },
        "automationDetails": {"id": f"git-token-webhook/{report.command}/"},
        "invocations": [
            {
                "executionSuccessful": report.complete,
                "startTimeUtc": timestamp(report.started_at),
                "endTimeUtc": timestamp(report.finished_at),
                "toolExecutionNotifications": notifications,
            }
        ],
        "columnKind": "utf16CodeUnits",
        "results": [_result(row, report) for row in sorted(report.rows, key=rank) if row.severity is not Severity.NONE],
    }


def _rule(outcome: Outcome) -> dict[str, Any]:
    level, what, todo = _RULES[outcome]
    return {
        "id": _id(outcome),
        "name": "".join(word.capitalize() for word in _id(outcome).split("-")),
        "shortDescription": {"text": f"{what}."},
        "fullDescription": {"text": f"{what}. {todo}"},
        "help": {"text": todo},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["security", "git", "kubernetes"]},
    }


def _id(outcome: Outcome) -> str:
    return f"git-token-{outcome}"


def _result(row: Row, report: Report) -> dict[str, Any]:
    todo = advice(row, report.finished_at)
    sentences = [row.finding, *row.warnings, todo, row.remedy if row.remedy not in todo else ""]
    text = " ".join(sentence for sentence in sentences if sentence) or f"This token is {row.outcome}."
    result: dict[str, Any] = {
        "ruleId": _id(row.outcome),
        "ruleIndex": _INDEX[row.outcome],
        "level": row.severity.value,
        "message": _message(f"{row.place.secret}, {row.place.field}: {text}"),
        "locations": [_location(row.place)],
        "partialFingerprints": {"gitTokenWebhook/v1": _fingerprint(row)},
        "properties": {
            name: shown(value)
            for name, value in (
                ("roles", ", ".join(row.roles)),
                ("user", row.user),
                ("provider", row.provider),
                ("host", row.host),
                ("account", row.account),
                ("expiresAt", timestamp(row.expires_at) if row.expires_at else ""),
            )
            if value
        },
    }
    return result


def _unseen(item: NotLookedAt) -> dict[str, Any]:
    return {
        "level": "warning",
        "message": _message(f"{item.place.secret}, {item.what}: {item.why}"),
        "locations": [_location(item.place)],
    }


def _location(place: Place) -> dict[str, Any]:
    location: dict[str, Any] = {
        "logicalLocations": [
            {
                "name": shown(place.field),
                "fullyQualifiedName": shown(f"{place.secret}/{place.field}"),
                "kind": "resource",
            }
        ]
    }
    if place.file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file)}}
        if place.line:
            physical["region"] = {"startLine": place.line}
        location["physicalLocation"] = physical
    return location


def _uri(file: str) -> str:
    """Return a relative URI for a relative path, as code scanning expects, and ``stdin`` for standard input."""
    if file == STANDARD_INPUT:
        return "stdin"
    path = PurePath(file).as_posix()
    quoted = quote(path, safe="/", errors="replace")
    if path.startswith("/"):
        return f"file://{quoted}"
    return quoted


def _fingerprint(row: Row) -> str:
    """Return a fingerprint of location and outcome, so that later runs find the same finding. The token is no part."""
    place = row.place
    parts = (place.file, place.cluster, place.namespace, place.name, place.field, row.outcome.value, *row.roles)
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()


def _message(text: str) -> dict[str, str]:
    """Return a message with placeholders (3.11.5) and links (3.11.6) escaped."""
    return {"text": shown(text).replace("{", "{{").replace("}", "}}").replace("](", "] (")}
