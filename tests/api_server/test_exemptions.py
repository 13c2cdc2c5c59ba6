"""Who is let off the check: by the platform's flags, by the Namespace, by a person with the right."""

import base64
import json
import subprocess
from collections.abc import Iterator

import pytest
from kubernetes.client import ApiClient, AuthorizationV1Api

from tests.api_server.control_plane import wait_until
from tests.api_server.webhook_process import (
    Installation,
    Installer,
    Place,
    Simulation,
    accepted,
    annotated,
    refused,
    runtime_secret,
    user_secret,
)

RUNTIME = "runtime-repo-creds-secret"
USER = "git-default-octocat"
SKIP = "git-token-webhook/skip-validation"


@pytest.fixture(scope="session")
def installing(installer: Installer) -> Iterator[Installation]:
    """One whose configuration is the platform's values file with the installer's flag."""
    with installer.installed({"installer": {"skipValidation": True, "image": "any"}}) as installation:
        yield installation


@pytest.fixture(scope="session")
def trusting(installer: Installer) -> Iterator[Installation]:
    """One whose configuration is the platform's values file with the app-proxy's flag."""
    app_proxy = {"config": {"skipGitPermissionValidation": "true"}, "replicas": 2}
    with installer.installed({"app-proxy": app_proxy}) as installation:
        yield installation


@pytest.fixture
def let_alice_write(client: ApiClient) -> "LetAliceWrite":
    """Gives alice the right to write Secrets, and to skip validation where asked for."""
    return LetAliceWrite(client)


class LetAliceWrite:
    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def __call__(self, place: Place, *, and_skip: bool = False) -> None:
        verbs = "--verb=get,create,update,patch"
        accepted(place.kubectl("create", "role", "writes-secrets", verbs, "--resource=secrets"))
        accepted(place.kubectl("create", "rolebinding", "writes", "--role=writes-secrets", "--user=alice"))
        self._wait(place, {"resource": "secrets", "verb": "create", "version": "v1"})
        if and_skip:
            role = "--clusterrole=git-token-webhook-skip-validation"
            accepted(place.kubectl("create", "rolebinding", "skips", role, "--user=alice"))
            self._wait(place, {"group": "git-token-webhook", "resource": "validations", "verb": "skip"})

    def _wait(self, place: Place, attributes: dict[str, str]) -> None:
        spec = {"user": "alice", "resourceAttributes": {"namespace": place.namespace, **attributes}}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        api = AuthorizationV1Api(self._client)

        def allowed() -> bool:
            answer = api.create_subject_access_review(review)  # type: ignore[arg-type]  # takes dicts as well
            return bool(answer.status and answer.status.allowed)

        wait_until(allowed, message="alice's role to count")


def skipped(result: subprocess.CompletedProcess[str], place: Place, name: str, why: str) -> None:
    """Asserts that a write was let in unchecked, and that it shows in all that a person looks at."""
    assert f"token is not validated: {why}" in accepted(result)
    marks = place.marks(name)
    assert marks["validation"] == "skipped"
    assert why in marks["skip-reason"]
    assert "validated-at" not in marks


def test_the_installers_flag_skips_runtime_tokens(installing: Installation, github: Simulation) -> None:
    """On CREATE and on UPDATE, without a request to the provider; user tokens are still checked."""
    place, token, other = installing.new_namespace(), github.weak_token(), github.weak_token()
    why = "installer.skipValidation is true in the configuration"
    skipped(place.create(runtime_secret(token)), place, RUNTIME, why)
    skipped(place.patch(RUNTIME, {"stringData": {"password": other}}), place, RUNTIME, why)
    assert github.requests(token) == github.requests(other) == 0
    refused(place.create(user_secret(github.token("read:org"))))


def test_the_app_proxys_flag_skips_user_tokens(trusting: Installation, github: Simulation) -> None:
    """User tokens are never checked, runtime tokens only when they are new."""
    place = trusting.new_namespace()
    why = "app-proxy.config.skipGitPermissionValidation is true in the configuration"
    skipped(place.create(user_secret(github.token("read:org"))), place, USER, why)
    refused(place.create(runtime_secret(github.weak_token())))
    accepted(place.create(runtime_secret(github.good_token())))
    skipped(place.patch(RUNTIME, {"stringData": {"password": github.weak_token()}}), place, RUNTIME, why)


def test_where_one_role_is_skipped_the_other_is_checked(installing: Installation, github: Simulation) -> None:
    """A Secret of both roles whose runtime role is skipped must still be good for a user."""
    place = installing.new_namespace()
    message = refused(place.create(runtime_secret(github.token("read:org"), name=USER)))
    assert "a user token also needs repo" in message
    assert "a runtime token" not in message
    accepted(place.create(runtime_secret(github.weak_token(), name=USER)))
    assert place.marks(USER)["validation"] == "skipped"


def test_the_platforms_config_map_skips_user_tokens(place: Place, github: Simulation) -> None:
    """The flag of the namespace that the Secret is in means what it means in the values file."""
    flag = "--from-literal=skipGitPermissionValidation=true"
    accepted(place.kubectl("create", "configmap", "cap-app-proxy-cm", flag))
    why = "skipGitPermissionValidation of ConfigMap cap-app-proxy-cm is true"
    skipped(place.create(user_secret(github.token("read:org"))), place, USER, why)
    refused(place.create(runtime_secret(github.weak_token())))


