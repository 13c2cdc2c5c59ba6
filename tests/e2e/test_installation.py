"""Installed by the README's command for Kustomize: what people see, what runs, and what changes without a restart."""

import base64
import json
import os
import secrets

import pytest

from tests.api_server.control_plane import wait_until
from tests.e2e.cluster import Cluster, Place
from tests.e2e.installation import ARRIVAL_SECONDS, NAME, NAMESPACE, Installation, Providers, container_of
from tests.support.writes import Completed, accepted, refused, runtime_secret, secret, user_secret

RUNTIME = "runtime-repo-creds-secret"
WEAK = (
    f'The Secret "{RUNTIME}" is invalid: data.password: github.com says that this classic token of octocat has '
    "read:org and repo; a runtime token also needs admin:repo_hook."
)
DRY_RUN = "--dry-run=server"


# --- From nothing to enforced -----------------------------------------------------------------------------------------


def test_the_documented_command_alone_enforces(documented: Installation, place: Place) -> None:
    """Two replicas are ready, and what they can't ask github.com about, which no pod here can reach, isn't stored."""
    token = documented.providers.good_token
    message = refused(place.create(runtime_secret(token)))
    assert "data.password: github.com " in message
    assert "a retry may pass" in message
    accepted(place.create(secret({"token": token}, name="plain")))


def test_a_weak_token_is_refused_and_a_good_one_stored(
    installation: Installation, providers: Providers, place: Place
) -> None:
    """Through API server, Service and pod to the provider, and back to whoever writes."""
    assert refused(place.create(runtime_secret(providers.weak_token))).startswith(WEAK)
    assert not place.exists(RUNTIME)
    accepted(place.create(runtime_secret(providers.good_token)))
    marks = place.marks(RUNTIME)
    assert (marks["validation"], marks["account"], marks["host"]) == ("passed", "octocat", "github.com")


def test_the_simulator_is_reached_by_its_name(installation: Installation, providers: Providers, place: Place) -> None:
    """Pods resolve the Service's name, and nobody else is asked."""
    before = len(providers.requests("wide-classic"))
    accepted(place.create(runtime_secret(providers.token("wide-classic"))))
    requests = providers.requests("wide-classic")[before:]
    # Once for the write, and once more for the audit, which may be quicker than this look or not.
    assert {(one["host"], one["status"]) for one in requests} == {("github.com", 200)}


def test_the_image_that_was_built_is_the_one_that_runs(installation: Installation) -> None:
    """By its ID, which is a hash of all that is in it."""
    built = os.environ.get("E2E_IMAGE_ID", "").split()
    if not built:
        pytest.skip("whoever made this cluster didn't say which image it should have: E2E_IMAGE_ID=sha256:…")
    running = {container_of(pod)["imageID"].rpartition("@")[2] for pod in installation.pods()}
    assert len(running) == 1
    assert running <= set(built)


# --- How it runs ------------------------------------------------------------------------------------------------------


def test_our_namespace_takes_restricted_pods_alone(installation: Installation, cluster: Cluster) -> None:
    """The API server refuses any other there, and warned of none of ours."""
    pod = cluster.get("-n", NAMESPACE, "pod", installation.pod_names()[0])
    container = {"name": "shell", "image": pod["spec"]["containers"][0]["image"], "command": ["python"]}
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "intruder", "namespace": NAMESPACE},
        "spec": {"containers": [{**container, "securityContext": {"privileged": True}}]},
    }
    message = refused(cluster.kubectl("create", DRY_RUN, "-f", "-", input=json.dumps(manifest), check=False))
    assert 'violates PodSecurity "restricted' in message


def test_nothing_in_the_container_can_be_written_or_raised(installation: Installation) -> None:
    """As the kernel sees it: not root, no capabilities, no way to new ones, and no file that could be written."""
    pod = installation.pod_names()[0]
    status = dict(
        line.split(":\t", 1) for line in installation.run_in(pod, "cat", "/proc/1/status").splitlines() if ":\t" in line
    )
    assert "0" not in status["Uid"].split()
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    attempt = "import pathlib\ntry: pathlib.Path('/tmp/x').touch()\nexcept OSError as error: print(error.errno)"
    assert installation.run_in(pod, "python", "-c", attempt).strip() == "30"  # EROFS


