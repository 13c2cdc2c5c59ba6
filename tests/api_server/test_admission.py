"""What a person sees who writes a Secret with a Git token in it, and what is stored."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from kubernetes.client import ApiClient, ApiException, CoreV1Api, V1ObjectMeta, V1Secret

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
    secret,
    user_secret,
)
from webhook.simulator.faults import Outage

RUNTIME = "runtime-repo-creds-secret"
USER = "git-default-octocat"
ARGOCD_LABEL = "argocd.argoproj.io/secret-type"
LACKS_HOOKS = "this classic token of octocat has read:org and repo; a runtime token also needs admin:repo_hook."


def as_model(name: str, labels: dict[str, str] | None = None, **data: str) -> V1Secret:
    return V1Secret(metadata=V1ObjectMeta(name=name, labels=labels), string_data=data)


def labelled(key: str, value: str) -> dict[str, dict[str, dict[str, str]]]:
    return {"metadata": {"labels": {key: value}}}


@pytest.fixture(scope="session")
def tolerant(installer: Installer) -> Iterator[Installation]:
    """A webhook in its first roll-out."""
    with installer.installed({"mode": "warn"}) as installation:
        yield installation


# --- What is refused, and how it is told ------------------------------------------------------------------------------


def test_a_weak_token_is_refused_with_what_is_missing(place: Place, github: Simulation) -> None:
    """kubectl prints which entry of which account at which provider lacks what, and a link that mends it."""
    message = refused(place.create(runtime_secret(github.weak_token())))
    assert f'The Secret "{RUNTIME}" is invalid: data.password: ' in message
    assert f"github.com says that {LACKS_HOOKS}" in message
    assert "https://github.com/settings/tokens/new?scopes=" in message
    assert not place.exists(RUNTIME)


def test_a_weak_token_is_refused_with_one_cause_an_entry(place: Place, github: Simulation, client: ApiClient) -> None:
    """A program gets 422 Invalid, with the field and the whole sentence in details.causes."""
    body = as_model("creds", {ARGOCD_LABEL: "repo-creds"}, url="https://github.com", password=github.weak_token())
    with pytest.raises(ApiException) as refusal:
        CoreV1Api(client).create_namespaced_secret(place.namespace, body)
    status = json.loads(str(refusal.value.body))
    assert (status["code"], status["reason"]) == (422, "Invalid")
    (cause,) = status["details"]["causes"]
    assert cause["field"] == "data.password"
    assert LACKS_HOOKS in cause["message"]
    assert cause["message"] in status["message"]


def test_kubectl_create_secret_generic_tells_it_too(place: Place, github: Simulation) -> None:
    """That command prints the message instead of the causes, and the message holds them all."""
    literal = f"--from-literal=token={github.token('read:org')}"
    message = refused(place.kubectl("create", "secret", "generic", USER, literal))
    assert "data.token: github.com says that this classic token of octocat has read:org" in message
    assert "a user token also needs repo." in message


def test_every_weak_entry_is_named_at_once(place: Place, github: Simulation) -> None:
    """Two users' tokens fail, the third is good: two causes."""
    data = {"anna": github.token("read:org"), "ben": github.token("gist"), "carl": github.good_token()}
    message = refused(place.create(secret(data, name="git-default-team")))
    assert "data.anna" in message
    assert "data.ben" in message
    assert "data.carl" not in message


def test_a_revoked_token_is_refused(place: Place, github: Simulation) -> None:
    """What the provider doesn't know is invalid."""
    message = refused(place.create(user_secret(github.token("repo", expires=-timedelta(hours=1)))))
    assert "data.token: github.com " in message


@pytest.mark.parametrize(
    "data",
    [
        {"url": "https://github.com", "username": "octocat", "password": ""},
        {"url": "https://someone@github.com", "username": "octocat", "password": "GOOD"},
        {"url": "https://github.com", "username": "octocat", "password": "GOOD\n"},
        {"url": "https://github.com\\@example.org", "username": "octocat", "password": "GOOD"},
    ],
    ids=["an empty token", "userinfo in the URL", "a line break after the token", "a backslash in the URL"],
)
def test_what_is_malformed_is_refused(place: Place, github: Simulation, data: dict[str, str]) -> None:
    """There is nobody to ask about it, and Git could not use it either."""
    token = github.good_token()
    data = {key: value.replace("GOOD", token) for key, value in data.items()}
    refused(place.create(secret(data, name="creds", labels={ARGOCD_LABEL: "repo-creds"})))
    assert github.requests(token) == 0


