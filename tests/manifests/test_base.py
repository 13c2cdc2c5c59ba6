"""The manifests agree with the code: what the API server is told is what the program does."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from webhook.admission.models import API_VERSION
from webhook.cli.main import app
from webhook.credentials.matching import HELM_TYPES, SYSTEM_TYPES
from webhook.decision import Stage
from webhook.names import PLATFORM_CONFIG_MAP
from webhook.providers.requirements import Role
from webhook.server.serving import HEALTH_LISTEN, LISTEN
from webhook.settings.doubts import doubts
from webhook.settings.model import Settings
from webhook.settings.rules import BUILTIN_RULES, Rule
from webhook.settings.source import load_settings
from webhook.settings.values import parse_duration

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests" / "base"

STAGES = {Stage.MUTATE: "MutatingWebhookConfiguration", Stage.VALIDATE: "ValidatingWebhookConfiguration"}


def clauses_of(role: Role) -> set[str]:
    return set().union(*(clauses(rule) for rule in BUILTIN_RULES if rule.role is role))


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
    selection = condition["expression"].partition(" && (oldObject == null || ")[0]
    prefix, suffix = "[object, oldObject].exists(o, o != null && ( ", "))"
    assert selection.startswith(prefix)
    assert selection.endswith(suffix)
    runtime, users = selection.removeprefix(prefix).removesuffix(suffix).split(" || ((")
    users, types = users.split(")) && ", 1)
    assert {runtime} == clauses_of(Role.RUNTIME)
    assert {clause.strip() for clause in f"{users})".split("||")} == clauses_of(Role.USER)
    listed, helm = types.removesuffix(")").split("]) && ")
    assert set(re.findall("'([^']+)'", listed.partition("[")[2])) == SYSTEM_TYPES
    assert helm == f"!o.?type.orValue('').startsWith('{HELM_TYPES}')"


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


# --- The Deployment and the program -----------------------------------------------------------------------------------


def pod() -> dict[str, Any]:
    spec = only("deployment.yaml", "Deployment")["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def server() -> dict[str, Any]:
    (container,) = pod()["containers"]
    assert isinstance(container, dict)
    return container


def flags(container: dict[str, Any]) -> dict[str, str]:
    """Its flags by name, without their dashes."""
    return dict(flag.removeprefix("--").split("=", 1) for flag in container["args"] if flag.startswith("--"))


def seconds(flag: str) -> float:
    return parse_duration(flags(server())[flag]).total_seconds()


def patience(probe: dict[str, Any]) -> float:
    return float(probe["periodSeconds"] * probe["failureThreshold"])


def test_the_program_understands_its_arguments() -> None:
    """Every command and every flag in the Deployment, and in what the overlay of own certificates makes of it."""
    patch = (MANIFESTS.parent / "overlays" / "own-certificates" / "deployment.yaml").read_text()
    (certificates,) = (one["value"] for one in yaml.safe_load(patch) if one["path"].endswith("/args"))
    added = [one["value"] for one in yaml.safe_load(patch) if one["path"].endswith("/args/-")]
    commands = [container["args"] for container in pod()["initContainers"]]
    for arguments in (*commands, certificates, server()["args"] + added):
        words = [word for word in arguments if not word.startswith("--")]
        shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "300"})
        assert shown.exit_code == 0, shown.output
        named = {word.partition("=")[0] for word in arguments if word.startswith("--")}
        assert named <= set(re.findall(r"--[a-z-]+", shown.output)), words


def test_the_ports_are_those_that_the_server_listens_on() -> None:
    """The Service leads to the admission port, and the probes to the other."""
    ports = {port["name"]: port["containerPort"] for port in server()["ports"]}
    assert ports == {"admission": LISTEN.port, "health": HEALTH_LISTEN.port}
    service = {port["name"]: port for port in only("service.yaml", "Service")["spec"]["ports"]}
    hook = webhook(Stage.VALIDATE)["clientConfig"]["service"]
    assert (service["admission"]["port"], service["admission"]["targetPort"]) == (hook["port"], "admission")
    assert service["health"]["targetPort"] == "health"
    probes = {name: server()[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {probe["port"] for probe in probes.values()} == {"health"}
    assert probes["readiness"]["path"] == "/readyz"
    assert probes["startup"]["path"] == probes["liveness"]["path"] == "/livez"


def test_there_is_time_to_stop() -> None:
    """kubelet kills nobody who is still finishing what was begun."""
    before = server()["lifecycle"]["preStop"]["sleep"]["seconds"]
    needed = before + seconds("shutdown-delay") + seconds("shutdown-timeout")
    assert pod()["terminationGracePeriodSeconds"] >= needed + ANSWERING_SECONDS
    # The last write that came in may take as long as any.
    assert seconds("shutdown-timeout") >= webhook(Stage.VALIDATE)["timeoutSeconds"]


def test_there_is_time_to_start() -> None:
    """Nobody is restarted while the files that init containers have made are on their way."""
    assert patience(server()["startupProbe"]) >= seconds("wait-for-files") + 30


def test_a_replica_that_is_not_ready_is_known_soon() -> None:
    """Within ten seconds, and a look at its own port, which may take two, is no failure yet."""
    probe = server()["readinessProbe"]
    assert patience(probe) <= 10
    assert probe["timeoutSeconds"] > 2


def test_every_file_is_where_the_program_looks() -> None:
    """Each of them in a volume that is mounted as a whole, so that a change arrives."""
    mounts = {mount["mountPath"]: mount for mount in server()["volumeMounts"]}
    for flag in ("config", "tls-cert", "tls-key"):
        assert str(Path(flags(server())[flag]).parent) in mounts
    settings = load_settings(MANIFESTS / "config.yaml")
    assert str(settings.encryption.keys_dir) in mounts
    assert not [mount for mount in mounts.values() if "subPath" in mount or not mount["readOnly"]]
    assert {volume["name"] for volume in pod()["volumes"]} == {mount["name"] for mount in mounts.values()}


def test_the_configuration_is_right() -> None:
    """It says what holds by default, but for the key ring, and nothing about it is doubtful."""
    settings = load_settings(MANIFESTS / "config.yaml")
    (doubt,) = doubts(settings)
    assert doubt.startswith("encryption.keysDir: the folder ")  # it is in the pod, and not here
    without_keys = settings.encryption.model_copy(update={"keys_dir": None})
    assert settings.model_copy(update={"encryption": without_keys}) == Settings()


def test_every_rule_says_what_needs_it() -> None:
    """A comment stands above each rule, or above the role of which it is the only one."""
    ours = MANIFESTS.parent
    places = [MANIFESTS / "rbac.yaml", *(ours / "overlays").glob("*/rbac.yaml")]
    places += [ours / "chart" / "templates" / name for name in ("rbac.yaml", "certificates.yaml")]
    for path in places:
        for document in re.split(r"^---\n", path.read_text(), flags=re.MULTILINE):
            rules = re.findall(r"(.*)\n  - apiGroups:", document)
            explained = all(line.startswith("  #") for line in rules)
            assert explained or (len(rules) == 1 and document.startswith("#")), f"{path}: {document}"


def test_names_can_be_resolved_in_any_cluster() -> None:
    """Also where the pods behind the Service of the cluster's DNS listen at 5353, as OpenShift's do."""
    egress = only("network-policy.yaml", "NetworkPolicy")["spec"]["egress"]
    names = [(one["protocol"], one["port"]) for rule in egress if "to" not in rule for one in rule["ports"]]
    assert sorted(names) == [("TCP", 53), ("TCP", 5353), ("UDP", 53), ("UDP", 5353)]


def test_the_threat_model_names_each_secret_that_may_be_read() -> None:
    """All of the server's rights to Secrets: reading and changing is by name, and making needs none."""
    ours = MANIFESTS.parent
    text = (MANIFESTS / "rbac.yaml").read_text() + "---\n"
    text += (ours / "overlays" / "own-certificates" / "rbac.yaml").read_text()
    roles = [one for one in yaml.safe_load_all(text) if one["kind"] in ("Role", "ClusterRole")]
    rules = [(one["kind"], rule) for one in roles for rule in one["rules"] if "secrets" in rule["resources"]]
    named = {name for _, rule in rules for name in rule.get("resourceNames", ())}
    assert {kind for kind, _ in rules} == {"Role"}
    assert {verb for _, rule in rules for verb in rule["verbs"] if "resourceNames" not in rule} == {"create"}
    (told,) = re.findall(
        r"In its own namespace, the server can read.*?cannot list Secrets\.",
        (ours.parent / "docs" / "explanation" / "threat-model.md").read_text(),
        re.DOTALL,
    )
    assert set(re.findall(r"`(git-token-webhook-[a-z]+)`", told)) == named
