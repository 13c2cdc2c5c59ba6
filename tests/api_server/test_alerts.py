"""Two alerts ask for metrics of the API server: these are what it really counts when it can't call a webhook."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.alerts.test_alerts import RULES
from tests.api_server.conftest import Apply
from tests.api_server.control_plane import ControlPlane, wait_until
from tests.support.ports import free_port


def series(control_plane: ControlPlane, metric: str, webhook: str) -> list[dict[str, str]]:
    """The labels of a webhook's series that count something."""
    text = control_plane.kubectl("get", "--raw", "/metrics").stdout
    found = re.findall(rf"^{metric}{{(.*)}} [1-9]", text, re.MULTILINE)
    labels = [dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in found]
    return [one for one in labels if one.get("name") == webhook]


def asked_for(alert: str) -> tuple[str, dict[str, str]]:
    """The metric that an alert asks for, with the labels that it wants of it."""
    (rule,) = (rule for rule in RULES if rule["alert"] == alert)
    (found,) = re.findall(r"(apiserver_\w+){(.*?)}", rule["expr"])
    return found[0], dict(re.findall(r'(\w+)=~?"([^"]*)"', found[1]))


@pytest.mark.parametrize(
    ("alert", "policy"), [("GitTokenWebhookCallsFail", "Fail"), ("GitTokenWebhookFailsOpen", "Ignore")]
)
def test_a_call_that_fails_is_counted_as_the_alert_asks(
    control_plane: ControlPlane, namespace: str, apply: Apply, alert: str, policy: str
) -> None:
    """By the same metric, with a name that the alert's pattern matches, and with its other labels."""
    webhook = f"{policy.lower()}-{namespace}.git-token-webhook.svc"
    configuration: dict[str, Any] = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"{policy.lower()}-{namespace}"},
        "webhooks": [
            {
                "name": webhook,
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": policy,
                "timeoutSeconds": 1,
                "clientConfig": {"url": f"https://127.0.0.1:{free_port()}/validate"},
                "rules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            }
        ],
    }
    apply(configuration)
    metric, wanted = asked_for(alert)
    tries = iter(range(1000))

    def counted() -> bool:
        control_plane.kubectl("create", "configmap", f"try-{next(tries)}", "-n", namespace, check=False)
        return bool(series(control_plane, metric, webhook))

    wait_until(counted, 20, message="a failed call to be counted")
    for labels in series(control_plane, metric, webhook):
        assert all(re.fullmatch(pattern, labels[label]) for label, pattern in wanted.items())
        assert "type" in labels