def test_a_denied_apply_prints_no_token(place: Place, github: Simulation) -> None:
    """kubectl prints the whole patch of a 403, and the log of the CI job keeps it; of our 422 it does not."""
    good, weak = github.good_token(), github.weak_token()
    accepted(place.apply(runtime_secret(good)))
    result = place.apply(runtime_secret(weak))
    assert LACKS_HOOKS in refused(result)
    for token in (good, weak):
        for text in (token, base64.b64encode(token.encode()).decode()):
            assert text not in result.stdout + result.stderr


def test_an_update_with_a_weak_token_leaves_the_old_one(place: Place, github: Simulation, client: ApiClient) -> None:
    """A rotation to a token that can't do the job is refused like a new Secret, and nothing is lost."""
    good = github.good_token()
    accepted(place.create(runtime_secret(good)))
    with pytest.raises(ApiException) as refusal:
        change = {"stringData": {"password": github.weak_token()}}
        CoreV1Api(client).patch_namespaced_secret(RUNTIME, place.namespace, change)
    assert refusal.value.status == 422
    assert place.value(RUNTIME, "password") == good


def test_a_secret_of_both_roles_needs_what_both_need(place: Place, github: Simulation) -> None:
    """What is enough for a user is not enough where Argo CD uses the same Secret: one cause, for the runtime role."""
    both = runtime_secret(github.weak_token(), name=USER)
    assert "a runtime token also needs admin:repo_hook" in refused(place.create(both))
    accepted(place.create(runtime_secret(github.good_token(), name=USER)))
    assert place.marks(USER)["role"] == "runtime.user"


# --- What is stored ---------------------------------------------------------------------------------------------------


def test_a_good_token_is_stored_with_what_was_found(place: Place, github: Simulation) -> None:
    """Labels and annotations say whose token it is, what it can do, and when the provider said so."""
    before = datetime.now(UTC) - timedelta(seconds=2)
    assert accepted(place.create(runtime_secret(github.good_token()))) == ""
    marks = place.marks(RUNTIME)
    at = datetime.fromisoformat(marks.pop("validated-at"))
    assert before <= at <= datetime.now(UTC)
    marks.pop("attestation", None)
    assert marks == {
        "role": "runtime",
        "provider": "github",
        "validation": "passed",
        "host": "github.com",
        "account": "octocat",
        "scopes": "admin:repo_hook,repo",
        "token-type": "classic",
        "encryption": "none",
    }


def test_one_write_asks_the_provider_once(place: Place, github: Simulation) -> None:
    """The validating call doesn't ask again what the mutating call has just learnt."""
    token = github.good_token()
    accepted(place.create(runtime_secret(token)))
    assert github.requests(token) == 1


def test_a_users_secret_gets_the_platforms_labels(place: Place, github: Simulation) -> None:
    """The platform finds it by these two, whether or not who made it knew of them."""
    literal = f"--from-literal=token={github.token('repo')}"
    accepted(place.kubectl("create", "secret", "generic", USER, literal))
    labels = place.stored(USER)["metadata"]["labels"]
    assert labels["io.codefresh.integration-type"] == "git"
    assert labels["io.codefresh.integration-name"] == "default"
    assert place.marks(USER)["role"] == "user"


def test_a_generated_name_counts(place: Place, github: Simulation) -> None:
    """The name isn't known yet when the Secret is marked; what it will start with is."""
    body = secret({"token": github.good_token()}, generateName="git-default-")
    name = place.create(body, "-o", "name").stdout.strip().removeprefix("secret/")
    assert place.marks(name)["validation"] == "passed"
    weak = secret({"token": github.token("read:org")}, generateName="git-default-")
    assert "a user token also needs repo" in refused(place.create(weak))


def test_a_token_about_to_expire_is_stored_with_a_warning(place: Place, github: Simulation) -> None:
    """kubectl shows when, and the annotation keeps it."""
    warning = accepted(place.create(user_secret(github.token("repo", expires=timedelta(days=5)))))
    assert warning.startswith("Warning: data.token: github.com says that this classic token of octocat expires in ")
    assert datetime.fromisoformat(place.marks(USER)["expires-at"]) > datetime.now(UTC) + timedelta(days=4)


