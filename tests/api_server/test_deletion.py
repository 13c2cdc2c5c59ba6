"""Secrets that are being deleted, and those that only claim to be: what the API server stores of them."""

import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes.client import ApiClient, ApiException, CoreV1Api

from tests.api_server.control_plane import ControlPlane, wait_until
from tests.api_server.webhook_process import ROOT, Installer, Place, Simulation, accepted, secret
from tests.support.go_programs import skip_or_fail

ARGOCD_LABEL = "argocd.argoproj.io/secret-type"
HELD = ["example.org/hold"]
FORGED = {
    "labels": {"git-token-webhook/validation": "passed", "git-token-webhook/role": "runtime"},
    "annotations": {"git-token-webhook/account": "mallory", "git-token-webhook/attestation": "x.y.z"},
}
LONG_AGO = "2020-01-01T00:00:00Z"

Write = Callable[[CoreV1Api, str, dict[str, Any]], Any]


def forged(token: str, name: str = "creds", **metadata: Any) -> dict[str, Any]:
    """A credential Secret that claims to be deleted and checked."""
    labels = {ARGOCD_LABEL: "repo-creds", **FORGED["labels"]}
    annotations = dict(FORGED["annotations"])
    data = {"url": "https://github.com/acme", "username": "octocat", "password": token}
    return secret(data, name=name, labels=labels, annotations=annotations, deletionTimestamp=LONG_AGO, **metadata)


def post(core: CoreV1Api, namespace: str, body: dict[str, Any]) -> Any:
    return core.create_namespaced_secret(namespace, body)  # type: ignore[arg-type]  # takes dicts as well


def put(core: CoreV1Api, namespace: str, body: dict[str, Any]) -> Any:
    return core.replace_namespaced_secret(body["metadata"]["name"], namespace, body)  # type: ignore[arg-type]


def patch(core: CoreV1Api, namespace: str, body: dict[str, Any]) -> Any:
    return core.patch_namespaced_secret(body["metadata"]["name"], namespace, body)


def server_side_apply(core: CoreV1Api, namespace: str, body: dict[str, Any]) -> Any:
    options: dict[str, Any] = {
        "field_manager": "mallory",
        "force": True,
        "_content_type": "application/apply-patch+yaml",
    }
    return core.patch_namespaced_secret(body["metadata"]["name"], namespace, body, **options)


CREATES = [post, server_side_apply]
UPDATES = [put, patch, server_side_apply]


def denied(write: Write, client: ApiClient, place: Place, body: dict[str, Any]) -> str:
    """Asserts that a write is denied with causes, and returns the message."""
    with pytest.raises(ApiException) as raised:
        write(CoreV1Api(client), place.namespace, body)
    status = json.loads(str(raised.value.body))
    assert (status["code"], status["reason"]) == (422, "Invalid"), status
    assert status["details"]["causes"]
    return str(status["message"])


def being_deleted(place: Place, client: ApiClient, token: str, name: str = "creds") -> dict[str, Any]:
    """A Secret with a good token that a finalizer keeps from being deleted."""
    data = {"url": "https://github.com/acme", "username": "octocat", "password": token}
    labels = {ARGOCD_LABEL: "repo-creds"}
    accepted(place.create(secret(data, name=name, labels=labels, finalizers=HELD)))
    accepted(place.kubectl("delete", "secret", name, "--wait=false"))
    stored = place.stored(name)
    assert stored["metadata"]["deletionTimestamp"]
    return stored


def let_go(place: Place, name: str = "creds") -> None:
    """Take the finalizer off, so that nothing stays for other tests."""
    accepted(place.patch(name, {"metadata": {"finalizers": None}}))


@pytest.mark.parametrize("write", CREATES)
def test_a_new_secret_with_a_deletion_timestamp_is_checked(
    place: Place, github: Simulation, client: ApiClient, write: Write
) -> None:
    """The API server stores what server-side apply brings there, without any finalizer."""
    token = github.weak_token()
    assert "a runtime token also needs admin:repo_hook" in denied(write, client, place, forged(token))
    assert github.requests(token) == 1
    assert not place.exists("creds")


@pytest.mark.parametrize("write", CREATES)
def test_a_new_secret_with_a_deletion_timestamp_gets_true_marks(
    place: Place, github: Simulation, client: ApiClient, write: Write
) -> None:
    """A good token is stored, and nothing of what its writer claimed."""
    returned = write(CoreV1Api(client), place.namespace, forged(github.good_token(), finalizers=HELD))
    annotations = returned.metadata.annotations
    assert annotations["git-token-webhook/account"] == "octocat"
    assert annotations["git-token-webhook/attestation"] != "x.y.z"
    let_go(place)


@pytest.mark.parametrize("write", UPDATES)
def test_an_update_with_a_deletion_timestamp_is_checked(
    place: Place, github: Simulation, client: ApiClient, write: Write
) -> None:
    """The stored Secret isn't being deleted, whatever the new one says."""
    good, weak = github.good_token(), github.weak_token()
    data = {"url": "https://github.com/acme", "username": "octocat", "password": good}
    accepted(place.create(secret(data, name="creds", labels={ARGOCD_LABEL: "repo-creds"})))
    denied(write, client, place, forged(weak))
    assert place.value("creds", "password") == good


