"""The conversion of a Secret's state to a PolicyReport or an OpenReports Report, and back.

Both kinds differ in their names and in one field (CRDs of policyreport v1alpha2 and openreports v1alpha1). By its owner
reference, a report is deleted with its Secret. It has a bounded size, and holds no part of a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

from webhook.audit.watch.state import Entry, Known, Result, State, sorted_entries
from webhook.cluster.objects import Json, Resource
from webhook.names import MANAGED_BY, NAME_LABEL, REPORT_JUDGED_BY, REPORT_LEFT_OUT, REPORT_SECRET_VERSION

OPEN_REPORTS = Resource("apis/openreports.io/v1alpha1", "Report", "reports")
POLICY_REPORTS = Resource("apis/wgpolicyk8s.io/v1alpha2", "PolicyReport", "policyreports")
KINDS = (OPEN_REPORTS, POLICY_REPORTS)
"""In order of preference: OpenReports is the successor of PolicyReports."""

SOURCE = "git-token-webhook"
SELECTOR = f"{MANAGED_BY}={SOURCE}"
MOST_RESULTS = 100
"""Results in one report. With the longest messages, this is a tenth of etcd's limit."""

_POLICY = "git-token"
_SEVERITIES: Mapping[Result, str] = {"fail": "high", "warn": "medium", "error": "medium"}


def name_of(uid: str) -> str:
    """Return the name of the report on a Secret. Kyverno's reports are named by the uid alone."""
    return f"{SOURCE}-{uid}"


def document(known: Known, resource: Resource) -> Json:
    """Return the report as the object to create."""
    left_out = len(known.entries) - MOST_RESULTS
    annotations = {REPORT_SECRET_VERSION: known.version, REPORT_JUDGED_BY: known.judged_by}
    if left_out > 0:
        annotations[REPORT_LEFT_OUT] = str(left_out)
    owner = {"apiVersion": "v1", "kind": "Secret", "name": known.name, "uid": known.uid}
    return {
        "metadata": {
            "name": name_of(known.uid),
            "namespace": known.namespace,
            "labels": {MANAGED_BY: SOURCE, NAME_LABEL: SOURCE},
            "annotations": annotations,
            "ownerReferences": [owner],
        },
        **({"source": SOURCE} if resource is OPEN_REPORTS else {}),
        "scope": {**owner, "namespace": known.namespace},
        "summary": known.summary,
        "results": [_result(entry) for entry in known.entries[:MOST_RESULTS]],
    }


def _result(entry: Entry) -> Json:
    severity = _SEVERITIES.get(entry.result)
    properties = {
        "field": entry.field,
        "state": entry.state,
        "told": entry.reported or "",
        "outcomes": ", ".join(f"{role}={outcome}" for role, outcome in entry.outcomes),
        "provider": entry.provider,
        "host": entry.host,
        "account": entry.account,
        "tokenType": entry.token_type,
        "expiresAt": entry.expires_at.isoformat() if entry.expires_at is not None else "",
        "shortLived": "true" if entry.short_lived else "",
    }
    return {
        "source": SOURCE,
        "policy": _POLICY,
        **({"rule": entry.rules} if entry.rules else {}),
        "category": "Git tokens",
        "result": entry.result,
        **({"severity": severity} if severity else {}),
        "scored": True,
        **({"message": entry.message} if entry.message else {}),
        "timestamp": {"seconds": int(entry.since.timestamp()), "nanos": 0},
        "properties": {key: str(value) for key, value in properties.items() if value},
    }


def known_from(found: Json) -> Known | None:
    """Return the state in a report; None if it is incomplete, or was written by another program."""
    try:
        metadata = found["metadata"]
        annotations, scope = metadata.get("annotations") or {}, found["scope"]
        if REPORT_LEFT_OUT in annotations or metadata["name"] != name_of(scope["uid"]):
            return None
        return Known(
            scope["uid"],
            metadata["namespace"],
            scope["name"],
            annotations.get(REPORT_SECRET_VERSION, ""),
            annotations.get(REPORT_JUDGED_BY, ""),
            sorted_entries(_entry(result) for result in found.get("results") or ()),
        )
    except (KeyError, ValueError, TypeError, AttributeError):  # another program wrote it
        return None


def _entry(result: Mapping[str, Any]) -> Entry:
    properties: Mapping[str, str] = result["properties"]
    outcomes = [pair.partition("=") for pair in properties.get("outcomes", "").split(", ") if pair]
    end = properties.get("expiresAt")
    told = properties.get("told")
    if result["result"] not in get_args(Result):
        raise ValueError
    return Entry(
        properties["field"],
        State(properties["state"]),
        result["result"],
        datetime.fromtimestamp(result["timestamp"]["seconds"], UTC),
        State(told) if told else None,
        tuple((role, outcome) for role, _, outcome in outcomes),
        rules=result.get("rule", ""),
        provider=properties.get("provider", ""),
        host=properties.get("host", ""),
        account=properties.get("account", ""),
        token_type=properties.get("tokenType", ""),
        expires_at=datetime.fromisoformat(end) if end else None,
        short_lived=properties.get("shortLived") == "true",
        message=result.get("message", ""),
    )
