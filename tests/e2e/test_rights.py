"""With the rights that are installed everything works (all other tests show it), and without any one of them something
doesn't: nothing is allowed that isn't needed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from tests.api_server.control_plane import as_yaml, wait_until
from tests.api_server.test_applications import DEFINITION, application
from tests.e2e.cluster import Cluster
from tests.e2e.installation import ARRIVAL_SECONDS, CONFIGURATIONS, NAME, NAMESPACE, Installation, Providers
from tests.support.writes import accepted, annotated, runtime_secret, user_secret

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{NAME}"
ROLES = (
    ("clusterrole", NAME),
    ("role", NAME),
    ("clusterrole", f"{NAME}-certificates"),
    ("role", f"{NAME}-certificates"),
)


class Right(NamedTuple):
    """One verb for one resource, or for one object of it."""

    verb: str
    resource: str
    name: str = ""


@dataclass(frozen=True)
class Work:
    """What the webhook needs rights for. Each method says whether it succeeds at something new to the webhook."""

    installation: Installation
    providers: Providers

    def skips_where_the_namespace_says_so(self) -> bool:
        place = self.installation.new_place(skip_validation="true")
        return place.create(runtime_secret(self.providers.weak_token)).returncode == 0

    def skips_where_the_platform_says_so(self) -> bool:
        place = self.installation.new_place()
        flag = "--from-literal=skipGitPermissionValidation=true"
        accepted(place.kubectl("create", "configmap", "cap-app-proxy-cm", flag))
        return place.create(user_secret(self.providers.token("no-scope-classic"))).returncode == 0

    def lets_those_skip_who_may(self) -> bool:
        place = self.installation.new_place()
        accepted(place.kubectl("create", "rolebinding", "writes", "--clusterrole=edit", "--user=alice"))
        role = f"--clusterrole={NAME}-skip-validation"
        accepted(place.kubectl("create", "rolebinding", "skips", role, "--user=alice"))
        can_write = ("auth", "can-i", "create", "secrets")
        wait_until(lambda: place.kubectl(*can_write, user="alice").returncode == 0, message="alice's rights to count")
        marked = annotated(runtime_secret(self.providers.weak_token), skip_validation="true")
        return place.create(marked, user="alice").returncode == 0

    def knows_what_applications_sync(self) -> bool:
        place = self.installation.new_place()
        accepted(place.create(application("web", "https://github.com/acme/nothing.git")))
        manifest = runtime_secret(self.providers.good_token, url="https://github.com/acme")

        def warnings() -> str:
            return accepted(place.create(manifest, "--dry-run=server"))

        with self.installation.configured(repositories={"applications": True}):
            wait_until(lambda: warnings() and warnings(), ARRIVAL_SECONDS, message="Applications to be looked at")
            return "404 for acme/nothing" in warnings()

    def makes_a_key_ring(self) -> bool:
        self.installation.kubectl("delete", "secret", f"{NAME}-keys", "--ignore-not-found")
        return self.finds_the_key_ring()

    def finds_the_key_ring(self) -> bool:
        return self._succeeds("keys", "ensure", f"--secret={NAMESPACE}/{NAME}-keys")

    def looks_after_the_certificates(self) -> bool:
        return self._succeeds("certs", "ensure")

    def makes_a_new_leaf(self) -> bool:
        return self._succeeds("certs", "rotate")

    def makes_a_new_ca(self) -> bool:
        return self._succeeds("certs", "rotate", "--ca")

    def elects_who_keeps_them(self) -> bool:
        """Whoever does renews the Lease every two seconds."""
        before = self._renewed()
        try:
            wait_until(lambda: self._renewed() not in (None, before), 6, interval=0.5)
        except TimeoutError:
            return False
        return True

    def elects_anew(self) -> bool:
        self.installation.kubectl("delete", "lease", f"{NAME}-certificates", "--ignore-not-found")
        return self.elects_who_keeps_them()

    def mends_the_mutating_configuration(self) -> bool:
        return self._mends(0)

    def mends_the_validating_configuration(self) -> bool:
        return self._mends(1)

    def _mends(self, which: int) -> bool:
        patch = json.dumps([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}])
        self.installation.cluster.kubectl("patch", CONFIGURATIONS[which], NAME, "--type=json", "--patch", patch)
        self._succeeds("certs", "ensure")
        return self.installation.trusted()[which] != []

    def _succeeds(self, *command: str) -> bool:
        pod = self.installation.pod_names()[0]
        inside = ("-n", NAMESPACE, "exec", pod, "-c", NAME, "--", "git-token-webhook", *command)
        return self.installation.cluster.kubectl(*inside, check=False).returncode == 0

    def _renewed(self) -> str | None:
        found = self.installation.kubectl("get", "lease", f"{NAME}-certificates", "--ignore-not-found", "-o", "json")
        return json.loads(found)["spec"]["renewTime"] if found.strip() else None


NEEDED: dict[Right, Callable[[Work], bool]] = {
    Right("get", "namespaces"): Work.skips_where_the_namespace_says_so,
    Right("get", "configmaps", "cap-app-proxy-cm"): Work.skips_where_the_platform_says_so,
    Right("create", "subjectaccessreviews.authorization.k8s.io"): Work.lets_those_skip_who_may,
    Right("list", "applications.argoproj.io"): Work.knows_what_applications_sync,
    Right("create", "secrets"): Work.makes_a_key_ring,
    Right("get", "secrets", f"{NAME}-keys"): Work.finds_the_key_ring,
    Right("get", "secrets", f"{NAME}-ca"): Work.looks_after_the_certificates,
    Right("update", "secrets", f"{NAME}-ca"): Work.makes_a_new_ca,
    Right("get", "secrets", f"{NAME}-tls"): Work.looks_after_the_certificates,
    Right("update", "secrets", f"{NAME}-tls"): Work.makes_a_new_leaf,
    Right("get", "leases.coordination.k8s.io", f"{NAME}-certificates"): Work.elects_who_keeps_them,
    Right("update", "leases.coordination.k8s.io", f"{NAME}-certificates"): Work.elects_who_keeps_them,
    Right("create", "leases.coordination.k8s.io"): Work.elects_anew,
    **{
        Right(verb, f"{kind}s.admissionregistration.k8s.io", NAME): mends
        for verb in ("get", "update")
        for kind, mends in zip(
            CONFIGURATIONS,
            (Work.mends_the_mutating_configuration, Work.mends_the_validating_configuration),
            strict=True,
        )
    },
}
"""What can't be done without each right."""