def test_a_replica_that_can_t_serve_gets_no_calls(installation: Installation, cluster: Cluster) -> None:
    """Without a certificate a new pod isn't ready, so that it is in no Service and the rollout stops before it."""
    ready = installation.pod_names()
    pod = cluster.get("-n", NAMESPACE, "pod", ready[0])
    metadata = {"name": "misfit", "namespace": NAMESPACE, "labels": pod["metadata"]["labels"]}
    left_out = ("nodeName", "initContainers", "topologySpreadConstraints")
    spec = {key: value for key, value in pod["spec"].items() if key not in left_out}
    spec["volumes"] = [one for one in spec["volumes"] if one["name"] != "tls"] + [{"name": "tls", "emptyDir": {}}]
    # Owned by nobody: the ReplicaSet would adopt it by its labels, and end one that is too many.
    metadata["labels"] = {**metadata["labels"], "pod-template-hash": "none"}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    try:
        wait_until(
            lambda: cluster.get("-n", NAMESPACE, "pod", "misfit")["status"]["phase"] == "Running", 60, message="misfit"
        )
        slices = cluster.get("-n", NAMESPACE, "endpointslices", "-l", f"kubernetes.io/service-name={NAME}")["items"]
        served = {
            point["targetRef"]["name"]: point["conditions"]["ready"] for one in slices for point in one["endpoints"]
        }
        assert served == {**dict.fromkeys(ready, True), "misfit": False}
    finally:
        cluster.kubectl("-n", NAMESPACE, "delete", "pod", "misfit", "--grace-period=0", "--force")


def test_the_kubelet_finds_nothing_to_complain_about(installation: Installation) -> None:
    """No server was ended by its probes or by itself, and none is warned about."""
    assert set(installation.restarts().values()) == {0}
    events = installation.cluster.get("-n", NAMESPACE, "events", "--field-selector=type=Warning")["items"]
    # That a pod isn't ready, or waits for a volume, while it starts or ends, is no complaint.
    complaints = [one["message"] for one in events if one["reason"] == "BackOff" or "Liveness" in one["message"]]
    assert complaints == []


# --- What changes without a restart -----------------------------------------------------------------------------------


def test_a_changed_configuration_arrives_without_a_restart(
    installation: Installation, providers: Providers, place: Place
) -> None:
    """The kubelet brings the ConfigMap to both pods; a wrong one is reported in their logs and changes nothing."""
    pods, weak = installation.pod_names(), runtime_secret(providers.weak_token)

    def is_let_in() -> bool:
        return place.create(weak, DRY_RUN).returncode == 0

    with installation.configured(mode="warn"):
        wait_until(lambda: all(is_let_in() for _ in range(10)), ARRIVAL_SECONDS, message="warn mode, everywhere")
    wait_until(lambda: not any(is_let_in() for _ in range(10)), ARRIVAL_SECONDS, message="enforcement, everywhere")
    with installation.configured(mode="nonsense"):
        wait_until(lambda: installation.logs().count("reload failed") >= 2, ARRIVAL_SECONDS, message="the complaints")
        assert not is_let_in()
    assert (installation.pod_names(), set(installation.restarts().values())) == (pods, {0})


def test_a_new_key_arrives_without_a_restart(installation: Installation, providers: Providers, place: Place) -> None:
    """Sealing begins with the ring that the installation made, and goes on with a key that came later."""
    pods = installation.pod_names()
    ring = installation.cluster.get("-n", NAMESPACE, "secret", f"{NAME}-keys")
    before = installation.settings()["encryption"]
    added = base64.b64encode(base64.b64encode(secrets.token_bytes(32))).decode()
    with installation.configured(encryption={**before, "mode": "seal", "keyActivation": "1s"}):
        wait_until(lambda: all(_key_of(place, providers) for _ in range(10)), ARRIVAL_SECONDS, message="sealing")
        first = _key_of(place, providers)
        patch = json.dumps({"data": {"9999-later": added}})
        installation.kubectl("patch", "secret", f"{NAME}-keys", "--type=merge", "--patch", patch)
        wait_until(
            lambda: all(_key_of(place, providers) not in (None, first) for _ in range(10)),
            ARRIVAL_SECONDS,
            message="the new key to seal, everywhere",
        )
        back = json.dumps({"data": {"9999-later": None}})
        installation.kubectl("patch", "secret", f"{NAME}-keys", "--type=merge", "--patch", back)
    assert (installation.pod_names(), set(installation.restarts().values())) == (pods, {0})
    assert installation.cluster.get("-n", NAMESPACE, "secret", f"{NAME}-keys")["data"] == ring["data"]


def _key_of(place: Place, providers: Providers) -> str | None:
    """Which key would seal a token now; None where it would be stored as it is."""
    manifest = user_secret(providers.good_token, name=f"git-default-{secrets.token_hex(4)}")
    result: Completed = place.create(manifest, DRY_RUN, "-o", "json")
    annotations = json.loads(result.stdout)["metadata"]["annotations"] if result.returncode == 0 else {}
    return annotations.get("git-token-webhook/encryption-key-id")