def test_nobody_can_forge_what_was_found(place: Place, github: Simulation) -> None:
    """Who sends our annotations gets ours."""
    accepted(place.create(annotated(user_secret(github.good_token()), account="somebody", probed="a/b")))
    marks = place.marks(USER)
    assert marks["account"] == "octocat"
    assert "probed" not in marks
    accepted(place.patch(USER, {"metadata": {"annotations": {"git-token-webhook/account": "somebody"}}}))
    assert place.marks(USER)["account"] == "octocat"


def test_a_rotated_token_is_marked_anew(place: Place, github: Simulation) -> None:
    """The annotations are those of the token that is stored now."""
    accepted(place.create(user_secret(github.good_token())))
    accepted(place.patch(USER, {"stringData": {"token": github.token("repo")}}))
    assert place.marks(USER)["scopes"] == "repo"


def test_applying_the_same_again_changes_nothing(place: Place, github: Simulation) -> None:
    """A GitOps tool that applies every minute makes no new version."""
    manifest = runtime_secret(github.good_token())
    accepted(place.apply(manifest))
    first = place.stored(RUNTIME)["metadata"]["resourceVersion"]
    accepted(place.apply(manifest))
    assert place.stored(RUNTIME)["metadata"]["resourceVersion"] == first


def test_server_side_apply_works_twice(place: Place, github: Simulation) -> None:
    """Our marks make no conflict with whoever applies, and the second time changes nothing."""
    manifest = runtime_secret(github.good_token())
    accepted(place.apply(manifest, "--server-side"))
    first = place.stored(RUNTIME)["metadata"]["resourceVersion"]
    accepted(place.apply(manifest, "--server-side"))
    assert place.stored(RUNTIME)["metadata"]["resourceVersion"] == first
    assert place.marks(RUNTIME)["validation"] == "passed"


def test_a_dry_run_is_judged_and_stores_nothing(place: Place, github: Simulation) -> None:
    """--dry-run=server tells beforehand what would come of it."""
    flag = "--dry-run=server"
    assert LACKS_HOOKS in refused(place.create(runtime_secret(github.weak_token()), flag))
    result = place.create(runtime_secret(github.good_token()), flag, "-o", "json")
    accepted(result)
    assert json.loads(result.stdout)["metadata"]["labels"]["git-token-webhook/validation"] == "passed"
    assert not place.exists(RUNTIME)


def test_enforcement_doesn_t_need_the_mutating_call(installer: Installer, github: Simulation) -> None:
    """Where /mutate was never called, a weak token is refused and a good one stored, without marks."""
    with installer.installed(stages=["validate"]) as installation:
        place = installation.new_namespace()
        assert LACKS_HOOKS in refused(place.create(runtime_secret(github.weak_token())))
        accepted(place.create(runtime_secret(github.good_token())))
        assert place.marks(RUNTIME) == {}


# --- What is let alone ------------------------------------------------------------------------------------------------


def test_a_relabelling_asks_nobody(forgetful: Installation, github: Simulation) -> None:
    """Labels and annotations change also while the provider is down: the token is as it was."""
    place = forgetful.new_namespace()
    token = github.good_token()
    accepted(place.create(runtime_secret(token)))
    marks, asked = place.marks(RUNTIME), github.requests(token)
    github.fail(token, Outage())
    accepted(place.kubectl("label", "secret", RUNTIME, "team=a"))
    accepted(place.kubectl("annotate", "secret", RUNTIME, "note=b"))
    assert github.requests(token) == asked
    assert place.marks(RUNTIME) == marks
    assert place.stored(RUNTIME)["metadata"]["labels"]["team"] == "a"


def test_a_label_put_on_later_is_checked(place: Place, github: Simulation) -> None:
    """With the label the Secret becomes Argo CD's, and so its token must be good enough."""
    data = {"url": "https://github.com", "username": "octocat", "password": github.weak_token()}
    accepted(place.create(secret(data, name="creds")))
    message = refused(place.kubectl("label", "secret", "creds", f"{ARGOCD_LABEL}=repo-creds"))
    assert LACKS_HOOKS in message
    assert ARGOCD_LABEL not in place.stored("creds")["metadata"].get("labels", {})


