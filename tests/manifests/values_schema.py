"""`python -m tests.manifests.values_schema` writes the chart's values.schema.json. In it `config` is the program's own
schema, so that what is misspelt there is refused before it reaches the cluster."""

import json
from pathlib import Path
from typing import Any

from webhook.settings.schema import schema as configuration_schema

FILE = Path(__file__).resolve().parents[2] / "manifests" / "chart" / "values.schema.json"

Schema = dict[str, Any]


def values_schema() -> Schema:
    """The schema of all values."""
    configuration = configuration_schema()
    definitions = configuration.pop("$defs", {})
    configuration.pop("$schema", None)
    # The platform's sections have their place at the top, and only there: who wrote both would be told by neither.
    for section in ("installer", "app-proxy", "global"):
        configuration["properties"].pop(section)
    return {
        # Which every Helm understands; nothing in it is newer.
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart git-token-webhook",
        "type": "object",
        "additionalProperties": False,
        # The platform's own values file may come along. Its components are called in-kebab-case, and none of ours is.
        "patternProperties": {"^(global|redis|codefresh[A-Za-z]*|[a-z0-9]+(-[a-z0-9]+)+)$": True},
        "properties": {
            "config": configuration,
            "installer": _platform({"skipValidation": _FLAG}),
            "app-proxy": _platform({"config": _platform({"skipGitPermissionValidation": _FLAG})}),
            "webhooks": _object(
                timeoutSeconds={"type": "integer", "minimum": 1, "maximum": 30},
                failurePolicy={"enum": ["Fail", "Ignore"]},
                excludedNamespaces=_list(_TEXT),
                namespaceLabels=_map(_TEXT_OR_EMPTY),
                conditions=_list(_TEXT),
            ),
            "certificates": _object(
                mode={"enum": ["own", "cert-manager", "provided"]},
                caBundle={"type": "string", "pattern": "^$|-----BEGIN CERTIFICATE-----"},
                certManager=_object(issuerRef=_ANY_OBJECT),
            ),
            "image": _object(
                repository=_TEXT,
                tag={"type": "string"},
                digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
                pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
            ),
            "imagePullSecrets": _list(_ANY_OBJECT),
            "autoscaling": _object(
                enabled=_BOOLEAN, minReplicas=_COUNT, maxReplicas=_COUNT, averageCpu={"type": ["string", "integer"]}
            ),
            "replicas": _COUNT,
            "resources": _ANY_OBJECT,
            "podSecurityContext": _ANY_OBJECT,
            "podAnnotations": _map(_TEXT_OR_EMPTY),
            "podLabels": _map(_TEXT_OR_EMPTY),
            "nodeSelector": _map(_TEXT_OR_EMPTY),
            "tolerations": _list(_ANY_OBJECT),
            "affinity": _ANY_OBJECT,
            "env": _list(_ANY_OBJECT),
            "extraVolumes": _list(_ANY_OBJECT),
            "extraVolumeMounts": _list(_ANY_OBJECT),
            "namespace": _object(create=_BOOLEAN),
            "priorityClass": _object(create=_BOOLEAN, name={"type": "string"}, value={"type": "integer"}),
            "podDisruptionBudget": _object(enabled=_BOOLEAN),
            "networkPolicy": _object(
                enabled=_BOOLEAN,
                apiServer=_list(_ANY_OBJECT),
                ports=_list({"type": "integer", "minimum": 1, "maximum": 65535}),
            ),
            "audit": _object(
                enabled=_BOOLEAN,
                replicas=_COUNT,
                interval={"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$"},
                resources=_ANY_OBJECT,
            ),
            "alerts": _object(enabled=_BOOLEAN, labels=_map(_TEXT_OR_EMPTY)),
            "serviceMonitor": _object(enabled=_BOOLEAN, interval=_TEXT, labels=_map(_TEXT_OR_EMPTY)),
        },
        "$defs": definitions,
    }


_TEXT: Schema = {"type": "string", "minLength": 1}
_TEXT_OR_EMPTY: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 1}
_ANY_OBJECT: Schema = {"type": "object"}
_FLAG: Schema = {"type": ["boolean", "string"]}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _platform(properties: dict[str, Schema]) -> Schema:
    """A section of the platform's, in which there may be more than we read."""
    return {"type": "object", "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def text() -> str:
    """The file as it should be."""
    return json.dumps(values_schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
