"""Credentials as Argo CD itself writes them, by `argocd repocreds add` and by its pages, and what a denial is there.

Argo CD can't be had here, so `ArgoCD` does what its source does: `util/db/repository_secrets.go`, `util/db/secrets.go`,
`server/repocreds/repocreds.go` and `util/grpc/errors.go` of version 3.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes.client import ApiClient, ApiException, Configuration, CoreV1Api, V1ObjectMeta, V1Secret

from tests.api_server.control_plane import ControlPlane, wait_until
from tests.api_server.webhook_process import Place, Simulation, accepted, annotated, refused, runtime_secret
from webhook.simulator.faults import Outage

ACCOUNT = "argocd-server"
SECRET_TYPE = "argocd.argoproj.io/secret-type"
MANAGED_BY = "managed-by"
ARGOCD = "argocd.argoproj.io"
URL = "https://github.com/acme"
WEAK = "this classic token of octocat has read:org and repo; a runtime token also needs admin:repo_hook."

# A Role of Argo CD's own manifests: manifests/base/server/argocd-server-role.yaml, as far as it is about Secrets.
ROLE = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get", "list", "watch", "update", "delete"]}


class RpcError(Exception):
    """What `argocd` ends with and its pages show: the API server's error, under one of gRPC's codes."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"rpc error: code = {code} desc = {description}")
        self.code = code


CODES = {
    "NotFound": "NotFound",
    "AlreadyExists": "AlreadyExists",
    "Invalid": "InvalidArgument",
    "BadRequest": "FailedPrecondition",
    "Forbidden": "PermissionDenied",
    "Conflict": "Aborted",
    "InternalError": "Internal",
}
"""`kubeErrToGRPC`: it goes by the reason of the API server's Status."""


@dataclass(frozen=True)
class ArgoCD:
    """`argocd-server`, with the rights and the calls of the real one."""

    core: CoreV1Api
    namespace: str

    def add(self, url: str, *, upsert: bool = False, username: str = "octocat", password: str) -> None:
        """`argocd repocreds add URL --username … --password … [--upsert]`, and "Save as credentials template"."""
        values = {"url": url, "username": username, "password": password, "type": "git"}
        try:
            self._create(url, values)
        except RpcError as error:
            if error.code != "AlreadyExists":
                raise
            stored = {key: base64.b64decode(value).decode() for key, value in (self._of(url).data or {}).items()}
            if stored == values:
                return
            if not upsert:
                raise RpcError("InvalidArgument", "existing repository credentials spec is different") from error
            self.update(url, password)

    def update(self, url: str, password: str) -> None:
        """What `--upsert` comes to: the Secret as it was read, with other values, as one UPDATE."""
        secret = self._of(url)
        secret.data = {**(secret.data or {}), **_encoded({"url": url, "password": password})}
        _mark(secret)
        with _as_grpc():
            self.core.replace_namespaced_secret(_name(secret), self.namespace, secret)

    def remove(self, url: str) -> None:
        """`argocd repocreds rm URL`: what it made is deleted, what somebody else made only loses its label."""
        secret = self._of(url)
        metadata = _metadata(secret)
        with _as_grpc():
            if (metadata.annotations or {}).get(MANAGED_BY) == ARGOCD:
                self.core.delete_namespaced_secret(_name(secret), self.namespace)
            else:
                metadata.labels = {key: value for key, value in (metadata.labels or {}).items() if key != SECRET_TYPE}
                self.core.replace_namespaced_secret(_name(secret), self.namespace, secret)

    def _create(self, url: str, values: Mapping[str, str]) -> None:
        secret = V1Secret(metadata=V1ObjectMeta(name=secret_name(url)), data=_encoded(values))
        _mark(secret)
        with _as_grpc():
            self.core.create_namespaced_secret(self.namespace, secret)

    def _of(self, url: str) -> V1Secret:
        listed = self.core.list_namespaced_secret(self.namespace, label_selector=f"{SECRET_TYPE}=repo-creds")
        wanted = _encoded({"url": url})["url"]
        (found,) = [secret for secret in listed.items if (secret.data or {}).get("url") == wanted]
        return found


@contextmanager
def _as_grpc() -> Iterator[None]:
    """Passes the API server's refusals on as Argo CD does."""
    try:
        yield
    except ApiException as error:
        status = json.loads(str(error.body))
        raise RpcError(CODES.get(status["reason"], "Unknown"), status["message"]) from error


