"""Installing, upgrading and uninstalling by the commands that people use, on a real API server of these tests' own.

There is no node: what pods do then is shown by tests/e2e. Here it is what the API server accepts, keeps and forgets.
"""

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api_server.binaries import find_or_build
from tests.api_server.control_plane import ControlPlane, wait_until
from tests.manifests.rendered import CHART, MANIFESTS, NAMESPACE
from tests.support.go_programs import BinariesUnavailable, progress_of, skip_or_fail
from tests.third_party.definitions import cert_manager, prometheus_operator
from tests.third_party.tools import Tool
from webhook.certs.issue import generate_certificates

NAME = "git-token-webhook"
CONFIGURATIONS = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")
NAMESPACED = "deployments,services,configmaps,secrets,serviceaccounts,roles,rolebindings,leases,poddisruptionbudgets"
NAMESPACED += ",horizontalpodautoscalers,networkpolicies,issuers,certificates,servicemonitors"
CLUSTER_WIDE = "clusterroles,clusterrolebindings,priorityclasses,mutatingwebhookconfigurations"
CLUSTER_WIDE += ",validatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings"

Object = dict[str, Any]
Completed = subprocess.CompletedProcess[str]


class Cluster:
    """A cluster, seen by somebody who installs something."""

    def __init__(self, control_plane: ControlPlane, helm: Path, folder: Path) -> None:
        self._control_plane = control_plane
        self._helm = helm
        self._folder = folder

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> Completed:
        return self._control_plane.kubectl(*arguments, input=input, check=check)

    def apply(self, overlay: Path) -> str:
        """`kubectl apply -k`, with unknown fields an error; returns the warnings."""
        return self.kubectl("apply", "--validate=strict", "-k", str(overlay)).stderr

    def helm(self, *arguments: str, check: bool = True) -> Completed:
        """helm, in the namespace that people are told to use."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "KUBECONFIG": str(self._control_plane.kubeconfig()),
        }
        command: list[Path | str] = [self._helm, *arguments, "--namespace", NAMESPACE]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=90)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def get(self, kind: str, name: str = NAME) -> Object:
        """An object of our namespace, or of none."""
        found: Object = json.loads(self.kubectl("-n", NAMESPACE, "get", kind, name, "-o", "json").stdout)
        return found

    def ours(self, kinds: str) -> list[str]:
        """What there is of ours, as `kind/name`."""
        selector = f"app.kubernetes.io/name={NAME}"
        listed = self.kubectl("-n", NAMESPACE, "get", kinds, "-l", selector, "-o", "name", "--ignore-not-found")
        return sorted(listed.stdout.split())

    def patch(self, kind: str, *operations: Object) -> None:
        """As somebody else than who has installed it."""
        options = ("--type=json", "--field-manager=somebody", "--patch", json.dumps(operations))
        self.kubectl("-n", NAMESPACE, "patch", kind, NAME, *options)

    def as_server(self, arguments: list[str]) -> Completed:
        """Our own program, with the rights of our ServiceAccount and no others."""
        token = self.kubectl("-n", NAMESPACE, "create", "token", NAME).stdout.strip()
        document = json.loads(self._control_plane.kubeconfig().read_text())
        document["users"][0]["user"] = {"token": token}
        kubeconfig = self._folder / "server.kubeconfig"
        kubeconfig.write_text(json.dumps(document))
        environment = {"PATH": os.defpath, "HOME": str(self._folder), "KUBECONFIG": str(kubeconfig)}
        command = [sys.executable, "-m", "webhook", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=MANIFESTS.parent, timeout=60
        )

    def clean(self) -> None:
        """Nothing is left but the namespace, which without a controller-manager could never go."""
        self.kubectl("delete", CLUSTER_WIDE, "-l", f"app.kubernetes.io/name={NAME}", "--ignore-not-found")
        self.kubectl("-n", NAMESPACE, "delete", NAMESPACED, "--all", "--ignore-not-found")


@pytest.fixture(scope="module")
def installing(
    request: pytest.FixtureRequest, tool: Tool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """An API server of these tests' own: what is installed here selects Secrets of every namespace."""
    helm = tool("helm")
    try:
        binaries = find_or_build(progress_of(request.config))
        definitions = [*cert_manager(), *prometheus_operator()]
    except BinariesUnavailable as error:
        skip_or_fail(str(error))
    with ControlPlane(binaries) as control_plane:
        for definition in definitions:
            control_plane.kubectl("create", "-f", str(definition))
        control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all")
        # As the README has it for Helm.
        control_plane.kubectl("apply", "-f", str(MANIFESTS / "base" / "namespace.yaml"))
        yield Cluster(control_plane, helm, tmp_path_factory.mktemp("home"))


