"""Which writes the API server asks us about, by its own evaluation of the shipped conditions: exactly those that the
server's own matching calls ours, and never an error, which would deny the write of any other Secret."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiClient, ApiException, CoreV1Api

from tests.api_server.control_plane import ControlPlane, wait_until
from tests.api_server.webhook_process import MANIFESTS, secret
from webhook.credentials.matching import classify
from webhook.decision import Stage
from webhook.review.write import only_finishes_deletion
from webhook.settings.rules import BUILTIN_RULES
from webhook.subject import Operation, SecretObject, Subject

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

NOWHERE = base64.b64encode(b"{}").decode()
DATA_OF_TYPES: dict[str, dict[str, str]] = {
    "Opaque": {},
    "": {},
    "kubernetes.io/basic-auth": {"password": NOWHERE},
    "kubernetes.io/tls": {"tls.crt": NOWHERE, "tls.key": NOWHERE},
    "kubernetes.io/ssh-auth": {"ssh-privatekey": NOWHERE},
    "kubernetes.io/dockercfg": {".dockercfg": NOWHERE},
    "kubernetes.io/dockerconfigjson": {".dockerconfigjson": NOWHERE},
    "kubernetes.io/service-account-token": {},
    "bootstrap.kubernetes.io/token": {},
    "helm.sh/release.v1": {},
    "kubernetes.io/other": {},
    "example.com/git": {},
}
"""Types, with the least that the API server's validation wants of them."""
TYPES = st.sampled_from(list(DATA_OF_TYPES))

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


MARK = "git-token-webhook/account"
MARKED = {MARK: "octocat", "git-token-webhook/empty": "", "note": "a"}
DELETING: dict[str, Any] = {
    "deleting": None,
    "deleting-argo": {ARGO: "repo-creds", "a": "b"},
    "git-default-deleting": None,
}
"""Secrets that are being deleted, by name, with their labels; a finalizer keeps them."""


LARGE = "git-default-large"
MANY_MARKS = {f"git-token-webhook/{number:05}": "" for number in range(8000)}
MUCH_DATA = {f"k{number:05}": base64.b64encode(b"x" * 100).decode() for number in range(8000)}


def as_subject(metadata: Metadata, type_: str = "", data: Mapping[str, str] | None = None) -> SecretObject:
    """The Secret as the server reads it."""
    return SecretObject(
        metadata.get("namespace") or "",
        metadata.get("name") or "",
        metadata.get("generateName") or "",
        metadata.get("labels") or {},
        metadata.get("annotations") or {},
        data or {},
        type_ or "Opaque",
    )


def is_ours(metadata: Metadata, type_: str = "") -> bool:
    """What the server itself says."""
    return bool(classify(as_subject(metadata, type_), BUILTIN_RULES))


class Asked:
    """A namespace whose Secrets are watched by the shipped configuration of one stage. Nobody listens behind it, and
    it fails closed: a write that it is asked about fails, by an error that says so, and every other goes through."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._core: Any = CoreV1Api(client)  # which takes objects as JSON, too, though its types don't say so
        self._namespace = namespace

    def create(self, metadata: Metadata, type_: str = "") -> bool | None:
        new = body(metadata, type_)
        return self._outcome(lambda **dry: self._core.create_namespaced_secret(self._namespace, new, **dry))

    def replace(self, name: str, metadata: Metadata, **changed: Any) -> bool | None:
        new = {**body({**metadata, "name": name}), **changed}
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


PLANTED = {"token": base64.b64encode(b"planted").decode()}


def body(metadata: Metadata, type_: str = "") -> dict[str, Any]:
    whole = secret({}, **metadata)
    del whole["stringData"]
    return {**whole, **({"type": type_} if type_ else {}), "data": {**PLANTED, **DATA_OF_TYPES[type_]}}


@pytest.fixture(scope="module", params=[stage.value for stage in Stage])
def asked(request: pytest.FixtureRequest, control_plane: ControlPlane, client: ApiClient) -> Iterator[Asked]:
    """Each stage by itself: the mutating one would hide the other."""
    namespace = f"conditions-{request.param}"
    control_plane.kubectl("create", "namespace", namespace)
    for name, labels in STORED.items():
        control_plane.apply(body({"namespace": namespace, "name": name, "labels": labels}))
    core: Any = CoreV1Api(client)
    for name, labels in DELETING.items():
        metadata = {"name": name, "labels": labels, "annotations": MARKED, "finalizers": ["example.com/hold"]}
        core.create_namespaced_secret(namespace, body(metadata))
        core.delete_namespaced_secret(name, namespace)
    metadata = {"name": LARGE, "annotations": MANY_MARKS, "finalizers": ["example.com/hold"]}
    core.create_namespaced_secret(namespace, {**body(metadata), "data": MUCH_DATA})
    core.delete_namespaced_secret(LARGE, namespace)
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
    for name in (*DELETING, LARGE):
        core.patch_namespaced_secret(name, namespace, {"metadata": {"finalizers": None}})


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
@given(metadata=METADATA, type_=TYPES)
def test_a_create_is_asked_about_if_it_holds_git_credentials(asked: Asked, metadata: Metadata, type_: str) -> None:
    """With labels, annotations, names and types of every shape, or none."""
    assert asked.create(metadata, type_) in (is_ours(metadata, type_), None)


@pytest.mark.usefixtures("evaluation_errors")
@pytest.mark.parametrize("type_", DATA_OF_TYPES)
def test_argocds_label_counts_whatever_the_type(asked: Asked, type_: str) -> None:
    """And the name git-default- only for types that Kubernetes doesn't define."""
    assert asked.create({"name": "creds", "labels": {ARGO: "repo-creds"}}, type_) in (True, None)
    assert asked.create({"name": "git-default-x"}, type_) in (is_ours({"name": "git-default-x"}, type_), None)