def secret_name(url: str) -> str:
    """`RepoURLToSecretName`: the prefix and the URL's FNV-1a of 32 bits, in decimal."""
    digest = 0x811C9DC5
    for byte in url.encode():
        digest = (digest ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"creds-{digest}"


def _encoded(values: Mapping[str, str]) -> dict[str, bytes | str]:
    # `updateSecretString` writes no key for an empty value.
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items() if value}


def _mark(secret: V1Secret) -> None:
    """`addSecretMetadata`."""
    metadata = _metadata(secret)
    metadata.annotations = {**(metadata.annotations or {}), MANAGED_BY: ARGOCD}
    metadata.labels = {**(metadata.labels or {}), SECRET_TYPE: "repo-creds"}


def _metadata(secret: V1Secret) -> V1ObjectMeta:
    assert secret.metadata is not None
    return secret.metadata


def _name(secret: V1Secret) -> str:
    return str(_metadata(secret).name)


@pytest.fixture
def argocd(place: Place) -> Iterator[ArgoCD]:
    """Argo CD in a namespace of its own."""
    control_plane = place.control_plane
    metadata = {"name": ACCOUNT, "namespace": place.namespace}
    rbac = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", **metadata}
    control_plane.apply(
        [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
            {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": [ROLE]},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": ACCOUNT},
                "subjects": [subject],
            },
        ]
    )
    with ApiClient(_as_account(control_plane, place)) as client:
        core = CoreV1Api(client)

        def may_list() -> bool:
            try:
                core.list_namespaced_secret(place.namespace)
            except ApiException:
                return False
            return True

        wait_until(may_list, message="Argo CD's role to count")
        yield ArgoCD(core, place.namespace)


def _as_account(control_plane: ControlPlane, place: Place) -> Configuration:
    token = place.kubectl("create", "token", ACCOUNT).stdout.strip()
    return Configuration(
        host=control_plane.server_url,
        api_key={"BearerToken": f"Bearer {token}"},
        ca_cert_data=control_plane.ca_pem.decode(),
        no_proxy="*",
    )


# --- Credentials that are good enough ---------------------------------------------------------------------------------


def test_the_name_is_the_one_that_argo_cd_would_find() -> None:
    """An example of Argo CD's own test, `Test_CredsURLToSecretName`."""
    assert secret_name("git@github.com:argoproj") == "creds-2666065091"


def test_added_credentials_are_stored_and_marked(argocd: ArgoCD, place: Place, github: Simulation) -> None:
    """Argo CD's name, label and annotation stay as they are, and ours stand beside them."""
    token = github.good_token()
    argocd.add(URL, password=token)
    stored = place.stored(secret_name(URL))["metadata"]
    assert stored["labels"][SECRET_TYPE] == "repo-creds"
    assert stored["annotations"][MANAGED_BY] == ARGOCD
    assert place.value(secret_name(URL), "password") == token
    assert place.marks(secret_name(URL))["validation"] == "passed"


def test_added_again_nothing_changes(argocd: ArgoCD, place: Place, github: Simulation) -> None:
    """Argo CD compares what is stored with what it would write: had we changed a value, it would now fail."""
    token = github.good_token()
    argocd.add(URL, password=token)
    before = place.stored(secret_name(URL))
    argocd.add(URL, password=token)
    assert place.stored(secret_name(URL)) == before


def test_an_upsert_is_checked_like_the_first(argocd: ArgoCD, place: Place, github: Simulation) -> None:
    """The UPDATE to a weak token is refused, the one to a good one is stored and marked anew."""
    first, second = github.good_token(), github.token("repo", "admin:repo_hook", "gist")
    argocd.add(URL, password=first)
    with pytest.raises(RpcError, match="admin:repo_hook"):
        argocd.add(URL, upsert=True, password=github.weak_token())
    assert place.value(secret_name(URL), "password") == first
    argocd.add(URL, upsert=True, password=second)
    assert place.value(secret_name(URL), "password") == second
    assert place.marks(secret_name(URL))["scopes"] == "admin:repo_hook,gist,repo"


def test_without_upsert_other_credentials_are_argo_cds_own_refusal(
    argocd: ArgoCD, place: Place, github: Simulation
) -> None:
    """A name that is taken never reaches us as a denial: the API server's own AlreadyExists leads to it."""
    argocd.add(URL, password=github.good_token())
    with pytest.raises(RpcError, match="existing repository credentials spec is different"):
        argocd.add(URL, password=github.good_token())


# --- Credentials that go ----------------------------------------------------------------------------------------------