def test_the_label_can_be_taken_off(place: Place, github: Simulation) -> None:
    """So does Argo CD with credentials that it disowns; the label doesn't come back, and our marks go with it."""
    accepted(place.create(runtime_secret(github.good_token(), name="creds")))
    accepted(place.kubectl("label", "secret", "creds", f"{ARGOCD_LABEL}-"))
    assert ARGOCD_LABEL not in place.stored("creds")["metadata"].get("labels", {})
    assert place.marks("creds") == {}


def test_a_secret_can_always_be_deleted(forgetful: Installation, github: Simulation) -> None:
    """Also in two steps, while the provider is down: a finalizer goes from a Secret that is being deleted."""
    place = forgetful.new_namespace()
    token = github.good_token()
    accepted(place.create(runtime_secret(token)))
    accepted(place.patch(RUNTIME, {"metadata": {"finalizers": ["example.org/hold"]}}))
    github.fail(token, Outage())
    accepted(place.kubectl("delete", "secret", RUNTIME, "--wait=false"))
    accepted(place.patch(RUNTIME, {"metadata": {"finalizers": None}}))
    wait_until(lambda: not place.exists(RUNTIME))


def test_other_secrets_never_reach_the_webhook(webhook: Installation, place: Place) -> None:
    """The API server doesn't even call for them: not on create, update, relabelling or delete."""
    before = webhook.calls()
    labels = {ARGOCD_LABEL: "cluster", "io.codefresh.integration-type": "jira"}
    accepted(place.create(secret({"token": "nothing"}, name="default-git", labels=labels)))
    accepted(place.create(secret({"token": "nothing"}, name="plain")))
    accepted(place.patch("plain", {"stringData": {"token": "something"}}))
    accepted(place.kubectl("label", "secret", "plain", "a=b"))
    accepted(place.kubectl("delete", "secret", "plain"))
    assert webhook.calls() == before
    place.create(user_secret(""))
    assert webhook.calls() == before + 2, "the count that this test goes by doesn't count"


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("kubernetes.io/tls", {"tls.crt": "a", "tls.key": "b"}),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": "a"}),
        ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": "{}"}),
        ("helm.sh/release.v1", {"release": "a"}),
    ],
)
def test_types_that_kubernetes_defines_never_reach_the_webhook(
    webhook: Installation, place: Place, github: Simulation, type_: str, data: dict[str, str]
) -> None:
    """Neither their name nor the platform's label makes them a user's; Argo CD's label counts for every type."""
    before, token = webhook.calls(), github.weak_token()
    labels = {"io.codefresh.integration-type": "git", "git-token-webhook/validation": "passed"}
    system = {**secret({**data, "token": token}, name="git-default-system", labels=labels), "type": type_}
    accepted(place.create(system))
    accepted(place.patch("git-default-system", {"stringData": {"more": token}}))
    assert webhook.calls() == before
    assert github.requests(token) == 0
    assert place.value("git-default-system", "token") == token
    assert LACKS_HOOKS in refused(place.create({**runtime_secret(token, **data), "type": type_}))


def test_a_service_account_token_is_sent_nowhere(webhook: Installation, place: Place, github: Simulation) -> None:
    """Its controller fills in the ServiceAccount's JWT, and may write it as often as it likes."""
    before, requests = webhook.calls(), github.requests_in_all()
    annotations = {"kubernetes.io/service-account.name": "default"}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    accepted(place.apply(account))
    body = secret({"token": "eyJ.made.up"}, name="git-default-account", annotations=annotations)
    accepted(place.create({**body, "type": "kubernetes.io/service-account-token"}))
    assert (webhook.calls(), github.requests_in_all()) == (before, requests)


def test_a_denial_names_the_secret(place: Place, github: Simulation, client: ApiClient) -> None:
    """For files that hold several: the message begins with namespace and name, the causes don't."""
    body = as_model("creds", {ARGOCD_LABEL: "repo-creds"}, url="https://github.com", password=github.weak_token())
    with pytest.raises(ApiException) as refusal:
        CoreV1Api(client).create_namespaced_secret(place.namespace, body)
    status = json.loads(str(refusal.value.body))
    assert f"denied the request: {place.namespace}/creds: data.password: github.com says" in status["message"]
    assert status["details"]["causes"][0]["message"].startswith("github.com says")