def test_the_namespaces_annotation_skips_both(webhook: Installation, github: Simulation) -> None:
    """Whoever may write the Namespace may exempt all that is in it."""
    place = webhook.new_namespace({SKIP: "true"})
    why = f"annotation {SKIP} of Namespace {place.namespace} skips it"
    skipped(place.create(user_secret(github.token("read:org"))), place, USER, why)
    skipped(place.create(runtime_secret(github.weak_token())), place, RUNTIME, why)


def test_the_namespaces_annotation_can_name_one_role(webhook: Installation, github: Simulation) -> None:
    """`runtime` lets runtime tokens off, and no others."""
    place = webhook.new_namespace({SKIP: "runtime"})
    accepted(place.create(runtime_secret(github.weak_token())))
    refused(place.create(user_secret(github.token("read:org"))))


def test_an_administrator_may_skip_by_the_secrets_own_annotation(place: Place, github: Simulation) -> None:
    """It is honoured, and shown."""
    token = github.weak_token()
    manifest = annotated(runtime_secret(token), skip_validation="true")
    skipped(place.create(manifest), place, RUNTIME, f"annotation {SKIP} of the Secret skips it")
    assert github.requests(token) == 0


def test_a_user_without_the_right_may_not(place: Place, github: Simulation, let_alice_write: LetAliceWrite) -> None:
    """Being able to write a Secret is not enough: a cause names the right; without the annotation it is judged."""
    let_alice_write(place)
    manifest = runtime_secret(github.weak_token())
    message = refused(place.create(annotated(manifest, skip_validation="true"), user="alice"))
    assert f'The Secret "{RUNTIME}" is invalid' in message
    assert "metadata.annotations: Forbidden: alice" in message or "metadata.annotations: alice" in message
    assert f"alice may not use the annotation {SKIP}" in message
    assert '"skip" on "validations" of API group "git-token-webhook"' in message
    assert "also needs admin:repo_hook" in refused(place.create(manifest, user="alice"))


def test_an_apply_without_the_right_prints_no_token(
    place: Place, github: Simulation, let_alice_write: LetAliceWrite
) -> None:
    """On a 403 kubectl would print the whole patch."""
    let_alice_write(place)
    accepted(place.apply(runtime_secret(github.good_token())))
    token = github.weak_token()
    manifest = annotated(runtime_secret(token), skip_validation="true")
    result = place.kubectl("apply", "-f", "-", user="alice", input=json.dumps(manifest))
    assert "alice may not use the annotation" in refused(result)
    for text in (token, base64.b64encode(token.encode()).decode()):
        assert text not in result.stdout + result.stderr


def test_a_user_with_the_right_may(place: Place, github: Simulation, let_alice_write: LetAliceWrite) -> None:
    """The ClusterRole that comes with the webhook, bound in one namespace, is all that it takes."""
    let_alice_write(place, and_skip=True)
    manifest = annotated(runtime_secret(github.weak_token()), skip_validation="runtime")
    skipped(place.create(manifest, user="alice"), place, RUNTIME, f"annotation {SKIP} of the Secret skips it")


def test_a_right_in_one_namespace_is_none_in_another(
    webhook: Installation, github: Simulation, let_alice_write: LetAliceWrite
) -> None:
    """The question to the API server carries the Secret's namespace."""
    let_alice_write(webhook.new_namespace(), and_skip=True)
    elsewhere = webhook.new_namespace()
    let_alice_write(elsewhere)
    manifest = annotated(runtime_secret(github.weak_token()), skip_validation="true")
    assert "alice may not use the annotation" in refused(elsewhere.create(manifest, user="alice"))


def test_a_value_that_is_neither_true_nor_false_skips_nothing(webhook: Installation, github: Simulation) -> None:
    """On Namespace, ConfigMap and Secret alike: the token is checked, and each of the three is reported."""
    place = webhook.new_namespace({SKIP: "yes"})
    flag = "--from-literal=skipGitPermissionValidation=please"
    accepted(place.kubectl("create", "configmap", "cap-app-proxy-cm", flag))
    message = refused(place.create(annotated(runtime_secret(github.weak_token()), skip_validation="on")))
    assert "also needs admin:repo_hook" in message
    assert "ConfigMap cap-app-proxy-cm is neither true nor false" in message
    ignored = "has an unknown value and skips nothing; use true, runtime, user or false"
    assert f"annotation {SKIP} of Namespace {place.namespace} {ignored}" in message
    assert f"The annotation {SKIP} {ignored}" in message


def test_a_skip_shows_where_operators_look(webhook: Installation, github: Simulation) -> None:
    """The audit log has the reason, and a metric counts it."""
    place = webhook.new_namespace({SKIP: "true"})
    accepted(place.create(runtime_secret(github.weak_token())))
    prefix = webhook.webhooks["validate"]

    def annotations() -> dict[str, str]:
        events = place.control_plane.audit_events()
        own = [e for e in events if e.get("objectRef", {}).get("namespace") == place.namespace]
        return next((e["annotations"] for e in own if f"{prefix}/skip-reason" in e.get("annotations", {})), {})

    found = wait_until(annotations, message="the audit event")
    assert found[f"{prefix}/validation"] == "skipped"
    assert found[f"{prefix}/skip-reason"] == f"annotation {SKIP} of Namespace {place.namespace} skips it"
    assert 'git_token_webhook_skips_total{reason="namespace"}' in webhook.server.metrics