def test_what_argo_cd_made_it_can_delete(argocd: ArgoCD, place: Place, github: Simulation) -> None:
    """A DELETE, which the API server never asks us about."""
    argocd.add(URL, password=github.good_token())
    argocd.remove(URL)
    assert not place.exists(secret_name(URL))


def test_what_others_made_only_loses_its_label(argocd: ArgoCD, place: Place, github: Simulation) -> None:
    """Also while the provider is down, though the token is no longer good: nobody uses it from here on."""
    token = github.good_token()
    accepted(place.create(runtime_secret(token, url=URL)))
    github.fail(token, Outage())
    argocd.remove(URL)
    stored = place.stored("runtime-repo-creds-secret")["metadata"]
    assert SECRET_TYPE not in stored.get("labels", {})
    assert place.marks("runtime-repo-creds-secret") == {}


# --- What a denial looks like there -----------------------------------------------------------------------------------


def refusal(argocd: ArgoCD, token: str) -> RpcError:
    """What becomes of credentials that can't be added."""
    with pytest.raises(RpcError) as caught:
        argocd.add(URL, password=token)
    return caught.value


def test_a_weak_token_is_an_invalid_argument(argocd: ArgoCD, place: Place, github: Simulation) -> None:
    """422 becomes `InvalidArgument`, which is HTTP 400 to a browser; the description holds the whole sentence."""
    error = refusal(argocd, github.weak_token())
    assert error.code == "InvalidArgument"
    assert str(error).startswith("rpc error: code = InvalidArgument desc = admission webhook ")
    assert f"data.password: github.com says that {WEAK}" in str(error)
    assert "https://github.com/settings/tokens/new?scopes=" in str(error)
    assert not place.exists(secret_name(URL))


def test_no_denial_sends_argo_cd_into_an_upsert(argocd: ArgoCD, github: Simulation) -> None:
    """`AlreadyExists` would; what can't be verified, and what is malformed, are of no other kind than what is weak."""
    down = github.good_token()
    github.fail(down, Outage())
    assert refusal(argocd, down).code == "InvalidArgument"
    assert refusal(argocd, github.good_token() + "\n").code == "InvalidArgument"


def test_what_argo_cd_passes_on_holds_no_token(argocd: ArgoCD, github: Simulation) -> None:
    """It lands in the terminal, in the browser, and in the logs of argocd-server."""
    token = github.weak_token()
    assert token not in str(refusal(argocd, token))


def test_who_may_not_skip_is_told_so(argocd: ArgoCD, place: Place, github: Simulation) -> None:
    """422 becomes `InvalidArgument`: somebody put an annotation on that only some may use, and Argo CD saves it."""
    accepted(place.create(runtime_secret(github.good_token(), url=URL)))
    marked = annotated({"metadata": {}}, skip_validation="true")["metadata"]
    accepted(place.patch("runtime-repo-creds-secret", {"metadata": marked}))
    with pytest.raises(RpcError) as caught:
        argocd.update(URL, github.weak_token())
    assert caught.value.code == "InvalidArgument"
    assert "git-token-webhook/skip-validation" in str(caught.value)


MASK = "++++++++"


def masked() -> dict[str, Any]:
    """What Argo CD's server-side diff sends of a Secret with repo-creds."""
    metadata = {"name": "creds", "labels": {"argocd.argoproj.io/secret-type": "repo-creds"}}
    data = dict.fromkeys(["type", "url", "username", "password"], MASK)
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


APPLY = ("--server-side", "--field-manager=argocd-controller", "--force-conflicts")


def test_a_server_side_diff_with_masked_values_passes(place: Place, github: Simulation) -> None:
    """Before the Secret is there and after; its marks are those that are stored, so that they are no difference."""
    assert "Argo CD has masked the values" in accepted(place.apply(masked(), *APPLY, "--dry-run=server"))
    accepted(place.apply(runtime_secret(github.good_token(), name="creds"), *APPLY))
    result = place.apply(masked(), *APPLY, "--dry-run=server", "-o", "json")
    assert "Argo CD has masked the values" in accepted(result)
    annotations = json.loads(result.stdout)["metadata"]["annotations"]
    assert annotations == place.stored("creds")["metadata"]["annotations"]


def test_masked_values_are_never_stored(place: Place, github: Simulation) -> None:
    """They would replace the token."""
    token = github.good_token()
    accepted(place.apply(runtime_secret(token, name="creds"), *APPLY))
    assert "is a mask that Argo CD shows" in refused(place.apply(masked(), *APPLY))
    assert place.value("creds", "password") == token