def test_the_empty_secret_of_a_new_runtime_is_stored(place: Place) -> None:
    """Before the first user there is nothing to check."""
    accepted(place.create(secret({}, name="git-default-users")))
    assert place.marks("git-default-users")["role"] == "user"


# --- What is let in with a warning ------------------------------------------------------------------------------------


def test_an_unknown_host_is_let_in_with_a_warning(place: Place, github: Simulation) -> None:
    """Its token was sent nowhere, and the warning says how to have it checked."""
    token = github.weak_token()
    warning = accepted(place.create(runtime_secret(token, url="https://git.example.org/acme")))
    assert "git.example.org is not a declared Git host" in warning
    assert place.marks(RUNTIME)["validation"] == "unsupported"
    assert github.requests(token) == 0


def test_mode_warn_lets_everything_in(tolerant: Installation, github: Simulation) -> None:
    """For a first roll-out: what would have been denied is a warning with the same words, and a label."""
    place = tolerant.new_namespace()
    warning = accepted(place.create(runtime_secret(github.weak_token())))
    assert f"Warning: data.password: github.com says that {LACKS_HOOKS}" in warning
    assert place.marks(RUNTIME)["validation"] == "warned"
    accepted(place.create(user_secret("")))


# --- What is kept about it --------------------------------------------------------------------------------------------


def test_the_audit_log_says_what_was_found(webhook: Installation, place: Place, github: Simulation) -> None:
    """Each write has audit annotations of the validating call, a denied one as well."""
    accepted(place.create(runtime_secret(github.good_token())))
    refused(place.create(user_secret("")))
    prefix = webhook.webhooks["validate"]

    def found(name: str) -> dict[str, str]:
        events = place.control_plane.audit_events()
        own = [e for e in events if e.get("objectRef", {}).get("namespace") == place.namespace]
        # A refused create is of no object yet: its name is only in the body.
        texts = [e.get("annotations", {}) for e in own if e["verb"] == "create" and name in json.dumps(e)]
        return {key: value for text in texts for key, value in text.items() if key.startswith(f"{prefix}/")}

    stored = wait_until(lambda: found(RUNTIME), message="the audit event of the stored Secret")
    assert stored == {f"{prefix}/roles": "runtime", f"{prefix}/validation": "passed"}
    denied = wait_until(lambda: found(USER), message="the audit event of the denied Secret")
    assert denied == {f"{prefix}/roles": "user", f"{prefix}/validation": "denied"}


def test_no_token_is_left_behind(webhook: Installation, place: Place, github: Simulation) -> None:
    """Server log, metrics, audit log (but for the body that the user sent) and etcd (but for the Secret) hold none."""
    good, weak, wrong = github.good_token(), github.weak_token(), github.token("repo") + "x"
    accepted(place.apply(runtime_secret(good)))
    refused(place.apply(runtime_secret(weak)))
    refused(place.create(user_secret(wrong)))
    refused(place.create(secret({weak: ""}, name="git-default-slip")))
    accepted(place.create(runtime_secret(wrong, name="elsewhere", url="https://git.example.org")))
    accepted(place.kubectl("delete", "secret", "elsewhere"))

    def events() -> list[str]:
        texts = []
        for event in place.control_plane.audit_events():
            if event.get("objectRef", {}).get("namespace") == place.namespace:
                texts.append(json.dumps({key: value for key, value in event.items() if key != "requestObject"}))
        return texts if sum("delete" in text for text in texts) else []

    outputs = {
        "the server's log": webhook.log,
        "the server's metrics": webhook.server.metrics,
        "the audit log": "\n".join(wait_until(events, message="the audit events of this test")),
        "the marks": json.dumps(place.marks(RUNTIME)),
    }
    for token in (good, weak, wrong):
        for text in (token, base64.b64encode(token.encode()).decode(), token[4:20]):
            assert [where for where, output in outputs.items() if text in output] == []
        assert token not in json.dumps(place.control_plane.kubectl("get", "events", "-A", "-o", "json").stdout)
    assert not place.control_plane.etcd_contains(weak.encode()), "what was refused never was in etcd"