@pytest.fixture
def cluster(installing: Cluster) -> Iterator[Cluster]:
    """With nothing of ours in it but the namespace."""
    yield installing
    installing.clean()


def certificates_of(overlay: Path) -> None:
    generate_certificates(overlay / "files", [f"{NAME}.{NAMESPACE}.svc"], [], days=90)


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A copy of ours, for what people add."""
    copied = shutil.copytree(MANIFESTS, tmp_path / "manifests")
    certificates_of(copied / "overlays" / "provided-certificates")
    with_monitoring = copied / "overlays" / "with-monitoring"
    with_monitoring.mkdir()
    kustomization = {"resources": ["../own-certificates"], "components": ["../../components/monitoring"]}
    (with_monitoring / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return copied


# --- Kustomize --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "overlay", ["own-certificates", "cert-manager", "provided-certificates", "development", "with-monitoring"]
)
def test_each_overlay_is_accepted(cluster: Cluster, manifests: Path, overlay: str) -> None:
    """Every object, every field; and nothing about a workload that the Pod Security level of our namespace forbids,
    of which the API server would warn here."""
    assert cluster.apply(manifests / "overlays" / overlay) == ""
    assert cluster.get("deployment")["spec"]["template"]["spec"]["priorityClassName"] == NAME


def test_the_pod_security_level_would_forbid_more(cluster: Cluster, manifests: Path) -> None:
    """That nothing is warned of above means something."""
    cluster.apply(manifests / "overlays" / "own-certificates")
    patch = '{"spec": {"template": {"spec": {"hostNetwork": true}}}}'
    done = cluster.kubectl("-n", NAMESPACE, "patch", "deployment", NAME, "--patch", patch)
    assert "would violate PodSecurity" in done.stderr


def test_a_pod_is_admitted(cluster: Cluster, manifests: Path) -> None:
    """By Pod Security, by its ServiceAccount, and by its PriorityClass."""
    cluster.apply(manifests / "overlays" / "own-certificates")
    template = cluster.get("deployment")["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] |= {"name": NAME, "namespace": NAMESPACE}
    cluster.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(pod))


def test_applied_again_nothing_changes(cluster: Cluster, manifests: Path) -> None:
    """Neither what others have written meanwhile: how many replicas there are, and whom the API server trusts."""
    overlay = manifests / "overlays" / "own-certificates"
    cluster.apply(overlay)
    cluster.kubectl("-n", NAMESPACE, "scale", "deployment", NAME, "--replicas=4")
    give_bundle(cluster)
    cluster.apply(overlay)
    assert cluster.get("deployment")["spec"]["replicas"] == 4
    assert bundles(cluster) == 2 * [BUNDLE]


def test_what_was_broken_is_repaired(cluster: Cluster, manifests: Path) -> None:
    """Applying again puts right what somebody has changed."""
    overlay = manifests / "overlays" / "own-certificates"
    cluster.apply(overlay)
    break_it(cluster)
    cluster.apply(overlay)
    assert is_whole(cluster)


# --- Helm -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["own", "cert-manager"])
def test_the_chart_is_accepted(cluster: Cluster, mode: str) -> None:
    """With each kind of certificate, and with monitoring."""
    options = ("--set", f"certificates.mode={mode}", "--set", "serviceMonitor.enabled=true")
    done = cluster.helm("install", NAME, str(CHART), *options)
    assert "is installed in namespace git-token-webhook" in done.stdout
    assert "Warning" not in done.stderr
    assert is_whole(cluster)


RULES = [
    {"name": "repository", "role": "runtime", "labels": {"argocd.argoproj.io/secret-type": "repository"}},
    {"name": "teams", "role": "user", "names": ["team-*", "exactly"], "labels": {"kind": "git"}},
    {"name": "elsewhere", "role": "user", "names": ["*-token"], "labels": {"token": "yes"}},
]
CONDITIONS = ["o.metadata.?labels[?'example.com/kind'].orValue('') == 'git'"]


def test_the_api_server_asks_about_rules_of_ones_own(cluster: Cluster, tmp_path: Path) -> None:
    """Whoever adds a rule to the configuration adds it once: what it selects is refused while nobody answers, and
    nothing else is."""
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"config": {"rules": RULES}, "webhooks": {"conditions": CONDITIONS}}))
    cluster.helm("install", NAME, str(CHART), "--values", str(values))

    def is_asked(name: str, **labels: str) -> bool:
        metadata = {"name": name, "namespace": "default", "labels": labels}
        manifest = json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        done = cluster.kubectl("create", "--dry-run=server", "-f", "-", input=manifest, check=False)
        assert done.returncode == 0 or "failed calling webhook" in done.stderr, done.stderr
        return done.returncode != 0

    wait_until(lambda: is_asked("git-default-x"))
    assert is_asked("a", **{"argocd.argoproj.io/secret-type": "repository"})
    assert is_asked("team-a", kind="git")
    assert is_asked("exactly", kind="git")
    assert is_asked("x-token", token="yes")
    assert is_asked("a", **{"example.com/kind": "git"})
    assert not is_asked("team-a")
    assert not is_asked("exactly-not", kind="git")
    assert not is_asked("a", kind="git")
    assert not is_asked("a", **{"argocd.argoproj.io/secret-type": "cluster"})


def test_the_notes_say_what_the_namespace_lacks(cluster: Cluster) -> None:
    """Helm makes a namespace without its Pod Security level: whoever let it gets the command that adds it."""
    level = "pod-security.kubernetes.io/enforce"
    command = f"kubectl label namespace {NAMESPACE} {level}=restricted"
    assert command not in cluster.helm("install", NAME, str(CHART)).stdout
    cluster.kubectl("label", "namespace", NAMESPACE, f"{level}-")
    try:
        assert command in cluster.helm("upgrade", NAME, str(CHART)).stdout
    finally:
        cluster.kubectl("label", "namespace", NAMESPACE, f"{level}=restricted")
        cluster.helm("uninstall", NAME)


def test_an_upgrade_keeps_what_others_write(cluster: Cluster) -> None:
    """Whom the API server trusts, the number of replicas, and the key ring are nobody's but their writers'."""
    cluster.helm("install", NAME, str(CHART))
    cluster.kubectl("-n", NAMESPACE, "create", "secret", "generic", f"{NAME}-keys", "--from-literal=2026-11=x")
    cluster.kubectl("-n", NAMESPACE, "scale", "deployment", NAME, "--replicas=4")
    give_bundle(cluster)
    ring = cluster.get("secret", f"{NAME}-keys")
    cluster.helm("upgrade", NAME, str(CHART), "--set", "webhooks.timeoutSeconds=15", "--set", "config.mode=warn")
    assert bundles(cluster) == 2 * [BUNDLE]
    assert cluster.get("deployment")["spec"]["replicas"] == 4
    assert cluster.get("secret", f"{NAME}-keys") == ring
    (hook,) = cluster.get("validatingwebhookconfiguration")["webhooks"]
    assert hook["timeoutSeconds"] == 15
    assert yaml.safe_load(cluster.get("configmap")["data"]["config.yaml"])["mode"] == "warn"


def test_uninstalling_leaves_nothing_that_acts(cluster: Cluster) -> None:
    """No webhook configuration that would refuse writes for ever, no right, no workload; only the key ring stays."""
    cluster.helm("install", NAME, str(CHART))
    cluster.kubectl("-n", NAMESPACE, "create", "secret", "generic", f"{NAME}-keys", "--from-literal=2026-11=x")
    cluster.helm("uninstall", NAME)
    assert cluster.ours(CLUSTER_WIDE) == []
    # The label of the namespace's own objects is on all that the chart makes.
    assert cluster.ours(NAMESPACED) == []
    assert cluster.get("secret", f"{NAME}-keys")["data"]
    cluster.kubectl("-n", "default", "create", "secret", "generic", "git-default-x", "--dry-run=server")


def test_what_an_earlier_installation_has_left_is_taken_over(cluster: Cluster, manifests: Path) -> None:
    """By the command that the README names for it: objects that Helm doesn't know of, broken as they are."""
    cluster.apply(manifests / "overlays" / "own-certificates")
    break_it(cluster)
    refused = cluster.helm("upgrade", "--install", NAME, str(CHART), check=False)
    assert "cannot be imported into the current release" in refused.stderr
    cluster.helm("upgrade", "--install", NAME, str(CHART), "--take-ownership", "--force-conflicts")
    assert is_whole(cluster)


