"""The manifests agree with the code: what the API server is told is what the program does."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from webhook.admission.models import API_VERSION
from webhook.decision import Stage
from webhook.exemptions import PLATFORM_CONFIG_MAP
from webhook.settings import BUILTIN_RULES, Rule, Settings

MANIFESTS = Path(__file__).resolve().parents[1] / "manifests" / "base"

STAGES = {Stage.MUTATE: "MutatingWebhookConfiguration", Stage.VALIDATE: "ValidatingWebhookConfiguration"}

ANSWERING_SECONDS = 1.0
"""Between our own deadline and the API server's: for the connection, the two TLS ends and the JSON."""


def documents(name: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all((MANIFESTS / name).read_text()) if document]


def only(name: str, kind: str, called: str = "git-token-webhook") -> dict[str, Any]:
    (found,) = (one for one in documents(name) if one["kind"] == kind and one["metadata"]["name"] == called)
    return found


def webhook(stage: Stage) -> dict[str, Any]:
    (found,) = only("webhooks.yaml", STAGES[stage])["webhooks"]
    assert isinstance(found, dict)
    return found


def clauses(rule: Rule) -> set[str]:
    """How a built-in rule reads in CEL, in the form that never errs. Each of them has one label or one glob."""
    for label, value in rule.labels.items():
        return {f"o.metadata.?labels[?'{label}'].orValue('') == '{value}'"}
    (glob,) = rule.names
    start = glob.removesuffix("*")
    assert "*" not in start, "only a prefix is simple enough for CEL's startsWith"
    unnamed = f"o.metadata.?generateName.orValue('').startsWith('{start}')"
    return {f"o.metadata.?name.orValue('').startsWith('{start}')", f"(o.metadata.?name.orValue('') == '' && {unnamed})"}


@pytest.mark.parametrize("stage", Stage)
def test_the_api_server_calls_the_path_of_the_stage(stage: Stage) -> None:
    """Each configuration names the Service of our namespace, its port and the path that serves this stage."""
    service = webhook(stage)["clientConfig"]["service"]
    assert service == {
        "namespace": only("namespace.yaml", "Namespace")["metadata"]["name"],
        "name": "git-token-webhook",
        "port": 443,
        "path": f"/{stage}",
    }


@pytest.mark.parametrize("stage", Stage)
def test_the_condition_says_the_builtin_rules(stage: Stage) -> None:
    """The API server calls for exactly the Secrets that the built-in rules match."""
    (condition,) = webhook(stage)["matchConditions"]
    text = condition["expression"]
    assert text.startswith("[object, oldObject].exists(o, o != null && ( ")
    assert text.endswith("))")
    inner = text.removeprefix("[object, oldObject].exists(o, o != null && ( ").removesuffix("))")
    said = [clause.strip() for clause in inner.split("||")]
    assert sorted(said) == sorted(set().union(*map(clauses, BUILTIN_RULES)))


@pytest.mark.parametrize("stage", Stage)
def test_a_decision_comes_before_the_api_server_gives_up(stage: Stage) -> None:
    """The API server waits longer than a decision takes at most by default."""
    seconds = Settings().limits.decision_timeout.total_seconds()
    assert webhook(stage)["timeoutSeconds"] >= seconds + ANSWERING_SECONDS


@pytest.mark.parametrize("stage", Stage)
def test_namespaced_secrets_alone_are_selected(stage: Stage) -> None:
    """CREATE and UPDATE of core/v1 Secrets, everywhere but in kube-system and our own namespace."""
    hook = webhook(stage)
    assert hook["rules"] == [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "resources": ["secrets"],
            "scope": "Namespaced",
            "operations": ["CREATE", "UPDATE"],
        }
    ]
    (expression,) = hook["namespaceSelector"]["matchExpressions"]
    assert expression["operator"] == "NotIn"
    assert expression["values"] == ["kube-system", only("namespace.yaml", "Namespace")["metadata"]["name"]]


@pytest.mark.parametrize("stage", Stage)
def test_the_reviews_are_those_that_the_code_reads(stage: Stage) -> None:
    """The one version of AdmissionReview that is understood, and no side effects, so that dry runs come, too."""
    hook = webhook(stage)
    assert [f"admission.k8s.io/{version}" for version in hook["admissionReviewVersions"]] == [API_VERSION]
    assert hook["sideEffects"] == "None"
    assert hook["matchPolicy"] == "Equivalent"


def test_validating_alone_enforces() -> None:
    """No answer refuses a write at the validating stage and nowhere else."""
    assert webhook(Stage.VALIDATE)["failurePolicy"] == "Fail"
    assert webhook(Stage.MUTATE)["failurePolicy"] == "Ignore"
    assert webhook(Stage.MUTATE)["reinvocationPolicy"] == "IfNeeded"


def test_the_two_stages_select_the_same() -> None:
    """What is marked is what is enforced."""
    selecting = ("rules", "matchConditions", "matchPolicy", "namespaceSelector", "timeoutSeconds")
    mutating, validating = webhook(Stage.MUTATE), webhook(Stage.VALIDATE)
    assert {key: mutating[key] for key in selecting} == {key: validating[key] for key in selecting}


def test_the_server_has_only_the_rights_that_it_uses() -> None:
    """Each question to the API server has its rule; no Secret can be read but the key ring, which is its own."""
    assert only("rbac.yaml", "ClusterRole")["rules"] == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [PLATFORM_CONFIG_MAP], "verbs": ["get"]},
        {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
        {"apiGroups": ["argoproj.io"], "resources": ["applications"], "verbs": ["list"]},
    ]
    assert only("rbac.yaml", "Role")["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["git-token-webhook-keys"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
    ]


def test_only_the_server_has_them() -> None:
    """The roles are bound to our own ServiceAccount, and the right to skip to nobody."""
    bindings = [one for one in documents("rbac.yaml") if one["kind"].endswith("Binding")]
    account = only("rbac.yaml", "ServiceAccount")["metadata"]
    subject = {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    assert [binding["roleRef"]["name"] for binding in bindings] == 2 * ["git-token-webhook"]
    assert [binding["subjects"] for binding in bindings] == 2 * [[subject]]


def test_the_right_to_skip_can_be_bound() -> None:
    """A role for administrators to bind, which gives that one right."""
    role = only("rbac.yaml", "ClusterRole", "git-token-webhook-skip-validation")
    assert role["rules"] == [{"apiGroups": ["git-token-webhook"], "resources": ["validations"], "verbs": ["skip"]}]