@pytest.mark.usefixtures("evaluation_errors")
@MANY
@given(
    name=st.sampled_from(list(DELETING)),
    timestamp=st.booleans(),
    finalizers=st.sampled_from([None, [], ["example.com/hold"]]),
    data=st.sampled_from([PLANTED, {"token": NOWHERE}, {}, None, {**PLANTED, "b": NOWHERE}]),
    change=st.sampled_from([{}, {"a": "c"}, {ARGO: "repo-creds"}, {PLATFORM: "git"}]),
    annotations=st.sampled_from(
        [
            MARKED,
            {**MARKED, "note": "b"},
            {**MARKED, MARK: "mallory"},
            {**MARKED, "git-token-webhook/new": ""},
            {MARK: "octocat"},
            {"git-token-webhook/empty": "", MARK: "octocat"},
            {**MARKED, "git-token-webhook/skip-validation": "true"},
            None,
        ]
    ),
)
def test_an_update_of_a_secret_that_is_being_deleted_is_asked_about_if_it_changes_something_of_ours(
    asked: Asked,
    name: str,
    timestamp: bool,
    finalizers: list[str] | None,
    data: dict[str, str] | None,
    change: dict[str, str],
    annotations: dict[str, str] | None,
) -> None:
    """The data, a label or one of our marks; a finalizer, another annotation and the timestamp are none of ours."""
    before = {"name": name, "labels": DELETING[name], "annotations": MARKED}
    labels = {**(DELETING[name] or {}), **change} or None
    after = {"name": name, "labels": labels, "annotations": annotations, "finalizers": finalizers}
    if timestamp:
        after["deletionTimestamp"] = "2020-01-01T00:00:00Z"
    old = replace(as_subject(before, data=PLANTED), deleting=True)
    new = as_subject(after, data=data)
    ours = is_ours(before) or is_ours(after)
    expected = ours and not only_finishes_deletion(Subject(Operation.UPDATE, new, old))
    assert asked.replace(name, after, data=data) in (expected, None)


@pytest.mark.usefixtures("evaluation_errors")
@MANY
@given(metadata=METADATA)
def test_a_deletion_timestamp_in_a_new_object_exempts_from_nothing(asked: Asked, metadata: Metadata) -> None:
    """Whoever creates or replaces a Secret can write one."""
    forged = {**metadata, "deletionTimestamp": "2020-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0}
    assert asked.create(forged) in (is_ours(metadata), None)
    assert asked.replace("argo", forged) in (True, None)


@pytest.mark.usefixtures("evaluation_errors")
def test_the_largest_secret_that_is_being_deleted_can_go(asked: Asked) -> None:
    """To compare its data and annotations costs less than the API server allows for an expression."""
    assert asked.replace(LARGE, {"annotations": MANY_MARKS}, data=MUCH_DATA) is False
    assert asked.replace(LARGE, {"annotations": {**MANY_MARKS, MARK: "mallory"}}, data=MUCH_DATA) is True


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
