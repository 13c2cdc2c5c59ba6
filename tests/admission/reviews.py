"""AdmissionReviews as an API server of Kubernetes 1.36 sends them."""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from typing import Any

UID = "705ab4f5-6393-11e8-b7cc-42010a800002"

_SECRETS = {"group": "", "version": "v1", "resource": "secrets"}
_SECRET = {"group": "", "version": "v1", "kind": "Secret"}


def make_object(**changes: Any) -> dict[str, Any]:
    """A Secret; `changes` go into its metadata, except for `data`, `stringData`, `type` and `kind`."""
    secret: dict[str, Any] = {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {
            "name": "git-default-a1",
            "namespace": "platform",
            "uid": "0d5d4a8e-0000-4000-8000-000000000000",
            "resourceVersion": "42",
            "creationTimestamp": "2026-11-23T10:00:00Z",
            "labels": {"team": "apps"},
            "managedFields": [
                {
                    "manager": "kubectl-create",
                    "operation": "Update",
                    "apiVersion": "v1",
                    "time": "2026-11-23T10:00:00Z",
                    "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:data": {".": {}, "f:token": {}}, "f:type": {}},
                }
            ],
        },
        "data": {"token": base64.b64encode(b"not a real one").decode()},
        "type": "Opaque",
    }
    for key, value in changes.items():
        place = secret if key in ("data", "stringData", "type", "kind") else secret["metadata"]
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    return secret


def make_review(**changes: Any) -> dict[str, Any]:
    """A CREATE; `changes` go into its request."""
    request: dict[str, Any] = {
        "uid": UID,
        "kind": _SECRET,
        "resource": _SECRETS,
        "requestKind": _SECRET,
        "requestResource": _SECRETS,
        "name": "git-default-a1",
        "namespace": "platform",
        "operation": "CREATE",
        "userInfo": {
            "username": "system:serviceaccount:platform:cap-app-proxy",
            "uid": "4f8a",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "extra": {"authentication.kubernetes.io/credential-id": ["JTI=1"]},
        },
        "object": make_object(),
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    }
    request |= changes
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": deepcopy(request)}


def without(review: dict[str, Any], *path: str) -> dict[str, Any]:
    """The same without one of its keys."""
    changed = deepcopy(review)
    place = changed
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return changed


def as_go_writes(review: Any) -> bytes:
    """Compact, <, > and & escaped, with a line break at the end."""
    text = json.dumps(review, separators=(",", ":"), ensure_ascii=False)
    return (text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026") + "\n").encode()
