"""What is known of a Secret as a PolicyReport or an OpenReports Report, and back.

The two differ in name, and in one field (policyreport v1alpha2 and openreports v1alpha1, their CRDs). A report goes
with its Secret by its owner reference; it is bounded, and holds nothing of a token.
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
"""The one to be preferred first: OpenReports is what PolicyReports become."""

SOURCE = "git-token-webhook"
SELECTOR = f"{MANAGED_BY}={SOURCE}"
MOST_RESULTS = 100
"""Of one report: with messages as long as they may be, a tenth of what etcd takes."""

_POLICY = "git-token"
_SEVERITIES: Mapping[Result, str] = {"fail": "high", "warn": "medium", "error": "medium"}


def name_of(uid: str) -> str:
    """Of the report on a Secret. Kyverno's are called by the uid alone."""
    return f"{SOURCE}-{uid}"


def document(known: Known, resource: Resource) -> Json:
    """The report, as `ApiObjects.create` takes it."""
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
        "told": entry.told or "",
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
    """What a report of ours says; None where it isn't whole, or no such report."""
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
    except (KeyError, ValueError, TypeError, AttributeError):  # somebody else has written it
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
