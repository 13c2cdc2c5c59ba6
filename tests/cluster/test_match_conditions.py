"""Which writes the API server asks us about, by its own evaluation of the shipped conditions: exactly those of Secrets
with Git credentials, and never an error, which would refuse the write of a Secret that is none of our business."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiClient, ApiException, CoreV1Api

from webhook.decision import Stage

from .control_plane import ControlPlane, wait_until
from .webhook_process import MANIFESTS, secret

Metadata = dict[str, Any]

ARGO, PLATFORM = "argocd.argoproj.io/secret-type", "io.codefresh.integration-type"

LABELS = st.none() | st.dictionaries(
    st.sampled_from([ARGO, PLATFORM, "app", "example.com/secret-type", "argocd.argoproj.io/secret-typ"]),
    st.sampled_from(["repo-creds", "git", "repository", "", "Git", "repo-creds-2", "GIT"]),
)
ANNOTATIONS = st.none() | st.dictionaries(st.sampled_from(["a", "example.com/b"]), st.text(max_size=20))
NAMES = st.sampled_from(["git-default-x", "git-default-", "git-defaul", "x-git-default-y", "other", "a.b"])


def named(name: str, generated: bool, labels: Any, annotations: Any, more: Metadata) -> Metadata:
    """Metadata in which each part may also be null, or not there at all."""
    key = "generateName" if generated else "name"
    # What ends in - is only the beginning of a name.
    whole = {key: name if generated else name.rstrip("-"), "labels": labels, "annotations": annotations, **more}
    return {part: value for part, value in whole.items() if value != {} or len(name) % 2}


METADATA = st.builds(
    named,
    NAMES,
    st.booleans(),
    LABELS,
    ANNOTATIONS,
    st.sampled_from([{}, {"finalizers": ["example.com/f"]}, {"ownerReferences": None}, {"generateName": ""}]),
)

STORED: dict[str, Any] = {
    "plain": None,
    "empty-labels": {},
    "other-label": {"app": "x"},
    "argo": {ARGO: "repo-creds"},
    "argo-repository": {ARGO: "repository"},
    "platform": {PLATFORM: "git"},
    "git-default-stored": None,
}
"""Secrets that were there before, by name, with their labels."""


def is_ours(metadata: Metadata) -> bool:
    """The same condition, in Python."""
    labels = metadata.get("labels") or {}
    name = metadata.get("name") or metadata.get("generateName") or ""
    return labels.get(ARGO) == "repo-creds" or labels.get(PLATFORM) == "git" or name.startswith("git-default-")


class Asked:
    """A namespace whose Secrets are watched by the shipped configuration of one stage. Nobody listens behind it, and
    it fails closed: a write that it is asked about fails, by an error that says so, and every other goes through."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._core: Any = CoreV1Api(client)  # which takes objects as JSON, too, though its types don't say so
        self._namespace = namespace

    def create(self, metadata: Metadata) -> bool | None:
        return self._outcome(lambda **dry: self._core.create_namespaced_secret(self._namespace, body(metadata), **dry))

    def replace(self, name: str, metadata: Metadata) -> bool | None:
        new = body({**metadata, "name": name})
        return self._outcome(
            lambda **dry: self._core.replace_namespaced_secret(name, self._namespace, new, **dry),
        )

    def patch(self, name: str, change: Any) -> bool | None:
        return self._outcome(
            lambda **dry: self._core.patch_namespaced_secret(name, self._namespace, {"metadata": change}, **dry)
        )

    def delete(self, name: str) -> bool | None:
        return self._outcome(lambda **dry: self._core.delete_namespaced_secret(name, self._namespace, **dry))

    def _outcome(self, write: Any) -> bool | None:
        """Whether the webhook was called; None where the API server itself finds fault with the object first."""
        try:
            write(dry_run="All")
        except ApiException as error:
            status = json.loads(error.body or "{}")
            if "failed calling webhook" in status["message"]:
                return True
            assert error.status in (400, 422), status  # an error of the condition is a 403
            assert "expression" not in status["message"], status
            return None
        return False


