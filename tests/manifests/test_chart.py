"""The chart's own promises: its values and their schema, the platform's values file, and what it never does."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import webhook
from tests.manifests.conftest import Template
from tests.manifests.rendered import CHART, MANIFESTS, Object, RenderingFailed, by_key
from tests.manifests.values_schema import FILE, text
from webhook.settings.source import parse_settings

ROOT = MANIFESTS.parent

PLATFORM: dict[str, Any] = {
    "global": {
        "codefresh": {"accountId": "acme"},
        "runtime": {"name": "acme", "gitCredentials": {"password": {"value": "planted-value-that-is-no-token"}}},
    },
    "installer": {"skipValidation": True, "image": {"tag": "1"}},
    "app-proxy": {"replicaCount": 1, "config": {"skipGitPermissionValidation": "true", "logLevel": "info"}},
    "argo-cd": {"enabled": True},
    "sealed-secrets": {"keyrenewperiod": "720h"},
    "codefreshWorkflowLogStoreCM": {"enabled": True},
    "internal-router": {"replicaCount": 1},
}
"""As the platform's values file is laid out."""


def configuration(objects: list[Object]) -> str:
    text = by_key(objects)["ConfigMap", "git-token-webhook"]["data"]["config.yaml"]
    assert isinstance(text, str)
    return text


def test_it_has_the_version_of_the_project() -> None:
    """A release has one image and one chart, of one version; the overlays install that image."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    images = [
        image["newTag"]
        for place in ("base", "components/audit")
        for image in yaml.safe_load((MANIFESTS / place / "kustomization.yaml").read_text())["images"]
    ]
    assert {project, webhook.__version__, chart["version"], chart["appVersion"], *images} == {project}


def test_the_schema_is_that_of_the_code() -> None:
    """A key was added to the configuration, or to the chart: python -m tests.manifests.values_schema"""
    assert FILE.read_text() == text()


def test_every_value_is_explained() -> None:
    """Each key of values.yaml stands below a comment of its own, or in a block that has one."""
    lines = (CHART / "values.yaml").read_text().splitlines()
    blocks = "\n".join(lines).split("\n\n")
    unexplained = [block for block in blocks if not block.lstrip().startswith("#") and "#" not in block]
    # What Kubernetes itself explains.
    known = {"imagePullSecrets", "image", "autoscaling", "resources", "podDisruptionBudget", "podAnnotations"}
    assert {block.partition(":")[0] for block in unexplained} <= known


def test_the_platforms_values_can_be_given_to_it(template: Template) -> None:
    """Its two skip flags count, at the paths where it has them."""
    settings = parse_settings(configuration(template(PLATFORM)))
    assert settings.installer.skip_validation is True
    assert settings.app_proxy.config.skip_git_permission_validation == "true"


def test_nothing_else_of_the_platforms_values_is_passed_on(template: Template) -> None:
    """It may hold a Git token in clear, which has no business in any object of ours."""
    assert "planted" not in str(template(PLATFORM))
    flags = {"installer": {"skipValidation": True}, "app-proxy": {"config": {"skipGitPermissionValidation": "true"}}}
    assert template(PLATFORM) == template(flags)


@pytest.mark.parametrize(
    "values",
    [
        {"config": None, "installer": None, "app-proxy": None},
        {"config": {"encryption": None}, "app-proxy": {"config": None}},
        {"webhooks": {"excludedNamespaces": None, "conditions": None}},
    ],
)
def test_a_section_with_nothing_below_it_says_nothing(values: dict[str, Any], template: Template) -> None:
    """All of its lines may be commented out; the key ring stays in use, and nothing is skipped."""
    settings = parse_settings(configuration(template(values)))
    assert settings.encryption.keys_dir == Path("/etc/git-token-webhook/keys")
    assert settings.installer.skip_validation is False
    assert settings.app_proxy.config.skip_git_permission_validation == "false"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"autoscalling": {}}, "'autoscalling' not allowed"),
        ({"config": {"onUnverifed": "warn"}}, "'onUnverifed' not allowed"),
        ({"config": {"installer": {"skipValidation": True}}}, "'installer' not allowed"),
        ({"certificates": {"mode": "self"}}, "value must be one of 'own', 'cert-manager', 'provided'"),
        ({"certificates": {"mode": "provided"}}, "certificates.caBundle: with mode provided"),
        ({"certificates": {"mode": "provided", "caBundle": "/etc/ca.crt"}}, "BEGIN CERTIFICATE"),
        ({"webhooks": {"timeoutSeconds": 31}}, "maximum"),
        ({"config": {"rules": [{"name": "all", "role": "user", "names": ["*"]}]}}, "all: names that begin with a wild"),
        ({"config": {"rules": [{"name": "odd", "role": "user", "labels": {"a": "' || true"}}]}}, "odd: no label can"),
    ],
)
def test_a_wrong_value_is_refused(values: dict[str, Any], complaint: str, template: Template) -> None:
    """Before anything reaches the cluster, by a message that names it."""
    with pytest.raises(RenderingFailed, match=complaint):
        template(values)


def test_a_rule_of_each_role_has_its_condition(template: Template) -> None:
    """Types that Kubernetes defines are left out for users' tokens alone."""
    rules = [
        {"name": "argo", "role": "runtime", "labels": {"argocd.argoproj.io/secret-type": "repository"}},
        {"name": "mine", "role": "user", "names": ["my-git-*"]},
    ]
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        (found,) = (one for one in template({"config": {"rules": rules}}) if one["kind"] == kind)
        (condition,) = found["webhooks"][0]["matchConditions"]
        runtime, users = condition["expression"].split("((o.metadata", 1)
        assert "'argocd.argoproj.io/secret-type'].orValue('') == 'repository'" in runtime
        assert "my-git-" not in runtime
        assert "startsWith('my-git-')" in users.partition("!(o.?type")[0]