def test_a_broken_release_is_repaired_by_the_next(cluster: Cluster) -> None:
    """What somebody has changed by hand is as the chart has it, after an upgrade that insists."""
    cluster.helm("install", NAME, str(CHART))
    break_it(cluster)
    cluster.helm("upgrade", "--install", NAME, str(CHART), "--force-conflicts")
    assert is_whole(cluster)


# --- What runs in the pod ---------------------------------------------------------------------------------------------


def test_the_init_containers_can_do_their_work(cluster: Cluster, manifests: Path) -> None:
    """Their own arguments, with the rights of their ServiceAccount: certificates, caBundle and key ring are made, and
    made no second time."""
    cluster.apply(manifests / "overlays" / "own-certificates")
    containers = cluster.get("deployment")["spec"]["template"]["spec"]["initContainers"]
    assert [container["name"] for container in containers] == ["certificates", "keys"]
    for container in containers:
        assert container["command"] == ["git-token-webhook"]
        done = cluster.as_server(container["args"])
        assert done.returncode == 0, done.stderr
    authority = cluster.get("secret", f"{NAME}-tls")["data"]["ca.crt"]
    assert bundles(cluster) == 2 * [base64.b64decode(authority)]
    before = [cluster.get("secret", f"{NAME}-{which}") for which in ("ca", "tls", "keys")]
    for container in containers:
        assert cluster.as_server(container["args"]).returncode == 0
    assert [cluster.get("secret", f"{NAME}-{which}") for which in ("ca", "tls", "keys")] == before


