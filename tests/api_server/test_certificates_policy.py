"""With own certificates, the server changes `caBundle` of webhook configurations and nothing else, by the word of the
API server: the right to update one would let it send every object of the cluster to any URL."""

import base64
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.api_server.control_plane import ControlPlane, as_yaml, wait_until
from tests.manifests.rendered import MANIFESTS

NAME = "git-token-webhook-certificates"
OVERLAY = MANIFESTS / "overlays" / "own-certificates"
ACCOUNT = "system:serviceaccount:git-token-webhook:git-token-webhook"
KINDS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
BUNDLE = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n").decode()

Object = dict[str, Any]
Change = Callable[[Object], object]


class Configurations:
    """Webhook configurations like ours that select nothing, and the rights that the server has to them."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        documents = yaml.safe_load_all((MANIFESTS / "base" / "webhooks.yaml").read_text())
        self.made = {document["kind"]: self._harmless(document) for document in documents}
        (rights, binding) = self._rights()
        policy = list(yaml.safe_load_all((OVERLAY / "admission-policy.yaml").read_text()))
        self.objects = [rights, binding, *policy, *self.made.values()]

    def update(self, kind: str, change: Change, *options: str) -> str:
        """Replace a configuration with a changed one, in a dry run; what went wrong, or nothing."""
        document = json.loads(self._control_plane.kubectl("get", kind, self._name(kind), "-o", "json").stdout)
        change(document)
        arguments = ("replace", "--dry-run=server", "-f", "-", *(options or (f"--as={ACCOUNT}",)))
        done = self._control_plane.kubectl(*arguments, input=json.dumps(document), check=False)
        return done.stderr if done.returncode else ""

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """What went wrong, or nothing."""
        done = self._control_plane.kubectl(*arguments, f"--as={ACCOUNT}", check=False, **options)
        return done.stderr if done.returncode else ""

    def _name(self, kind: str) -> str:
        name: str = self.made[kind]["metadata"]["name"]
        return name

    @staticmethod
    def _harmless(document: Object) -> Object:
        made = copy.deepcopy(document)
        made["metadata"]["name"] = "policy-test"
        (hook,) = made["webhooks"]
        hook["namespaceSelector"] = {"matchLabels": {"no-namespace": "has-this"}}
        return made

    @staticmethod
    def _rights() -> tuple[Object, Object]:
        group = "rbac.authorization.k8s.io"
        rule = {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
            "verbs": ["*"],
        }
        metadata = {"name": "policy-test"}
        role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": [rule]}
        binding = {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "policy-test"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": ACCOUNT}],
        }
        return role, binding


@pytest.fixture(scope="module")
def configurations(control_plane: ControlPlane) -> Iterator[Configurations]:
    """Once the policy counts, which takes a second or two. The server has more rights here than the manifests give it,
    so that the policy alone decides."""
    made = Configurations(control_plane)
    for one in made.objects:  # not applied: kubectl would keep their annotation, and change it with them
        control_plane.kubectl("create", "-f", "-", input=as_yaml(one))
    try:
        wait_until(lambda: "nothing but caBundle" in made.update(KINDS[0], labelled), message="the policy to count")
        yield made
    finally:
        control_plane.delete(made.objects)


def hook(document: Object) -> Object:
    (found,) = document["webhooks"]
    assert isinstance(found, dict)
    return found


def labelled(document: Object) -> None:
    document["metadata"].setdefault("labels", {})["added"] = "yes"


def added(document: Object) -> None:
    document["webhooks"].append({**hook(document), "name": "another.git-token-webhook.svc"})


def to_url(document: Object) -> None:
    hook(document)["clientConfig"] = {"url": "https://mallory.dev/all", "caBundle": BUNDLE}


CHANGES: dict[str, Change] = {
    "url": to_url,
    "service": lambda one: hook(one)["clientConfig"]["service"].update(name="mallory"),
    "namespace of the service": lambda one: hook(one)["clientConfig"]["service"].update(namespace="mallory"),
    "path": lambda one: hook(one)["clientConfig"]["service"].update(path="/other"),
    "port": lambda one: hook(one)["clientConfig"]["service"].update(port=8443),
    "rules": lambda one: hook(one)["rules"][0].update(resources=["*"]),
    "no rules": lambda one: hook(one).pop("rules"),
    "operations": lambda one: hook(one)["rules"][0].update(operations=["*"]),
    "failurePolicy": lambda one: hook(one).update(
        failurePolicy="Ignore" if hook(one)["failurePolicy"] == "Fail" else "Fail"
    ),
    "matchPolicy": lambda one: hook(one).update(matchPolicy="Exact"),
    "matchConditions": lambda one: hook(one).update(matchConditions=[{"name": "all", "expression": "true"}]),
    "no matchConditions": lambda one: hook(one).pop("matchConditions"),
    "namespaceSelector": lambda one: hook(one).update(namespaceSelector={}),
    "objectSelector": lambda one: hook(one).update(objectSelector={"matchLabels": {"a": "b"}}),
    "timeoutSeconds": lambda one: hook(one).update(timeoutSeconds=29),
    "admissionReviewVersions": lambda one: hook(one).update(admissionReviewVersions=["v1", "v1beta1"]),
    "sideEffects": lambda one: hook(one).update(
        sideEffects="NoneOnDryRun" if hook(one)["sideEffects"] == "None" else "None"
    ),
    "name": lambda one: hook(one).update(name="other.git-token-webhook.svc"),
    "one more webhook": added,
    "no webhook": lambda one: one.update(webhooks=[]),
    "label": labelled,
    "annotation": lambda one: one["metadata"].setdefault("annotations", {}).update(added="yes"),
    "finalizer": lambda one: one["metadata"].update(finalizers=["mallory.dev/stays"]),
    "owner": lambda one: one["metadata"].update(
        ownerReferences=[{"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "1"}]
    ),
}


def with_bundle(document: Object) -> None:
    hook(document)["clientConfig"]["caBundle"] = BUNDLE


@pytest.mark.parametrize("kind", KINDS)
def test_ca_bundle_may_change(configurations: Configurations, kind: str) -> None:
    """Put in, and taken away."""
    assert configurations.update(kind, with_bundle) == ""
    assert configurations.update(kind, lambda one: hook(one)["clientConfig"].pop("caBundle", None)) == ""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_nothing_else_may(configurations: Configurations, kind: str, change: Change) -> None:
    """Also together with caBundle."""
    assert "may change nothing but caBundle" in configurations.update(kind, change)

    def both(document: Object) -> None:
        change(document)
        for one in document["webhooks"]:
            one["clientConfig"]["caBundle"] = BUNDLE

    assert "may change nothing but caBundle" in configurations.update(kind, both)


def test_reinvocation_policy_may_not(configurations: Configurations) -> None:
    """Only a mutating configuration has one."""

    def change(document: Object) -> None:
        one = hook(document)
        one["reinvocationPolicy"] = "Never" if one["reinvocationPolicy"] == "IfNeeded" else "IfNeeded"

    assert "may change nothing but caBundle" in configurations.update(KINDS[0], change)


@pytest.mark.parametrize("kind", KINDS)
def test_a_patch_is_no_way_around(configurations: Configurations, kind: str) -> None:
    """Nor is server-side apply, or an older version of the API group: there is one policy for all of them."""
    patch = json.dumps([{"op": "replace", "path": "/webhooks/0/rules/0/resources", "value": ["*"]}])
    refused = configurations.kubectl("patch", kind, "policy-test", "--type=json", "--dry-run=server", "-p", patch)
    assert "may change nothing but caBundle" in refused
    document = configurations.made[kind]
    rules = {"rules": [{**hook(document)["rules"][0], "resources": ["*"]}]}
    applied = as_yaml({**document, "webhooks": [hook(document) | rules]})
    arguments = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    assert "may change nothing but caBundle" in configurations.kubectl(*arguments, input=applied)


@pytest.mark.parametrize("kind", KINDS)
def test_none_may_be_made_or_deleted(configurations: Configurations, kind: str) -> None:
    """RBAC says so already, and here it has said otherwise."""
    document = {**configurations.made[kind], "metadata": {"name": "policy-test-other"}}
    refused = configurations.kubectl("create", "--dry-run=server", "-f", "-", input=as_yaml(document))
    assert "may neither create nor delete" in refused
    refused = configurations.kubectl("delete", kind, "policy-test", "--dry-run=server")
    assert "may neither create nor delete" in refused


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [labelled, to_url, added], ids=["label", "url", "one more webhook"])
def test_nobody_else_is_asked(configurations: Configurations, kind: str, change: Change) -> None:
    """Whoever installs or upgrades changes what they like."""
    assert configurations.update(kind, change, "--as=alice", "--as-group=system:masters") == ""