def body(metadata: Metadata) -> dict[str, Any]:
    whole = secret({}, **metadata)
    del whole["stringData"]
    return {**whole, "data": {"token": base64.b64encode(b"planted").decode()}}


@pytest.fixture(scope="module", params=[stage.value for stage in Stage])
def asked(request: pytest.FixtureRequest, control_plane: ControlPlane, client: ApiClient) -> Iterator[Asked]:
    """Each stage by itself: the mutating one would hide the other."""
    namespace = f"conditions-{request.param}"
    control_plane.kubectl("create", "namespace", namespace)
    for name, labels in STORED.items():
        control_plane.apply(body({"namespace": namespace, "name": name, "labels": labels}))
    documents = yaml.safe_load_all((MANIFESTS / "webhooks.yaml").read_text())
    kind = {"mutate": "MutatingWebhookConfiguration", "validate": "ValidatingWebhookConfiguration"}[request.param]
    (shipped,) = (document for document in documents if document["kind"] == kind)
    shipped["metadata"]["name"] = namespace
    (hook,) = shipped["webhooks"]
    hook["failurePolicy"] = "Fail"
    hook["clientConfig"]["service"]["namespace"] = namespace
    hook["namespaceSelector"]["matchLabels"] = {"kubernetes.io/metadata.name": namespace}
    # Not shipped, but the object is null there: whoever adds it must not find that the condition errs.
    hook["rules"][0]["operations"].append("DELETE")
    control_plane.apply(shipped)
    found = Asked(client, namespace)
    wait_until(lambda: found.create({"name": "git-default-probe"}))
    yield found
    control_plane.delete(shipped)


@pytest.fixture(scope="module")
def evaluation_errors(control_plane: ControlPlane) -> Iterator[None]:
    """The API server has counted no error of any condition while these tests ran."""

    def count() -> float:
        text = control_plane.kubectl("get", "--raw", "/metrics").stdout
        name = "apiserver_admission_match_condition_evaluation_errors_total"
        return sum(float(number) for number in re.findall(rf"^{name}\{{.*\}} (\S+)$", text, re.MULTILINE))

    before = count()
    yield
    assert count() == before


MANY = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.usefixtures("evaluation_errors")
@MANY
@given(metadata=METADATA)
def test_a_create_is_asked_about_if_it_holds_git_credentials(asked: Asked, metadata: Metadata) -> None:
    """With labels, annotations and names of every shape, or none."""
    assert asked.create(metadata) in (is_ours(metadata), None)


@pytest.mark.usefixtures("evaluation_errors")
@MANY
@given(name=st.sampled_from(list(STORED)), metadata=METADATA)
def test_an_update_is_asked_about_if_it_holds_them_before_or_after(asked: Asked, name: str, metadata: Metadata) -> None:
    """The label taken off is seen as well as the label put on."""
    before, after = {"name": name, "labels": STORED[name]}, {**metadata, "name": name}
    assert asked.replace(name, metadata) in (is_ours(before) or is_ours(after), None)


@pytest.mark.usefixtures("evaluation_errors")
@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("change", [{"labels": None}, {"labels": {}}, {"labels": {ARGO: None}}, {"annotations": None}])
def test_a_patch_that_takes_labels_away_is_asked_about_if_they_were_ours(asked: Asked, name: str, change: Any) -> None:
    """Also where none are left at all."""
    assert asked.patch(name, change) is is_ours({"name": name, "labels": STORED[name]})


@pytest.mark.usefixtures("evaluation_errors")
@pytest.mark.parametrize("name", STORED)
def test_the_condition_holds_for_a_delete(asked: Asked, name: str) -> None:
    """The new object is null then: the condition goes by the old one, and doesn't err."""
    assert asked.delete(name) is is_ours({"name": name, "labels": STORED[name]})