def test_all_of_the_configuration_can_be_said(template: Template) -> None:
    """What stands under `config` is the configuration file."""
    wanted: dict[str, Any] = {"mode": "warn", "onUnverified": "warn", "builtinRules": False}
    wanted["providers"] = [{"host": "git.acme.dev", "kind": "github"}]
    settings = parse_settings(configuration(template({"config": wanted})))
    assert settings.mode == "warn"
    assert settings.on_unverified == "warn"
    assert settings.builtin_rules is False
    assert settings.hosts().find("git.acme.dev") is not None
    assert settings.encryption.keys_dir == Path("/etc/git-token-webhook/keys")


def test_what_a_cluster_asks_of_its_pods_can_be_said(template: Template) -> None:
    """Where they run, what they carry, and what else they see."""
    variable = {"name": "NO_PROXY", "value": "10.96.0.1"}
    volume, mount = {"name": "ca", "secret": {"secretName": "acme-ca"}}, {"name": "ca", "mountPath": "/etc/ca"}
    wanted: dict[str, Any] = {
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
    }
    more = {"podLabels": {"team": "a"}, "podAnnotations": {"note": "b"}, "env": [variable]}
    volumes = {"extraVolumes": [volume], "extraVolumeMounts": [mount], "podSecurityContext": {"runAsUser": None}}
    pod = by_key(template({**wanted, **more, **volumes}))["Deployment", "git-token-webhook"]["spec"]["template"]
    assert wanted.items() <= pod["spec"].items()
    assert pod["metadata"]["labels"]["team"] == "a"
    assert pod["metadata"]["annotations"] == {"linkerd.io/inject": "disabled", "note": "b"}
    containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    assert [container["env"] for container in containers] == 3 * [[variable]]
    assert volume in pod["spec"]["volumes"]
    assert mount in containers[-1]["volumeMounts"]
    assert pod["spec"]["securityContext"].keys() == {"runAsNonRoot", "runAsGroup", "fsGroup", "seccompProfile"}


def test_what_is_switched_off_is_not_there(template: Template) -> None:
    """Each optional object goes with its value."""
    off: dict[str, Any] = {
        "namespace": {"create": False},
        "autoscaling": {"enabled": False},
        "priorityClass": {"create": False, "name": "system-cluster-critical"},
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"enabled": False},
    }
    kinds = {one["kind"] for one in template()} - {one["kind"] for one in template(off)}
    assert kinds == {
        "Namespace",
        "HorizontalPodAutoscaler",
        "PriorityClass",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }
    deployment = by_key(template(off))["Deployment", "git-token-webhook"]
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["template"]["spec"]["priorityClassName"] == "system-cluster-critical"


def test_another_namespace_is_used_everywhere(template: Template) -> None:
    """Nothing of a release points at a namespace that isn't its own."""
    rendered = template({}, "--namespace", "elsewhere")
    places = [one["metadata"]["namespace"] for one in rendered if "namespace" in one["metadata"]]
    assert set(places) == {"elsewhere"}
    objects = by_key(rendered)
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        (hook,) = objects[kind, "git-token-webhook"]["webhooks"]
        assert hook["clientConfig"]["service"]["namespace"] == "elsewhere"
        assert hook["namespaceSelector"]["matchExpressions"][0]["values"] == ["kube-system", "elsewhere"]
    policy = str(objects["ValidatingAdmissionPolicy", "git-token-webhook"]["spec"])
    assert "'kubernetes.io/metadata.name': 'elsewhere'" in policy
    assert "system:serviceaccount:elsewhere:git-token-webhook" in policy
    assert "git-token-webhook/git-token-webhook" not in str(objects["Deployment", "git-token-webhook"]["spec"])
    assert "elsewhere/git-token-webhook" in str(objects["Deployment", "git-token-webhook"]["spec"])


def test_it_can_begin_with_a_few_namespaces(template: Template) -> None:
    """Those that somebody has put a label on; never our own, nor kube-system."""
    objects = by_key(template({"webhooks": {"namespaceLabels": {"tokens": "checked"}}}))
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        (hook,) = objects[kind, "git-token-webhook"]["webhooks"]
        assert hook["namespaceSelector"]["matchLabels"] == {"tokens": "checked"}
        (excluded,) = hook["namespaceSelector"]["matchExpressions"]
        assert excluded["values"] == ["kube-system", "git-token-webhook"]


def test_no_ca_bundle_of_somebody_else_is_touched(template: Template) -> None:
    """Who makes the certificates writes caBundle; an upgrade that said anything about it would put it back."""
    for mode in ("own", "cert-manager"):
        rendered = template({"certificates": {"mode": mode}})
        assert "caBundle" not in str([one for one in rendered if one["kind"].endswith("WebhookConfiguration")])


def test_no_secret_is_part_of_a_release(template: Template) -> None:
    """An upgrade would write its own over the key ring, and an uninstall would take it along."""
    for mode in ("own", "cert-manager"):
        assert "Secret" not in {one["kind"] for one in template({"certificates": {"mode": mode}})}