def test_of_secrets_the_server_may_create_its_own_alone(cluster: Cluster, manifests: Path) -> None:
    """One of the type service-account-token would hold the audit's token, under a name that the server may read."""
    cluster.apply(manifests / "overlays" / "own-certificates")
    account = f"system:serviceaccount:{NAMESPACE}:{NAME}"

    def create(name: str, kind: str, *options: str) -> Completed:
        document = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "annotations": {"kubernetes.io/service-account.name": NAME}},
            "type": kind,
        }
        arguments = ("-n", NAMESPACE, "create", "--dry-run=server", "-f", "-", *options)
        return cluster.kubectl(*arguments, input=json.dumps(document), check=False)

    def is_refused() -> bool:
        return "may create its own Secrets only" in create("other", "Opaque", f"--as={account}").stderr

    wait_until(is_refused)  # a new policy counts after a second or two
    refused = create(f"{NAME}-ca", "kubernetes.io/service-account-token", f"--as={account}")
    assert "may create no Secret that Kubernetes fills in" in refused.stderr
    assert create(f"{NAME}-ca", "Opaque", f"--as={account}").returncode == 0
    assert create("other", "Opaque").returncode == 0, "whoever else may create Secrets still may"


def test_the_key_ring_needs_no_other_right(cluster: Cluster, manifests: Path) -> None:
    """Where certificates come from somebody else, the server has no right to theirs, nor to the configurations."""
    cluster.apply(manifests / "overlays" / "provided-certificates")
    (container,) = cluster.get("deployment")["spec"]["template"]["spec"]["initContainers"]
    assert cluster.as_server(container["args"]).returncode == 0
    assert cluster.get("secret", f"{NAME}-keys")["data"]
    account = f"system:serviceaccount:{NAMESPACE}:{NAME}"
    for question in (f"get secret/{NAME}-tls", f"update validatingwebhookconfiguration/{NAME}", "create leases"):
        asked = ("auth", "can-i", *question.split(), f"--as={account}", "-n", NAMESPACE)
        assert cluster.kubectl(*asked, check=False).stdout.strip() == "no"