@pytest.fixture(scope="module")
def work(installation: Installation, providers: Providers, cluster: Cluster) -> Iterator[Work]:
    """All that, where Argo CD is; with the key ring as it was before."""
    cluster.apply(DEFINITION)
    served = ("get", "applications.argoproj.io", "-A")
    wait_until(lambda: cluster.kubectl(*served, check=False).returncode == 0, message="Applications to be served")
    ring = cluster.get("-n", NAMESPACE, "secret", f"{NAME}-keys")["data"]
    yield Work(installation, providers)
    patch = json.dumps([{"op": "replace", "path": "/data", "value": ring}])
    installation.kubectl("patch", "secret", f"{NAME}-keys", "--type=json", "--patch", patch)
    cluster.kubectl("delete", "-f", "-", input=as_yaml(DEFINITION))


def single_rules(role: dict[str, Any]) -> dict[Right, dict[str, Any]]:
    """A rule for each right of a role."""
    return {
        Right(verb, f"{resource}.{group}" if group else resource, name): {
            "apiGroups": [group],
            "resources": [resource],
            "verbs": [verb],
            **({"resourceNames": [name]} if name else {}),
        }
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def roles(cluster: Cluster) -> list[dict[str, Any]]:
    """All that our ServiceAccount is bound to."""
    found = [cluster.get("-n", NAMESPACE, kind, name) for kind, name in ROLES]
    bound = [*cluster.get("clusterrolebindings")["items"], *cluster.get("-n", NAMESPACE, "rolebindings")["items"]]
    ours = [one for one in bound if any(who.get("name") == NAME for who in one.get("subjects", ()))]
    named = {(one["roleRef"]["kind"].lower(), one["roleRef"]["name"]) for one in ours}
    assert named == set(ROLES)
    return found


@contextmanager
def without(cluster: Cluster, right: Right) -> Iterator[None]:
    """Our ServiceAccount has all its rights but this one."""
    (role,) = (one for one in roles(cluster) if right in single_rules(one))
    rules = [rule for held, rule in single_rules(role).items() if held != right]
    asked = ("auth", "can-i", right.verb, f"{right.resource}/{right.name}" if right.name else right.resource)
    where = ("--as", ACCOUNT, "-n", NAMESPACE)

    def holds() -> bool:
        return cluster.kubectl(*asked, *where, check=False).returncode == 0

    def put(now: list[dict[str, Any]]) -> None:
        patch = json.dumps([{"op": "replace", "path": "/rules", "value": now}])
        kind, name = role["kind"], role["metadata"]["name"]
        cluster.kubectl("-n", NAMESPACE, "patch", kind, name, "--type=json", "--patch", patch)

    put(rules)
    try:
        wait_until(lambda: not holds(), message="the right to go")
        yield
    finally:
        put(role["rules"])
        wait_until(holds, message="the right to be back")


def test_each_right_is_known_here(cluster: Cluster, work: Work) -> None:
    """A new one needs to be here, with what needs it."""
    assert {right for role in roles(cluster) for right in single_rules(role)} == set(NEEDED)


@pytest.mark.parametrize("right", NEEDED, ids=lambda right: " ".join(filter(None, right)))
def test_without_a_right_something_fails(cluster: Cluster, work: Work, right: Right) -> None:
    """And nothing does when it is back."""
    with without(cluster, right):
        assert not NEEDED[right](work)
    assert NEEDED[right](work)