@pytest.mark.parametrize("write", UPDATES)
def test_another_token_for_a_secret_that_is_being_deleted_is_checked(
    place: Place, github: Simulation, client: ApiClient, write: Write
) -> None:
    """A finalizer keeps it as long as its owner likes, and its token is used meanwhile."""
    good, weak = github.good_token(), github.weak_token()
    stored = being_deleted(place, client, good)
    marks = place.marks("creds")
    denied(write, client, place, forged(weak, finalizers=HELD))
    same = {**stored, "metadata": {**forged("")["metadata"], "finalizers": HELD}}
    same["metadata"]["deletionTimestamp"] = stored["metadata"]["deletionTimestamp"]
    write(CoreV1Api(client), place.namespace, same)  # the stored token, with forged marks
    assert place.value("creds", "password") == good
    assert place.marks("creds") == marks
    let_go(place)


def test_in_mode_seal_a_secret_that_is_being_deleted_takes_no_plain_token(
    installer: Installer, github: Simulation, client: ApiClient, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is written to it is sealed like everything else."""
    keys = tmp_path_factory.mktemp("keys")
    (keys / "2026-11").write_text(f"{secrets.token_hex(32)[:43]}=\n")
    (keys / "2026-11").chmod(0o600)
    sealing = {"encryption": {"mode": "seal", "keysDir": str(keys), "keyActivation": "0s"}}
    with installer.installed(sealing) as installation:
        place = installation.new_namespace()
        token = github.good_token()
        accepted(place.create(secret({"token": token}, name="git-default-a", finalizers=HELD)))
        accepted(place.kubectl("delete", "secret", "git-default-a", "--wait=false"))
        accepted(place.patch("git-default-a", {"stringData": {"token": github.good_token()}}))
        assert place.value("git-default-a", "token").startswith("eyJ")
        let_go(place, "git-default-a")


def test_an_audit_judges_what_is_being_deleted(
    installer: Installer, github: Simulation, control_plane: ControlPlane
) -> None:
    """A finalizer keeps its token in use; also one that claims to be deleted since it was created."""
    with installer.installed({"mode": "warn"}) as installation:
        place = installation.new_namespace()
        data = {"url": "https://github.com/acme", "username": "octocat", "password": github.weak_token()}
        labels = {ARGOCD_LABEL: "repo-creds"}
        accepted(place.create(secret(data, name="creds", labels=labels, finalizers=HELD)))
        accepted(place.kubectl("delete", "secret", "creds", "--wait=false"))
        options = ["--config", str(installation.configuration.path / "config.yaml"), "-n", place.namespace]
        options += ["--kubeconfig", str(control_plane.kubeconfig()), "-o", "json"]
        run = subprocess.run(
            [sys.executable, "-m", "webhook", "audit", *options], capture_output=True, text=True, cwd=ROOT, timeout=60
        )
        let_go(place)
    assert run.returncode == 1, run.stderr
    (row,) = json.loads(run.stdout)["entries"]
    assert "a runtime token also needs admin:repo_hook" in json.dumps(row)


# --- While the webhook is down ----------------------------------------------------------------------------------------


@pytest.fixture
def controllers(control_plane: ControlPlane) -> Iterator[None]:
    """What deletes namespaces and collects garbage runs."""
    try:
        with control_plane.controller_manager():
            yield
    except FileNotFoundError as error:
        skip_or_fail(str(error))


@pytest.mark.usefixtures("controllers")
def test_what_is_being_deleted_goes_while_the_webhook_is_down(installer: Installer, github: Simulation) -> None:
    """Finalizers, foreground deletion and whole namespaces: the API server doesn't call for them. It still calls for a
    new token or another mark."""
    data = {"url": "https://github.com/acme", "username": "octocat", "password": github.good_token()}
    labels = {ARGOCD_LABEL: "repo-creds"}
    with installer.installed() as installation:
        place = installation.new_namespace()
        for name in ("finalized", "owner", "left"):
            finalizers = HELD if name == "finalized" else []
            accepted(place.create(secret(data, name=name, labels=labels, finalizers=finalizers)))
        accepted(place.create(secret({"token": github.good_token()}, name="git-default-a", finalizers=HELD)))
        owner = {"apiVersion": "v1", "kind": "Secret", "name": "owner", "blockOwnerDeletion": True}
        owner["uid"] = place.stored("owner")["metadata"]["uid"]
        accepted(place.create(secret({}, name="dependent", ownerReferences=[owner])))
        installation.server.stop()

        accepted(place.kubectl("delete", "secret", "finalized", "--wait=false"))
        forged_mark = {"metadata": {"annotations": {"git-token-webhook/account": "mallory"}}}
        for change in ({"stringData": {"password": "x"}}, forged_mark):
            assert "failed calling webhook" in place.patch("finalized", change).stderr
        let_go(place, "finalized")
        assert not place.exists("finalized")

        accepted(place.kubectl("delete", "secret", "owner", "--cascade=foreground", "--wait=false"))
        wait_until(lambda: not place.exists("owner") and not place.exists("dependent"), 60)

        accepted(place.kubectl("delete", "namespace", place.namespace, "--wait=false"))
        wait_until(lambda: not place.exists("left"), 60)
        let_go(place, "git-default-a")
        namespace = ("get", "namespace", place.namespace, "--ignore-not-found", "-o", "name")
        wait_until(lambda: not place.kubectl(*namespace).stdout, 60)