def test_from_ones_own_certificates_to_those_of_somebody_else(cluster: Cluster, manifests: Path) -> None:
    """A pod that still keeps its own while the new way is rolled out touches neither the Secret nor caBundle."""
    cluster.apply(manifests / "overlays" / "own-certificates")
    (keeps, _) = cluster.get("deployment")["spec"]["template"]["spec"]["initContainers"]
    assert cluster.as_server(keeps["args"]).returncode == 0
    cluster.apply(manifests / "overlays" / "provided-certificates")
    given = manifests / "overlays" / "provided-certificates" / "files"
    done = cluster.as_server(keeps["args"])
    assert "is left alone: another program created it" in done.stderr
    for name in ("tls.crt", "tls.key", "ca.crt"):
        assert base64.b64decode(cluster.get("secret", f"{NAME}-tls")["data"][name]) == (given / name).read_bytes()
    assert bundles(cluster) == 2 * [(given / "ca.crt").read_bytes()]


# --- What the guide says ----------------------------------------------------------------------------------------------

GUIDE = (MANIFESTS.parent / "docs" / "how-to" / "outage.md").read_text()


def told(start: str) -> list[str]:
    """The one command of docs/how-to/outage.md that begins so, after `kubectl`."""
    (found,) = set(re.findall(rf"kubectl ({start}.*?)(?:`|$)", GUIDE, re.MULTILINE))
    return shlex.split(found)


def test_the_night_s_commands_do_what_the_guide_says(cluster: Cluster, manifests: Path) -> None:
    """A webhook that is down refuses credentials; then it is asked no more where it can't be, and then not at all."""
    overlay = manifests / "overlays" / "own-certificates"
    cluster.apply(overlay)

    def is_refused() -> bool:
        command = ("-n", "default", "create", "secret", "generic", "git-default-x", "--dry-run=server")
        return cluster.kubectl(*command, check=False).returncode != 0

    wait_until(is_refused)
    cluster.kubectl(*told("patch validatingwebhookconfiguration"))
    wait_until(lambda: not is_refused())
    cluster.apply(overlay)
    wait_until(is_refused, message="the repeated installation to put failurePolicy back")
    cluster.kubectl(*told("delete validatingwebhookconfiguration"))
    wait_until(lambda: not is_refused())


# --- Breaking it ------------------------------------------------------------------------------------------------------

BUNDLE = b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


def give_bundle(cluster: Cluster) -> None:
    """As the server itself does, or cert-manager."""
    encoded = base64.b64encode(BUNDLE).decode()
    for kind in CONFIGURATIONS:
        cluster.patch(kind, {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": encoded})


def bundles(cluster: Cluster) -> list[bytes]:
    hooks = [cluster.get(kind)["webhooks"][0] for kind in CONFIGURATIONS]
    return [base64.b64decode(hook["clientConfig"].get("caBundle", "")) for hook in hooks]


def break_it(cluster: Cluster) -> None:
    """Everybody is sent to a place where nobody is, for Secrets of every kind, and the Service has no pods."""
    for kind in CONFIGURATIONS:
        cluster.patch(
            kind,
            {"op": "replace", "path": "/webhooks/0/clientConfig/service/path", "value": "/nowhere"},
            {"op": "remove", "path": "/webhooks/0/matchConditions"},
            {"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 30},
        )
    cluster.patch("service", {"op": "replace", "path": "/spec/selector/app.kubernetes.io~1name", "value": "nobody"})


def is_whole(cluster: Cluster) -> bool:
    """Everything of it is as we ship it."""
    paths = []
    for kind in CONFIGURATIONS:
        (hook,) = cluster.get(kind)["webhooks"]
        paths.append(hook["clientConfig"]["service"]["path"])
        assert [condition["name"] for condition in hook["matchConditions"]] == ["holds-git-credentials"]
        assert hook["timeoutSeconds"] == 10
    assert paths == ["/mutate", "/validate"]
    selector = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": "server"}
    assert cluster.get("service")["spec"]["selector"] == selector
    return True
